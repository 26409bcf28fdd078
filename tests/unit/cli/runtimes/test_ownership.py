"""Whose platform is this? What the engine says about volumes, containers and networks, and what follows from it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.runtimes import checkout, ownership, ports
from cli.runtimes.checkout import Identity
from cli.runtimes.ownership import Container, Owner, Traces, refuse
from cli.settings.settings import Settings
from orionbox.errors import BadInputError

NAME = "orionbox"


@pytest.fixture
def me(tmp_path: Path) -> Identity:
    """This checkout."""
    (tmp_path / "mine").mkdir()
    return checkout.settle(tmp_path / "mine")


@pytest.fixture
def other(tmp_path: Path) -> Owner:
    """Another checkout, which exists."""
    (tmp_path / "ada").mkdir()
    return Owner(checkout.settle(tmp_path / "ada").id, str(tmp_path / "ada"), "ada")


def container(owner: Owner, name: str = "orionbox-orion-1") -> Container:
    return Container(name, NAME, True, owner)


def said(found: BadInputError | None) -> str:
    assert found
    return f"{found.text}\n{found.fix}"


def legacy(folder: Path, exists: bool = True) -> Owner:
    """The owner of a container of 0.2.0, which has only Compose's labels."""
    if exists:
        folder.mkdir(exist_ok=True)
        (folder / "compose.yaml").touch()
    return Owner(folder=str(folder), config=str(folder / "compose.yaml"))


def test_a_free_name_and_an_own_one_are_not_refused(me: Identity) -> None:
    mine = Owner(me.id, "/where/it/was/before")
    for traces in (
        Traces(),
        Traces(mine, [container(mine)], ["orionbox_gcs"]),
        Traces(None, [container(mine)], ["orionbox_gcs"]),  # `docker volume prune` has removed the claim
    ):
        assert refuse(NAME, traces, me, has_record=False) is None


def test_a_foreign_platform_is_named_with_its_folder(me: Identity, other: Owner) -> None:
    expected = (
        f"platform orionbox on this engine belongs to {other.folder} (user ada)\n"
        "set another COMPOSE_PROJECT_NAME in .env"
    )
    assert said(refuse(NAME, Traces(other), me, has_record=False)) == expected
    assert said(refuse(NAME, Traces(other, [container(Owner(me.id))]), me, has_record=True)) == expected
    by_containers = Traces(None, [container(Owner(me.id)), container(Owner(other.id, other.folder))])
    assert expected.replace(" (user ada)", "") == said(refuse(NAME, by_containers, me, has_record=True))


def test_a_platform_whose_checkout_has_gone_can_be_taken_over(me: Identity) -> None:
    found = said(refuse(NAME, Traces(Owner("0", "/deleted/orionbox")), me, has_record=False))
    assert "belongs to /deleted/orionbox, which is no longer there" in found
    assert found.endswith(
        "take it over:\n    docker volume rm orionbox_checkout && docker volume create "
        f"--label orionbox.checkout={me.id} --label orionbox.folder={me.root} orionbox_checkout"
    )


def test_after_a_takeover_the_containers_of_the_one_who_has_gone_are_ones_own(me: Identity, other: Owner) -> None:
    mine = Owner(me.id, str(me.root))
    assert refuse(NAME, Traces(mine, [container(Owner("0", "/deleted/orionbox"))]), me, has_record=False) is None
    assert refuse(NAME, Traces(mine, [container(other)]), me, has_record=False), "its checkout is still there"
    assert refuse(NAME, Traces(None, [container(Owner("0", "/deleted/orionbox"))]), me, has_record=True), "no claim"


def test_an_id_that_was_lost_is_said_and_can_be_taken_over(me: Identity) -> None:
    found = said(refuse(NAME, Traces(Owner("0", str(me.root))), me, has_record=True))
    assert f"belongs to an earlier checkout in this folder, {me.root}" in found and "docker volume rm" in found


def test_a_claim_without_labels_is_another_ones(me: Identity) -> None:
    found = said(refuse(NAME, Traces(Owner()), me, has_record=True))
    assert found.startswith("platform orionbox on this engine belongs to another checkout\n")


def test_a_folder_that_may_not_be_read_counts_as_there(me: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_to_read(path: Path, encoding: str) -> str:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "read_text", refuse_to_read)
    found = said(refuse(NAME, Traces(Owner("0", "/home/bob/orionbox")), me, has_record=False))
    assert "belongs to /home/bob/orionbox\n" in found and "take it over" not in found


def test_a_home_that_may_not_be_entered_counts_as_there(me: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = legacy(me.root.parent / "bob" / "orionbox", exists=False)
    (me.root.parent / "bob").mkdir()
    monkeypatch.setattr("os.access", lambda folder, mode: not str(folder).endswith("bob"))
    assert refuse(NAME, Traces(None, [container(bob)]), me, has_record=True)


# --- platforms of 0.1.0 and 0.2.0, which have no claim and no id ---


def test_an_old_platform_that_was_started_here_is_ones_own(me: Identity) -> None:
    assert refuse(NAME, Traces(None, [container(legacy(me.root))], ["orionbox_gcs"]), me, has_record=False) is None


def test_an_old_platform_of_another_folder_is_refused(me: Identity, tmp_path: Path) -> None:
    traces = Traces(None, [container(legacy(tmp_path / "elsewhere"))], ["orionbox_gcs"])
    for has_record in (False, True):
        assert f"belongs to {tmp_path}/elsewhere\n" in said(refuse(NAME, traces, me, has_record))


def test_an_old_platform_of_a_moved_checkout_is_known_by_its_record(me: Identity, tmp_path: Path) -> None:
    traces = Traces(None, [container(legacy(tmp_path / "gone", exists=False))], ["orionbox_gcs"])
    assert refuse(NAME, traces, me, has_record=True) is None
    assert "take it over" in said(refuse(NAME, traces, me, has_record=False))
    # Docker has created the folder again, for the folders that it mounts
    (tmp_path / "gone" / "data").mkdir(parents=True)
    assert refuse(NAME, traces, me, has_record=True) is None


def test_volumes_alone_are_ones_own_if_there_is_a_record(me: Identity) -> None:
    traces = Traces(volumes=["orionbox_bigquery", "orionbox_gcs", "orionbox_home", "orionbox_inbox"])
    assert refuse(NAME, traces, me, has_record=True) is None
    found = said(refuse(NAME, traces, me, has_record=False))
    assert "did not create (orionbox_bigquery, orionbox_gcs, orionbox_home, ...)" in found
    assert "take it over:\n    docker volume create --label" in found


def test_containers_of_old_runs_name_nobody(me: Identity) -> None:
    traces = Traces(None, [container(Owner())])
    assert refuse(NAME, traces, me, has_record=True) is None
    assert refuse(NAME, traces, me, has_record=False)
    assert refuse(NAME, Traces(Owner(me.id), [container(Owner())]), me, has_record=False) is None


# --- other programs that use the name ---


def test_a_project_that_uses_a_claimed_name_is_not_removed_as_an_orphan(me: Identity, tmp_path: Path) -> None:
    shop = legacy(tmp_path / "shop")
    found = said(refuse(NAME, Traces(Owner(me.id), [container(shop, "orionbox-web-1")]), me, has_record=True))
    assert found.startswith(
        f"container orionbox-web-1 has the name of platform orionbox, and was started from {tmp_path}/shop\n"
        "end it there, or remove it: docker rm --force orionbox-web-1;"
    )


def test_the_network_of_another_program_is_refused(me: Identity) -> None:
    found = said(refuse(NAME, Traces(foreign_network=NAME), me, has_record=False))
    assert found == "this engine has a network orionbox of another program\nset another COMPOSE_PROJECT_NAME in .env"


# --- what the engine says, and what is asked of it ---


class FakeEngine:
    """The engine's volumes, containers and networks, as `docker ... ls` prints them, and the commands it got."""

    def __init__(self) -> None:
        self.volumes: dict[str, dict[str, str]] = {}
        self.containers: list[dict[str, str]] = []
        self.networks: list[dict[str, str]] = [{"Name": "bridge"}]
        self.changes: list[str] = []
        self.before_create: Callable[[], Any] = lambda: None

    def __call__(self, *command: str) -> str:
        _, kind, verb, *rest = command
        if verb == "ls":
            things = {"volume": self._volumes(), "container": self.containers, "network": self.networks}[kind]
            fields = re.findall(r'json (?:\.(\w+)|\(\.Label "([^"]+)"\))', rest[-1])
            return "".join(json.dumps([thing.get(a or b, "") for a, b in fields]) + "\n" for thing in things)
        self.changes.append(f"{kind} {verb} {rest[-1]}")
        if verb == "create":
            self.before_create()
            labels = dict(word.split("=", 1) for word in rest if "=" in word)
            self.volumes.setdefault(rest[-1], labels)  # as the engine does: the first one's labels stay
        if verb == "rm":
            self.volumes.pop(rest[-1], None)
        return ""

    def _volumes(self) -> list[dict[str, str]]:
        return [{"Name": name, **labels} for name, labels in self.volumes.items()]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeEngine:
    """An engine without anything, asked from the checkout in `tmp_path`."""
    engine = FakeEngine()
    monkeypatch.setattr(ownership, "output", engine)
    monkeypatch.setattr(ownership, "ROOT", tmp_path)
    monkeypatch.setattr(ports, "FOLDER", tmp_path / ".ports")
    return engine


def test_a_claim_has_the_labels_of_its_owner_and_of_compose(
    engine: FakeEngine, settings: Settings, tmp_path: Path
) -> None:
    ownership.claim(settings)
    labels = engine.volumes["orionbox_checkout"]
    assert labels["orionbox.checkout"] == checkout.read(tmp_path).id and labels["orionbox.folder"] == str(tmp_path)
    assert labels["com.docker.compose.project"] == "orionbox" and labels["orionbox.user"]
    assert checkout.records(tmp_path) == [("orionbox", "compose")]
    ownership.claim(settings)
    assert list(engine.volumes.values()) == [labels] and len(engine.changes) == 1


def test_after_a_release_no_trace_is_left(engine: FakeEngine, settings: Settings, tmp_path: Path) -> None:
    ownership.claim(settings)
    ownership.release(settings)
    assert engine.volumes == {} and list(tmp_path.iterdir()) == []


def test_a_moved_checkout_claims_its_platform_again(engine: FakeEngine, settings: Settings, tmp_path: Path) -> None:
    ownership.claim(settings)
    id_ = checkout.read(tmp_path).id
    (tmp_path / ".ports/checkout.json").write_text(json.dumps({"id": id_, "folder": "/before"}))
    engine.volumes["orionbox_checkout"]["orionbox.folder"] = "/before"
    started = {"Names": "a", "State": "running", ownership.PROJECT: "orionbox", "orionbox.checkout": id_}
    engine.containers = [{**started, "orionbox.folder": "/before"}]
    assert ownership.claim(settings), "its containers have to be started again"
    engine.containers = [{**started, "orionbox.folder": str(tmp_path)}]
    assert not ownership.claim(settings)
    assert engine.volumes["orionbox_checkout"]["orionbox.folder"] == str(tmp_path)
    assert checkout.read(tmp_path) == checkout.Identity(tmp_path, id_)


def test_of_two_claims_at_the_same_moment_the_first_one_counts(
    engine: FakeEngine, settings: Settings, tmp_path: Path
) -> None:
    first = {"orionbox.checkout": "first", "orionbox.folder": "/gone"}
    engine.before_create = lambda: engine.volumes.update(orionbox_checkout=first)
    with pytest.raises(BadInputError, match="belongs to /gone"):
        ownership.claim(settings)
    assert engine.volumes["orionbox_checkout"] == first
    assert checkout.records(tmp_path) == []


def test_a_refusal_changes_nothing_and_names_the_id_that_a_takeover_needs(
    engine: FakeEngine, settings: Settings, tmp_path: Path
) -> None:
    engine.volumes["orionbox_checkout"] = {"orionbox.checkout": "0", "orionbox.folder": "/gone"}
    for ask in (ownership.require, ownership.claim):
        with pytest.raises(BadInputError, match="belongs to /gone") as refused:
            ask(settings)
    assert engine.changes == [] and checkout.records(tmp_path) == []
    id_ = re.search(r"--label orionbox.checkout=(\S+)", refused.value.fix)
    assert id_ and id_[1] == checkout.read(tmp_path).id
    engine.volumes["orionbox_checkout"] = {"orionbox.checkout": id_[1], "orionbox.folder": str(tmp_path)}
    ownership.claim(settings)


def test_asking_about_a_free_name_writes_nothing(engine: FakeEngine, settings: Settings, tmp_path: Path) -> None:
    engine.volumes["orionbox2_postgres"] = {"com.docker.compose.project": "orionbox2"}
    assert not ownership.require(settings), "there is nothing to stop or to delete"
    assert engine.changes == [] and list(tmp_path.iterdir()) == []
    ownership.claim(settings)
    assert ownership.require(settings)


def test_a_copy_does_not_take_what_the_record_of_the_original_names(
    engine: FakeEngine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    checkout.settle(original)
    checkout.record(original / ".ports/orionbox-compose.json")
    shutil.copytree(original, copy)
    monkeypatch.setattr(ownership, "ROOT", copy)
    monkeypatch.setattr(ports, "FOLDER", copy / ".ports")
    engine.volumes = {"orionbox_postgres": {}}
    with pytest.raises(BadInputError, match="that this checkout did not create"):
        ownership.require(settings)


def test_what_the_engine_has_under_the_name_is_found_by_name_and_by_label(engine: FakeEngine) -> None:
    project = "com.docker.compose.project"
    engine.volumes = {"box_gcs": {}, "old": {project: "box"}, "box_mine": {}, "box_two_gcs": {project: "box_two"}}
    engine.containers = [
        {"Names": "box-orion-1", "State": "running", project: "box", f"{project}.working_dir": "/a"},
        {"Names": "box-run-x", "State": "exited", "orionbox.project": "box", "orionbox.checkout": "1"},
        {"Names": "box-web-1", "State": "running", project: "other"},
        {"Names": "alone", "State": "running"},
    ]
    traces = ownership.find_traces("box")
    assert list(traces.volumes) == ["box_gcs", "old"] and traces.claim is None and not traces.foreign_network
    assert [(one.name, one.is_running, one.owner.folder, one.owner.id) for one in traces.containers] == [
        ("box-orion-1", True, "/a", ""),
        ("box-run-x", False, "", "1"),
    ]
    engine.networks.append({"Name": "box", project: "box"})
    assert not ownership.find_traces("box").foreign_network
    engine.networks[-1].pop(project)
    assert ownership.find_traces("box").foreign_network == "box"
    engine.networks[-1] = {"Name": "box_pgadmin", project: "other"}
    assert ownership.find_traces("box").foreign_network == "box_pgadmin"
    engine.networks[-1] = {"Name": "box_mine", project: "other"}
    assert not ownership.find_traces("box").foreign_network

"""What else this checkout has: renamed in .env, moved or copied while it runs, on the other runtime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.runtimes import checkout, ownership, platforms
from cli.runtimes.compose import engine
from cli.runtimes.embedded import service_lock, virtual_environments
from cli.runtimes.ownership import Container, Owner
from cli.runtimes.platforms import Platform
from cli.runtimes.runtime import Runtime
from cli.settings.settings import Settings


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a platform on each runtime, neither of which is running."""
    root = tmp_path / "here"
    root.mkdir()
    checkout.settle(root)
    for name in ("old-embedded", "orionbox-compose"):
        checkout.record(root / f".ports/{name}.json")
    at(root, monkeypatch)
    monkeypatch.setattr(engine, "unavailable_reason", lambda: "")
    monkeypatch.setattr(ownership, "list_containers", list)
    return root


def at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platforms, "ROOT", root)
    monkeypatch.setattr(virtual_environments, "FOLDER", root / ".embedded")


@pytest.fixture
def old_is_running(root: Path) -> Iterator[None]:
    """The platform `old` is running without Docker."""
    folder = root / ".embedded/old/run"
    folder.mkdir(parents=True)
    with service_lock.take(service_lock.lock_file(folder, "supervisor")):
        yield


def runtime(settings: Settings, name: str = "compose", platform: str = "orionbox") -> Runtime:
    fake = SimpleNamespace(name=name, settings=settings.with_values(COMPOSE_PROJECT_NAME=platform))
    return cast(Runtime, cast(Any, fake))


def containers(monkeypatch: pytest.MonkeyPatch, *found: Container) -> None:
    monkeypatch.setattr(ownership, "list_containers", lambda: list(found))


def test_what_is_stopped_is_named_with_the_command_that_deletes_it(settings: Settings, root: Path) -> None:
    assert platforms.describe(runtime(settings)).splitlines()[1:] == [
        "  old (embedded, stopped); delete its data: make reset COMPOSE_PROJECT_NAME=old RUNTIME=embedded"
    ]
    assert platforms.describe(runtime(settings), only_running=True) == ""


@pytest.mark.usefixtures("old_is_running")
def test_after_a_new_name_in_the_settings_the_old_platform_is_named(settings: Settings, root: Path) -> None:
    (root / ".ports/old-embedded.json").unlink()
    for only_running in (False, True):
        lines = platforms.describe(runtime(settings), only_running).splitlines()
        assert lines[1:] == ["  old (embedded, running); end it: make down COMPOSE_PROJECT_NAME=old RUNTIME=embedded"]


def test_a_platform_on_docker_is_found_by_its_containers_even_without_a_record(
    settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = checkout.read(root).id
    containers(
        monkeypatch,
        Container("a", "mine", False, Owner(id_, str(root))),
        Container("b", "mine", True, Owner(id_, str(root))),
        Container("c", "started-by-0.2.0", True, Owner("", str(root))),
        Container("d", "foreign", True, Owner("0", "/home/ada/orionbox")),
        Container("e", "nobodys", True, Owner()),
        Container("f", "orionbox", True, Owner("", "/before/the/move")),
    )
    found = {one.name: (one.state, one.folder) for one in platforms.find(runtime(settings))}
    assert found == {
        "old": ("stopped", ""),
        "orionbox": ("running", "/before/the/move"),
        "mine": ("running", ""),
        "started-by-0.2.0": ("running", ""),
    }


@pytest.mark.usefixtures("old_is_running")
def test_a_move_while_it_runs_is_said(
    settings: Settings, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.rename(tmp_path / "there")
    at(tmp_path / "there", monkeypatch)
    containers(monkeypatch, Container("a", "orionbox", True, Owner(checkout.read(tmp_path / "there").id, str(root))))
    assert platforms.describe(runtime(settings)).splitlines() == [
        f"platform orionbox was started in {root}: make up starts it again from here",
        "this checkout has other platforms, too; COMPOSE_PROJECT_NAME in .env names the one in use:",
        f"  old (embedded, running in {root}); end it: make down COMPOSE_PROJECT_NAME=old RUNTIME=embedded",
    ]
    started = platforms.describe(runtime(settings, "embedded", "old")).splitlines()[0]
    assert started == f"platform old was started in {root}: make up starts it again from here"


def test_processes_whose_files_are_gone_are_named_with_the_command_that_ends_them(
    settings: Settings, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = {"10": root / ".embedded/old", "11": tmp_path / "elsewhere/.embedded/old"}
    for number, folder in processes.items():
        words = ["python", "-m", "cli.runtimes.embedded.supervisor", f"{folder}/run/..", "supervisord.conf", ""]
        (tmp_path / number).mkdir()
        (tmp_path / number / "cmdline").write_text("\0".join(words))
    monkeypatch.setattr(platforms, "PROC", tmp_path)
    line = f"platform old still runs without Docker in {root}, where its files are gone; end it: kill 10"
    assert line in platforms.describe(runtime(settings), only_running=True)
    (root / ".embedded/old/run").mkdir(parents=True)
    with service_lock.take(service_lock.lock_file(root / ".embedded/old/run", "supervisor")):
        assert line not in platforms.describe(runtime(settings))


def test_with_an_engine_that_does_not_answer_the_state_is_its_reason(
    settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "unavailable_reason", lambda: "the engine is not running")
    found = platforms.find(runtime(settings, "embedded", "old"))
    assert Platform("orionbox", "compose", "the engine is not running") in found


def test_without_a_platform_on_docker_no_engine_is_asked(
    settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.forget(root / ".ports/orionbox-compose.json")
    monkeypatch.setattr(engine, "unavailable_reason", lambda: pytest.fail("the engine was asked"))
    monkeypatch.setattr(ownership, "list_containers", lambda: pytest.fail("the engine was asked"))
    assert platforms.find(runtime(settings, "embedded", "old")) == [Platform("old", "embedded")]

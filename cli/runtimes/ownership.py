"""Whose platform is this? Refuses one on this engine that belongs to another checkout, and claims a free name.

A claim is the volume NAME_checkout. The engine creates a volume with the labels of the first who asks, so the labels
that are read back name the owner. Containers carry the same labels; those of 0.2.0 and older only Compose's own.
"""

from __future__ import annotations

import getpass
import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.programs import ROOT, output
from cli.runtimes import checkout, ports
from cli.runtimes.checkout import Identity
from cli.settings.settings import Settings
from orionbox.errors import BadInputError

CHECKOUT, FOLDER, USER = "orionbox.checkout", "orionbox.folder", "orionbox.user"
"""The labels of a claim; containers have the first two."""
PROJECT = "com.docker.compose.project"
VOLUMES = ("agent", "bigquery", "bootstrap", "gcs", "generated", "home", "inbox", "pgadmin", "postgres", "results")
"""The volumes in compose's files."""
NETWORKS = ("docker", "pages", "pgadmin")
"""The networks in compose's files, but for the one that has the platform's own name."""
SHOWN = 3
"""How many containers and volumes a message names."""
ANOTHER_NAME = "set another COMPOSE_PROJECT_NAME in .env"


@dataclass(frozen=True)
class Owner:
    """Whom a claim or a container belongs to, by its labels; empty where it has none."""

    id: str = ""
    folder: str = ""
    user: str = ""
    config: str = ""
    """The first file that Compose read for the container."""

    @property
    def is_unknown(self) -> bool:
        """Whether no label tells: a container of a flow run that 0.2.0 or older started."""
        return not (self.id or self.folder)

    @property
    def still_exists(self) -> bool:
        """Whether the owner is where the labels say; True if this user may not look there."""
        if self.id:
            return checkout.has_id(self.folder, self.id)
        try:
            return os.path.exists(self.config or self.folder) or not _may_look(self.folder)
        except OSError:
            return True


def _may_look(folder: str) -> bool:
    """Returns whether this user can see what is in the nearest folder above that exists."""
    parent = next(parent for parent in Path(folder).parents if os.path.exists(parent))
    return os.access(parent, os.X_OK)


@dataclass(frozen=True)
class Container:
    """A container of a platform's service or flow run."""

    name: str
    platform: str
    is_running: bool
    owner: Owner


@dataclass(frozen=True)
class Traces:
    """What there is on the engine under the name of a platform."""

    claim: Owner | None = None
    containers: Sequence[Container] = ()
    volumes: Sequence[str] = ()
    foreign_network: str = ""
    """A network that the platform would use, but that Compose did not create for it."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.claim or self.containers or self.volumes or self.foreign_network)


def claim_name(platform: str) -> str:
    """Returns the name of the volume that claims a platform's name."""
    return f"{platform}_checkout"


def require(settings: Settings) -> bool:
    """Refuses a platform that belongs to another checkout, and creates nothing on the engine.

    Returns:
        Whether this checkout has the platform. Where there is none, there is nothing to stop or to delete: another
        checkout may claim that name at this moment.

    Raises:
        BadInputError: it belongs to another one; the fix is another name, or the command that takes it over.
    """
    return not _traces_of_own(settings).is_empty or _record_file(settings).exists()


def _traces_of_own(settings: Settings) -> Traces:
    me, traces = checkout.read(ROOT), find_traces(settings.platform)
    if not (me.id or traces.is_empty):
        me = checkout.ensure_id(ROOT)  # a refusal may name it
    if refusal := refuse(settings.platform, traces, me, _record_file(settings).exists()):
        raise refusal
    return traces


def claim(settings: Settings) -> bool:
    """Claims the platform's name for this checkout, unless that is done.

    Returns:
        Whether there are containers that were started before this checkout was moved here.

    Raises:
        BadInputError: the platform belongs to another checkout.
    """
    traces = _traces_of_own(settings)
    earlier = traces.claim
    me, is_new = checkout.ensure_id(ROOT), checkout.record(_record_file(settings))
    if not earlier or earlier.folder != str(ROOT):
        _create_claim(settings.platform, me, is_renewed=bool(earlier))
        found = find_traces(settings.platform).claim
        if found is None or found.id != me.id:  # another checkout was faster
            if is_new:
                checkout.forget(_record_file(settings))
            raise _foreign(settings.platform, found or Owner(), me, has_claim=True)
    checkout.settle(ROOT)
    return any(container.owner.folder not in ("", str(ROOT)) for container in traces.containers)


def _create_claim(platform: str, me: Identity, is_renewed: bool) -> None:
    if is_renewed:  # it names the folder from before a move, and labels cannot be changed
        output("docker", "volume", "rm", claim_name(platform))
    labels = {CHECKOUT: me.id, FOLDER: str(ROOT), USER: _user(), PROJECT: platform}
    words = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    output("docker", "volume", "create", *words, claim_name(platform))


def release(settings: Settings) -> None:
    """Removes the claim and the record of a platform that has been deleted."""
    output("docker", "volume", "rm", "--force", claim_name(settings.platform))
    checkout.forget(_record_file(settings))


def _record_file(settings: Settings) -> Path:
    return ports.ports_file(settings, checkout.COMPOSE)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return str(os.getuid())


# --- the decision, which asks nobody ---


def refuse(platform: str, traces: Traces, me: Identity, has_record: bool) -> BadInputError | None:
    """Returns why this checkout may not touch the platform; None if it may.

    Args:
        platform: its name.
        traces: what the engine has under that name.
        me: this checkout.
        has_record: whether this checkout has recorded that it has the platform.
    """
    if traces.claim and traces.claim.id != me.id:
        return _foreign(platform, traces.claim, me, has_claim=True)
    for container in traces.containers:
        if _is_anothers(container.owner, me, has_claim=bool(traces.claim), has_record=has_record):
            if traces.claim:
                return _intruder(platform, container)
            return _foreign(platform, container.owner, me, has_claim=False)
    if traces.claim or has_record or any(_is_mine(container.owner, me) for container in traces.containers):
        return None
    if traces.containers or traces.volumes:
        found = [*(container.name for container in traces.containers), *traces.volumes]
        shown = ", ".join(found[:SHOWN]) + (", ..." if found[SHOWN:] else "")
        text = f"this engine has a platform {platform} that this checkout did not create ({shown})"
        return BadInputError(text, f"{ANOTHER_NAME}; or, {_take_over(platform, me, has_claim=False)}")
    if traces.foreign_network:
        return BadInputError(f"this engine has a network {traces.foreign_network} of another program", ANOTHER_NAME)
    return None


def _is_mine(owner: Owner, me: Identity) -> bool:
    return owner.id == me.id if owner.id else owner.folder == str(me.root)


def _is_anothers(owner: Owner, me: Identity, has_claim: bool, has_record: bool) -> bool:
    """Returns whether a container belongs to another checkout or program.

    If the one who started it has gone, a claim of this checkout is enough to make it its own: the platform was taken
    over. Without an id on it, so is a record: the checkout was moved.
    """
    if owner.is_unknown or _is_mine(owner, me):
        return False
    may_be_mine = has_claim or (has_record and not owner.id)
    return not may_be_mine or owner.still_exists


def _foreign(platform: str, owner: Owner, me: Identity, has_claim: bool) -> BadInputError:
    where = f"platform {platform} on this engine"
    by = f" (user {owner.user})" if owner.user and owner.user != _user() else ""
    take_over = f"{ANOTHER_NAME}; or, {_take_over(platform, me, has_claim)}"
    if not owner.folder:
        return BadInputError(f"{where} belongs to another checkout", take_over)
    if owner.folder == str(me.root):
        return BadInputError(f"{where} belongs to an earlier checkout in this folder, {owner.folder}{by}", take_over)
    if not owner.still_exists:
        text = f"{where} belongs to {owner.folder}{by}, which is no longer there"
        return BadInputError(text, take_over)
    return BadInputError(f"{where} belongs to {owner.folder}{by}", ANOTHER_NAME)


def _intruder(platform: str, container: Container) -> BadInputError:
    """Describes a container that another program started under the name that this checkout has claimed."""
    folder = container.owner.folder or "another checkout"
    return BadInputError(
        f"container {container.name} has the name of platform {platform}, and was started from {folder}",
        f"end it there, or remove it: docker rm --force {container.name}; or {ANOTHER_NAME}",
    )


def _take_over(platform: str, me: Identity, has_claim: bool) -> str:
    """Returns the command that makes the platform this checkout's own."""
    name = claim_name(platform)
    remove = f"docker volume rm {name} && " if has_claim else ""
    labels = f"--label {CHECKOUT}={me.id} --label {FOLDER}={shlex.quote(str(me.root))}"
    return f"if it is yours, take it over:\n    {remove}docker volume create {labels} {name}"


# --- what the engine says ---


def find_traces(platform: str) -> Traces:
    """Returns what there is on the engine under the name of a platform."""
    volumes = _list("volume", ".Name", PROJECT, CHECKOUT, FOLDER, USER)
    claims = [Owner(*labels) for name, _, *labels in volumes if name == claim_name(platform)]
    names = {f"{platform}_{name}" for name in VOLUMES}
    networks = [] if claims else _list("network", ".Name", PROJECT)
    own = {platform, *(f"{platform}_{name}" for name in NETWORKS)}
    return Traces(
        claims[0] if claims else None,
        [container for container in list_containers() if container.platform == platform],
        [name for name, project, *_ in volumes if name in names or project == platform],
        next((name for name, project in networks if name in own and project != platform), ""),
    )


def list_containers() -> list[Container]:
    """Returns the containers on the engine that belong to a platform or to another Compose project."""
    of_compose = (f"{PROJECT}.working_dir", f"{PROJECT}.config_files")
    found = _list("container", ".Names", ".State", PROJECT, "orionbox.project", CHECKOUT, FOLDER, *of_compose)
    return [container for fields in found if (container := describe_container(fields)).platform]


def describe_container(fields: Sequence[str]) -> Container:
    """Returns the container whose name, state and labels Docker has printed."""
    name, state, project, of_run, id_, folder, working_folder, configs = fields
    owner = Owner(id_, folder or working_folder, config=configs.split(",")[0])
    return Container(name, project or of_run, state in ("running", "restarting", "paused"), owner)


def _list(kind: str, *fields: str) -> list[list[str]]:
    """Returns the fields, such as `.Name`, and the labels of every volume, network or container."""
    parts = [f"json {field}" if field[0] == "." else f'json (.Label "{field}")' for field in fields]
    form = f"[{','.join(f'{{{{{part}}}}}' for part in parts)}]"
    lines = output("docker", kind, "ls", *(["--all"] if kind == "container" else []), "--format", form).splitlines()
    return [[field or "" for field in json.loads(line)] for line in lines]

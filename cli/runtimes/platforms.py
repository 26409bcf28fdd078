"""All platforms of this checkout, on both runtimes and under every name that it has used."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.programs import ROOT
from cli.runtimes import checkout, ownership
from cli.runtimes.checkout import COMPOSE, EMBEDDED, Identity, Record
from cli.runtimes.compose import engine
from cli.runtimes.embedded import processes, service_lock, virtual_environments
from cli.runtimes.ownership import Owner
from cli.runtimes.runtime import Runtime
from orionbox.errors import CommandError

PROC = Path("/proc")
RUNNING, STOPPED = "running", "stopped"


@dataclass(frozen=True)
class Platform:
    """A platform of this checkout."""

    name: str
    runtime: str
    state: str = STOPPED
    """RUNNING, STOPPED, or why that is not known."""
    folder: str = ""
    """Where it was started, if it is running and that is not this folder."""

    def command(self, verb: str) -> str:
        """Returns the command that does something with this platform, whatever .env says."""
        return f"make {verb} COMPOSE_PROJECT_NAME={self.name} RUNTIME={self.runtime}"

    def __str__(self) -> str:
        place = f" in {self.folder}" if self.folder else ""
        end = self.command("reset") if self.state == STOPPED else self.command("down")
        what = "delete its data" if self.state == STOPPED else "end it"
        return f"  {self.name} ({self.runtime}, {self.state}{place}); {what}: {end}"


def find(current: Runtime) -> list[Platform]:
    """Returns every platform that this checkout has recorded, or that is running from it.

    Args:
        current: the runtime in use; if it is compose, its engine answers.
    """
    me, records = checkout.read(ROOT), checkout.records(ROOT)
    found = {record: Platform(*record) for record in records} | _embedded(me)
    on_docker = [record for record in records if record.runtime == COMPOSE]
    reason = engine.unavailable_reason() if on_docker else ""
    if reason:
        found |= {record: Platform(*record, reason) for record in on_docker}
    elif on_docker or current.name == COMPOSE:
        found |= _compose(me, records)
    return list(found.values())


def require(current: Runtime, consequence: str) -> None:
    """Refuses a platform that was never started, which a wrong name in .env may be the reason for.

    Args:
        current: the runtime and the platform in use.
        consequence: what the command therefore does not do.

    Raises:
        CommandError: there is no such platform.
    """
    current.prepare()
    if not current.exists():
        text = f"this checkout has no platform {current.settings.platform} ({current.name}): {consequence}"
        raise CommandError(text, "\n".join(filter(None, ["start it: make up", describe(current)])))


def describe(current: Runtime, only_running: bool = False) -> str:
    """Returns what else this checkout has, and how to end it; empty if there is nothing.

    Args:
        current: the runtime and the platform in use.
        only_running: whether to leave out what is stopped.
    """
    here, found = Record(current.settings.platform, current.name), find(current)
    moved = [one.folder for one in found if (one.name, one.runtime) == here and one.folder]
    others = [one for one in found if (one.name, one.runtime) != here and not (only_running and one.state == STOPPED)]
    lines = [f"platform {here.platform} was started in {folder}: make up starts it again from here" for folder in moved]
    me = checkout.read(ROOT)
    lines += [
        f"platform {name} still runs without Docker in {folder}, where its files are gone; end it: kill {process}"
        for name, folder, process in _without_files(me)
    ]
    if me.copied_from:
        lines.append(f"this checkout is a copy of {me.copied_from}, whose platforms are not this one's")
    if others:
        title = "this checkout has other platforms, too; COMPOSE_PROJECT_NAME in .env names the one in use:"
        lines += [title, *map(str, others)]
    return "\n".join(lines)


def _embedded(me: Identity) -> dict[Record, Platform]:
    """Returns the embedded platforms that are running."""
    locks = virtual_environments.FOLDER.glob(f"*/run/{processes.SUPERVISOR}.lock")
    names = [file.parent.parent.name for file in locks if service_lock.is_held(file)]
    return {Record(name, EMBEDDED): Platform(name, EMBEDDED, RUNNING, me.moved_from) for name in names}


def _without_files(me: Identity) -> Iterator[tuple[str, str, int]]:
    """Yields name, folder and supervisor of each platform that runs although its files here were deleted or moved away.

    Files that are moved to another disk are copied and deleted. Linux only: elsewhere there is no /proc.
    """
    for file in PROC.glob("[0-9]*/cmdline"):
        with suppress(OSError, IndexError):  # it has ended
            words = file.read_bytes().decode(errors="replace").split("\0")
            folder = Path(words[3]).parent.parent if words[1:3] == ["-m", processes.SUPERVISOR_MODULE] else Path()
            is_here = (
                str(folder.parent.parent) in (str(ROOT), me.moved_from)
                and folder.parent.name == virtual_environments.FOLDER.name
            )
            if is_here and not any(service_lock.is_held(lock) for lock in _locks(folder.name, folder)):
                yield folder.name, str(folder.parent.parent), int(file.parent.name)


def _locks(name: str, folder: Path) -> list[Path]:
    """Returns the supervisor's lock files of a platform: in the folder where it was started, and here."""
    return [
        service_lock.lock_file(place / "run", processes.SUPERVISOR)
        for place in (folder, virtual_environments.FOLDER / name)
    ]


def _is_own(owner: Owner, me: Identity, is_recorded: bool) -> bool:
    """Returns whether a container is this checkout's; one of 0.2.0, which has no id, may be from before a move."""
    if owner.id or owner.folder in (str(ROOT), me.moved_from):
        return not owner.id or owner.id == me.id
    return is_recorded and bool(owner.folder) and not owner.still_exists


def _compose(me: Identity, records: Collection[Record]) -> dict[Record, Platform]:
    """Returns the platforms of this checkout that have containers on the engine."""
    found = dict[Record, Platform]()
    for container in ownership.list_containers():
        folder, record = container.owner.folder, Record(container.platform, COMPOSE)
        if _is_own(container.owner, me, record in records) and folder and (container.is_running or record not in found):
            place = folder if container.is_running and folder != str(ROOT) else ""
            found[record] = Platform(*record, RUNNING if container.is_running else STOPPED, place)
    return found

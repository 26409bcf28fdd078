"""The embedded runtime's processes: which of them are running, how they start and how they end."""

from __future__ import annotations

import configparser
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from cli.programs import ROOT
from cli.runtimes import listeners
from cli.runtimes.embedded import logs, service_lock, variables
from cli.settings.settings import Settings
from cli.waiting import waiting_for
from orionbox.errors import CommandError
from orionbox.services import BY_NAME

SUPERVISOR, BOOTSTRAP = "supervisor", "bootstrap"
"""Processes that are not services."""
CONFIGURATION = Path(__file__).with_name("supervisord.conf")
SUPERVISOR_MODULE = "cli.runtimes.embedded.supervisor"
SUPERVISE = f'python -m {SUPERVISOR_MODULE} "$RUN/.." "$ROOT/cli/runtimes/embedded/supervisord.conf"'
START_TIMEOUT = 300
"""Seconds in which the supervisor must have taken its lock; a busy machine takes long to start a program."""
STOPS = ((signal.SIGTERM, 70), (signal.SIGINT, 60), (signal.SIGKILL, 10))
"""Signals that stop processes, in order, and how many seconds to wait after each."""


class PortTakenError(CommandError):
    """Another program listens on a port of the platform, so the supervisor has stopped the platform."""


def services() -> tuple[str, ...]:
    """Returns the names of the services."""
    parser = configparser.RawConfigParser()
    parser.read_string(CONFIGURATION.read_text(encoding="utf-8"))
    return tuple(parser["group:platform"]["programs"].split(","))


def is_running(settings: Settings, name: str) -> bool:
    """Returns whether any process of the service is running."""
    return service_lock.is_held(_lock(settings, name))


def ports_of(name: str) -> tuple[str, ...]:
    """Returns the settings of the ports on which the service listens."""
    known = (*variables.PORTS, variables.INTERNET)
    return tuple(port for port in known if port.startswith(f"{BY_NAME[name].prefix}_"))


def listens(name: str, group: int, port: int, cluster: Path) -> bool:
    """Returns whether the service, which is that process group, is the one that answers on the port.

    Args:
        name: the service.
        group: its process group.
        port: one of its ports.
        cluster: Postgres' data folder.
    """
    if name == "postgres":
        return listeners.is_postmaster(group, port, cluster)
    return listeners.is_only_listener(group, port)


def owns_ports(settings: Settings, name: str) -> bool:
    """Returns whether the service is running, and no other program answers on its ports."""
    group, cluster = service_lock.holder(_lock(settings, name)), variables.cluster(settings)
    return bool(group) and all(listens(name, group, int(settings[port]), cluster) for port in ports_of(name))


def taken_port(settings: Settings) -> str:
    """Returns which port another program has taken, for which the supervisor stopped the platform; empty if none."""
    try:
        port = variables.taken_note(settings).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    names = [name for name in variables.preferred_ports(settings) if settings[name] == port]
    return f"another program took {'='.join([*names, port])}"


def require_own_ports(settings: Settings) -> None:
    """Checks that no other program has taken a port since the start.

    Raises:
        PortTakenError: one has, and the supervisor has stopped the platform or is about to.
    """
    if taken := taken_port(settings):
        raise PortTakenError(taken, "start the platform again, with other ports: make up")


def is_roots(settings: Settings) -> bool:
    """Returns whether the platform is running as root, as up to version 0.1.0."""
    lock = _lock(settings, SUPERVISOR)
    return is_running(settings, SUPERVISOR) and not lock.stat().st_uid


def require_own_user(settings: Settings) -> None:
    """Checks that this user may see and stop the platform, if it is running.

    Raises:
        CommandError: another user has started it.
    """
    supervisor = service_lock.holder(_lock(settings, SUPERVISOR))
    try:
        if supervisor:
            os.kill(supervisor, 0)
    except ProcessLookupError:
        return
    except PermissionError as error:
        text = f"platform {settings.platform} is running as another user, such as root after sudo make up"
        raise CommandError(text, "use sudo again; or end it: sudo make down") from error


def seconds_since_start(settings: Settings, name: str) -> float:
    """Returns for how many seconds a running service has been running."""
    return time.time() - _lock(settings, name).stat().st_mtime


def start(settings: Settings, only_postgres: bool = False, keep_open: Sequence[int] = ()) -> None:
    """Starts the supervisor, which starts the services; none of them may be running.

    Args:
        settings: those of the platform.
        only_postgres: whether to start Postgres alone.
        keep_open: file descriptors that the supervisor inherits.
    """
    for name in (SUPERVISOR, BOOTSTRAP, *services()):
        _lock(settings, name).write_text("")  # clears stale process ids
        logs.begin(settings, name)
    environment = variables.environment_of_services(settings)
    environment["ALL_SERVICES"] = "false" if only_postgres else "true"
    with logs.log_file(settings, SUPERVISOR).open("a") as output:
        process = subprocess.Popen(
            service_lock.command(SUPERVISOR, SUPERVISE),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keep_open,
        )
    wait_until(lambda: is_running(settings, SUPERVISOR) or process.poll() is not None, START_TIMEOUT)


def stop(settings: Settings) -> None:
    """Stops every process of the platform, cleanly if that can be done in time."""
    names = [name for name in (SUPERVISOR, BOOTSTRAP, *services()) if is_running(settings, name)]
    for number, seconds in STOPS:
        addressed = [SUPERVISOR, BOOTSTRAP] if number == signal.SIGTERM else names
        if any([_send(settings, name, number) for name in addressed]):
            with waiting_for(lambda: f"{', '.join(_running(settings, names))} to end"):
                wait_until(lambda: not _running(settings, names), seconds)


def _running(settings: Settings, names: list[str]) -> list[str]:
    return [name for name in names if is_running(settings, name)]


def kill(settings: Settings, name: str) -> None:
    """Kills one process, if it is running."""
    if _send(settings, name, signal.SIGKILL):
        wait_until(lambda: not is_running(settings, name), STOPS[-1][1])


def _send(settings: Settings, name: str, number: signal.Signals) -> bool:
    """Sends a signal to the process group of that name; False if it is not running."""
    group = service_lock.holder(_lock(settings, name))
    if group:
        with suppress(ProcessLookupError):
            os.killpg(group, number)
    return bool(group)


def count_exits(settings: Settings, since: int = 0) -> Counter[str]:
    """Returns how often each service has exited by itself.

    Args:
        settings: those of the platform.
        since: the byte offset in the supervisor's log after which to count.
    """
    return Counter(name for name, _ in _exits(settings, since))


def last_exit(settings: Settings, name: str) -> str:
    """Returns how the service exited last, for example `exit status 1`; empty if it did not."""
    return next((how for exited, how in reversed(_exits(settings)) if exited == name), "")


def _exits(settings: Settings, since: int = 0) -> list[tuple[str, str]]:
    """Returns the name of each service that has exited by itself, and how."""
    with logs.log_file(settings, SUPERVISOR).open("rb") as log:
        log.seek(since)
        return re.findall(r" exited: (\S+) \(([^;)]*)", log.read().decode(errors="replace"))


def log_size(settings: Settings) -> int:
    """Returns the bytes of the supervisor's log, for `count_exits`; it does not exist before the first start."""
    log = logs.log_file(settings, SUPERVISOR)
    return log.stat().st_size if log.exists() else 0


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Waits until the condition is true; returns whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _lock(settings: Settings, name: str) -> Path:
    return service_lock.lock_file(variables.folder(settings) / "run", name)

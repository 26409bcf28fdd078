"""The supervisor of a platform: supervisord, whose delays stay short and whose services end with all their processes.

    python -m cli.runtimes.embedded.supervisor FOLDER CONFIGURATION

runs in the platform's folder until it gets SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from supervisor import events, loggers
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.states import ProcessStates, SupervisorStates
from supervisor.supervisord import Supervisor

from cli.runtimes import ports
from cli.runtimes.embedded import processes
from orionbox.files import write

LONGEST_DELAY = 3
"""Seconds before a service is started again; supervisord looks once a second whether they are over."""
ENDS = (events.ProcessStateBackoffEvent, events.ProcessStateExitedEvent, events.ProcessStateStoppedEvent)
"""The events after the end of a service's process."""

LOOK_SECONDS, SETTLING_SECONDS = 0.2, 0.5
"""Seconds between two looks at the ports, and for which a port must belong to another program."""
NOT_WATCHED = (ProcessStates.STOPPED, ProcessStates.STOPPING)


class PlatformSupervisor(Supervisor):  # type: ignore[misc]
    """Supervisord with short restart delays, group kills, instant wake-ups and watched ports."""

    port_watch: PortWatch

    def runforever(self) -> None:
        """Runs to the end; subscribes here because supervisord clears earlier subscriptions."""
        events.subscribe(events.ProcessStateBackoffEvent, shorten_delay)
        for kind in ENDS:
            events.subscribe(kind, end_group)
        alarm = WakeUpPipe()
        self.options.get_socket_map()[alarm.reading_end] = alarm
        self.port_watch = PortWatch.from_environment(os.environ)
        super().runforever()

    def tick(self, now: float | None = None) -> None:
        """Stops the platform when another program has a port of it: nothing of ours may talk to that program."""
        super().tick(now)
        if self.options.mood == SupervisorStates.RUNNING and (port := self._find_taken_port()):
            self.options.logger.critical(f"another program has port {port}; stopping the platform")
            write(Path(os.environ["PORT_TAKEN"]), str(port))
            self.options.mood = SupervisorStates.SHUTDOWN

    def _find_taken_port(self) -> int:
        known = [process for group in self.process_groups.values() for process in group.processes.values()]
        watched = {process.config.name: process.pid for process in known if process.state not in NOT_WATCHED}
        return self.port_watch.find_taken(watched, time.monotonic())


class PortWatch:
    """Watches the ports of each service until the service listens on them, and again when it has been restarted.

    Args:
        numbers: the ports of each service.
        cluster: Postgres' data folder.
    """

    def __init__(self, numbers: Mapping[str, Sequence[int]], cluster: Path) -> None:
        self._ports, self._cluster = numbers, cluster
        self._settled: dict[str, int] = {}
        """The process group of each service that listens on all its ports."""
        self._taken_since: dict[int, float] = {}
        self._next_look = 0.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> PortWatch:
        """Returns the watch for the services of a platform, from their environment variables."""
        names = {name: processes.ports_of(name) for name in processes.services()}
        numbers = {name: [int(environment[port]) for port in ports_of] for name, ports_of in names.items()}
        return cls(numbers, Path(environment["PGDATA"]))

    def find_taken(self, groups: Mapping[str, int], now: float) -> int:
        """Returns a port that another program has had for a while; 0 if there is none.

        Args:
            groups: the process group by service; 0 for a service that waits for its restart.
            now: seconds of a clock.
        """
        if now < self._next_look:
            return 0
        self._next_look = now + LOOK_SECONDS
        for name, group in groups.items():
            if group and self._settled.get(name) == group:
                continue
            missing = [port for port in self._ports.get(name, ()) if not self._listens(name, group, port)]
            taken = [port for port in missing if not ports.can_listen(port, ports.LOOPBACK)]
            if group and not missing:
                self._settled[name] = group
            for port in set(self._ports.get(name, ())).difference(taken):
                self._taken_since.pop(port, None)
            for port in taken:
                if now - self._taken_since.setdefault(port, now) >= SETTLING_SECONDS:
                    return port
        return 0

    def _listens(self, name: str, group: int, port: int) -> bool:
        return bool(group) and processes.listens(name, group, port, self._cluster)


class WakeUpPipe:
    """A pipe that wakes supervisord at a signal and at its start. Otherwise it would sleep for up to a second."""

    def __init__(self) -> None:
        self.reading_end, writing_end = os.pipe()
        for end in (self.reading_end, writing_end):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writing_end, warn_on_full_buffer=False)
        os.write(writing_end, b"start")

    def readable(self) -> bool:
        """Returns True: supervisord has to wait for its input."""
        return True

    def writable(self) -> bool:
        """Returns False: it has nothing to write."""
        return False

    def handle_read_event(self) -> None:
        """Reads the numbers of the signals, which supervisord has recorded itself."""
        os.read(self.reading_end, 1024)


def shorten_delay(event: events.ProcessStateEvent) -> None:
    """Limits the delay before the next start, which supervisord makes a second longer each time, until it gives up."""
    process = event.process
    if process.backoff > LONGEST_DELAY:
        process.delay -= process.backoff - LONGEST_DELAY
        process.backoff = LONGEST_DELAY


def end_group(event: events.ProcessStateEvent) -> None:
    """Kills what the service has started and left behind, as the end of a container does: the agent's flow runs."""
    if event.process.pid:
        with suppress(ProcessLookupError):
            os.killpg(event.process.pid, signal.SIGKILL)


class Log(loggers.RotatingFileHandler):  # type: ignore[misc]
    """A log that survives a full disk.

    supervisord's own prints the error on standard error, which goes to the same disk; so supervisord would end, and
    leave its services alone.
    """

    def handleError(self) -> None:  # noqa: N802
        """Leaves out the line that could not be written."""

    def doRollover(self) -> None:  # noqa: N802
        """Rotates the log, if there is room for a new one; otherwise the log goes on."""
        with suppress(OSError, ValueError):  # a ValueError if the file is closed
            super().doRollover()
        if self.stream.closed:
            self.closed = True
            with suppress(OSError):
                self.reopen()

    def close(self) -> None:
        """Closes the file, even if its last line cannot be written."""
        with suppress(OSError):
            super().close()
        self.closed = True


def main(folder: str, configuration: str) -> None:
    """Runs the services of the configuration."""
    os.chdir(folder)
    loggers.RotatingFileHandler = Log
    options = ServerOptions()
    options.realize(["--configuration", configuration])
    options.first, options.test = True, False
    with suppress(ExitNow):
        PlatformSupervisor(options).main()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The supervisor of a platform: supervisord, whose delays stay short and whose services end with all their processes.

    python -m cli.runtimes.embedded.supervisor FOLDER CONFIGURATION

runs in the platform's folder until it gets SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from supervisor import events
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

LONGEST_DELAY = 3
"""Seconds before a service is started again; supervisord looks once a second whether they are over."""
ENDS = (events.ProcessStateBackoffEvent, events.ProcessStateExitedEvent, events.ProcessStateStoppedEvent)
"""The events after the end of a service's process."""


class PlatformSupervisor(Supervisor):  # type: ignore[misc]
    """Supervisord with short restart delays, group kills and instant wake-ups."""

    def runforever(self) -> None:
        """Runs to the end; subscribes here because supervisord clears earlier subscriptions."""
        events.subscribe(events.ProcessStateBackoffEvent, shorten_delay)
        for kind in ENDS:
            events.subscribe(kind, end_group)
        alarm = WakeUpPipe()
        self.options.get_socket_map()[alarm.reading_end] = alarm
        super().runforever()


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


def main(folder: str, configuration: str) -> None:
    """Runs the services of the configuration."""
    os.chdir(folder)
    options = ServerOptions()
    as_root = [] if os.geteuid() else ["--user", "root"]  # without --user, supervisord warns when it runs as root
    options.realize(["--configuration", configuration, *as_root])
    options.first, options.test = True, False
    with suppress(ExitNow):
        PlatformSupervisor(options).main()


if __name__ == "__main__":
    main(*sys.argv[1:])

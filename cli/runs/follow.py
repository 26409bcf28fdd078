"""Follows a run live in the terminal to its end, even if Orion stops answering for a while."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from cli.programs import say
from cli.runs.progress_bars import Bars
from cli.runtimes import failures
from orionbox.errors import CommandError
from orionbox.orion.client import Json, NoAnswerError, Orion, Retries
from orionbox.orion.states import ENDED

POLL_SECONDS = 0.5
AGENT_SECONDS = 120
"""How long a run may wait for the agent before that is reported."""
SILENCE_SECONDS, LONGEST_SILENCE = 10, 600
"""How long Orion may be silent before that is reported, and before the command gives up."""
INTERRUPTED = 130
"""The exit code after Ctrl-C."""
INFO = 20
HOUSEKEEPING = re.compile(
    r"(Created|Submitted) (task|subflow) run|Getting bucket|Uploading blob|Finished in state Completed\(\)$"
)
"""What Prefect logs about each task. It would hide the tasks' own lines; Orion's page shows it."""


class Silence:
    """Reports when Orion stops answering, at growing intervals, and when it answers again.

    Args:
        report: takes a line of text.
        first: seconds of silence before the first report.
        folders: folders on the disks that Orion writes to.
    """

    def __init__(
        self, report: Callable[[str], None], first: float = SILENCE_SECONDS, folders: Sequence[Path] = ()
    ) -> None:
        self._report, self._first, self._next, self._folders = report, first, first, folders

    def on_silence(self, seconds: float) -> None:
        """Reports the silence if it is long enough; `seconds` have passed since Orion's last answer.

        Raises:
            CommandError: the disk is full, so Orion can save nothing, and answers with errors.
        """
        if seconds >= self._next:
            failures.require_space(self._folders)
            self._report(f"Orion has not answered for {seconds:.0f} s; still waiting (see why: make status)")
            self._next = 2 * seconds

    def on_answer(self) -> None:
        """Reports that Orion answers again, if its silence was reported."""
        if self._next > self._first:
            self._report("Orion answers again")
        self._next = self._first


def orion_with_retries(url: str, bars: Bars, folders: Sequence[Path] = ()) -> Orion:
    """Returns a client that repeats its calls for ten minutes, and prints above the bars that it is waiting.

    Args:
        url: Orion's address.
        bars: the progress bars.
        folders: folders on the disks that Orion writes to; it does not wait for an Orion whose disk is full.
    """
    silence = Silence(bars.say, folders=folders)
    return Orion(url, Retries(LONGEST_SILENCE, on_silence=silence.on_silence, on_answer=silence.on_answer))


def follow(orion: Orion, run_id: str, bars: Bars) -> Json:
    """Follows the run; returns it when it has ended.

    Raises:
        CommandError: Orion has been silent for too long, or does not know the run.
        SystemExit: the user pressed Ctrl-C.
    """
    try:
        return _print_until_ended(orion, run_id, bars)
    except NoAnswerError as error:
        text = f"{error.text}, so this command stops waiting; the run itself was not stopped"
        fix = f"look at the services with: make status; when Orion is back, look at the run: {orion.run_url(run_id)}"
        raise CommandError(text, fix) from error
    except KeyboardInterrupt:
        bars.clear()
        _stop_following(orion, run_id)
    finally:
        bars.clear()


def _print_until_ended(orion: Orion, run_id: str, bars: Bars) -> Json:
    """Prints each log line with the seconds since the run was created."""
    seen: set[str] = set()
    start, is_reported = time.monotonic(), False
    while True:
        run = orion.run(run_id)
        created = _seconds(run["created"])
        lines = [log for log in orion.logs(run_id, seen) if log[1] > INFO or not HOUSEKEEPING.match(log[2])]
        bars.print([(f"{_seconds(moment) - created:6.1f} s  ", message) for moment, _, message in lines])
        if run["state_type"] in ENDED:
            return run
        is_waiting = run["state_type"] in ("SCHEDULED", "PENDING") and time.monotonic() - start > AGENT_SECONDS
        if is_waiting and not is_reported:
            is_reported = True
            bars.say(f"still {run['state_name']} after {AGENT_SECONDS} s; look at it with: make logs SERVICE=agent")
        time.sleep(POLL_SECONDS)


def _stop_following(orion: Orion, run_id: str) -> NoReturn:
    """Prints where the run continues and, on a terminal, offers to cancel it; ends this process."""
    say(f"\nThe run goes on: {orion.run_url(run_id)}")
    try:
        if sys.stdin.isatty() and input("Cancel it? [y/N] ").strip().lower() == "y":
            say(_cancel(orion, run_id))
    except (KeyboardInterrupt, EOFError):
        say("\nNot cancelled.")
    sys.exit(INTERRUPTED)


def _cancel(orion: Orion, run_id: str) -> str:
    """Cancels the run; returns a line with the result."""
    state = orion.cancel_run(run_id)
    if state == "CANCELLING":
        return "The agent is stopping the run."
    return "Cancelled." if state == "CANCELLED" else f"Not cancelled: the run is {state.capitalize()} already."


def _seconds(moment: str) -> float:
    """Converts a time that Orion sends to seconds since 1970."""
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()

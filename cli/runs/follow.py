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
from cli.terminal_colors import red
from cli.waiting import GrowingPauses
from orionbox.errors import FAILED, CommandError, printable
from orionbox.orion import obstacles
from orionbox.orion.client import Json, NoAnswerError, Orion, Retries
from orionbox.orion.states import ENDED

POLL_SECONDS = 0.5
AGENT_SECONDS = 120
"""How long a run may wait for the agent before the fix is printed; that it waits is said before."""
SILENCE_SECONDS, LONGEST_SILENCE = 10, 600
"""How long Orion may be silent before that is reported, and before the command gives up."""
INTERRUPTED = 130
"""The exit code after Ctrl-C."""
DEBUG, INFO, ERROR = 10, 20, 40
HOUSEKEEPING = re.compile(
    r"(Created|Submitted) (task|subflow) run|Getting bucket|Uploading blob|Finished in state Completed\(\)$"
)
"""What Prefect logs about each task. It would hide the tasks' own lines; Orion's page shows it."""
REPEATED = re.compile(r"Finished in state (Failed|NotReady)\(")
"""The line after an error's own line, which says the same again."""
TRACEBACK = re.compile(
    r"(?P<start>.*?)\s*\nTraceback \(most recent call last\):\n.*\n? {2}[^\n]*\n(?P<error>\S[^\n]*).*", re.DOTALL
)
"""An error with its traceback: Orion's page shows that, the terminal the error alone."""


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
    pauses, is_reported = GrowingPauses(), False
    while True:
        run = orion.run(run_id)
        created = _seconds(run["created"])
        lines = [(moment, shown(level, message)) for moment, level, message in orion.logs(run_id, seen)]
        bars.print([(f"{_seconds(moment) - created:6.1f} s  ", text) for moment, text in lines if text])
        if run["state_type"] in ENDED:
            return run
        is_waiting = run["state_type"] in ("SCHEDULED", "PENDING")
        if is_waiting and pauses.is_due():
            bars.say(f"  waiting for the agent to start the run ({pauses.seconds:.0f} s)")
            for line in obstacles.find(orion):
                bars.say(f"  {printable(line)}")
        if is_waiting and not is_reported and pauses.seconds > AGENT_SECONDS:
            is_reported = True
            bars.say(f"still {run['state_name']} after {AGENT_SECONDS} s; look at it with: make logs SERVICE=agent")
        time.sleep(POLL_SECONDS)


def shown(level: int, message: str) -> str:
    """Returns what the terminal shows of a line of the log; empty if it is no news there."""
    if level <= DEBUG or REPEATED.match(message) or (level <= INFO and HOUSEKEEPING.match(message)):
        return ""
    message = printable(message, keep="\n\t")
    if message.startswith(FAILED):
        what, _, _ = message.removeprefix(FAILED).partition(": ")
        return red(f"{what}: failed; the reason follows at the end")
    found = TRACEBACK.fullmatch(message.rstrip()) if level >= ERROR else None
    return red(f"{found['start']} {found['error']}") if found else message


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


def duration(run: Json) -> float:
    """Returns the seconds from the creation of a run to its end, as Orion recorded them."""
    return _seconds(run.get("end_time") or run["state"]["timestamp"]) - _seconds(run["created"])


def _seconds(moment: str) -> float:
    """Converts a time that Orion sends to seconds since 1970."""
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()

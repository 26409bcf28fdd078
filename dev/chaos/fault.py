"""What a fault is: a name, the stage of the run at which it strikes, and how."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException

from dev.chaos.fault_result import Outcome
from dev.chaos.fault_run import MissedError, NotHeldError, Trial
from dev.chaos.leftovers import LeftoversError
from orionbox.errors import CommandError

TRIES = 3
"""How often a run is started, until one of them is hit at the stage."""
BROKEN = (NotHeldError, LeftoversError, CommandError, OSError, HTTPException)
"""What a promise that was broken, or a platform that does not answer any more, shows itself by."""


class NotTriedError(RuntimeError):
    """A fault that cannot be made here; the text says why."""


@dataclass(frozen=True)
class Fault:
    """One of them; `strike` does everything, and returns what happened in words."""

    name: str
    stage: str
    strike: Callable[[Trial], str]

    def outcome(self, trial: Trial) -> Outcome:
        """Strikes, and says whether every promise was kept."""
        start, held, what = time.monotonic(), None, ""
        for tries_left in reversed(range(TRIES)):
            try:
                what, held = self.strike(trial), True
            except MissedError as error:
                what, held = str(error), False
                if tries_left:
                    trial.leftovers.check()
                    continue
            except NotTriedError as error:
                what, held = str(error), None
            except BROKEN as error:
                what, held = " ".join(str(error).split())[:600], False
            break
        return Outcome(self.name, self.stage, held, what, time.monotonic() - start)


def during_a_run(stage: str, harm: Callable[[Trial, str], str]) -> Callable[[Trial], str]:
    """A strike that starts a run, does the harm when the run is in the stage, and heals; the harm says what it did."""

    def strike(trial: Trial) -> str:
        trial.begin()
        run_id = trial.start()
        trial.reach(run_id, stage)
        done = harm(trial, run_id)
        return ", ".join(filter(None, [done, trial.settle(run_id)]))

    return strike


def chosen(faults: Sequence[Fault], only: str) -> list[Fault]:
    """The faults that ONLY names, by their whole name or its beginning up to a hyphen; all where it is empty.

    Raises:
        CommandError: there is no such fault.
    """
    wanted = [name for name in only.split(",") if name]
    for name in wanted:
        if not any(_is(fault, name) for fault in faults):
            names = ",".join(dict.fromkeys(fault.name for fault in faults))
            raise CommandError(f"ONLY={name}: there is no such fault; use some of {names}")
    return [fault for fault in faults if not wanted or any(_is(fault, name) for name in wanted)]


def _is(fault: Fault, wanted: str) -> bool:
    name, _, stage = wanted.partition("@")
    return (fault.name == name or fault.name.startswith(f"{name}-")) and stage in ("", fault.stage)

"""A fault: its name, the stage of the run at which it is injected, and how."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException

from dev.chaos.experiment import CheckFailedError, Experiment, TooLateError
from dev.chaos.fault_result import FaultResult
from dev.chaos.leftovers import LeftoversError
from orionbox.errors import BadInputError, CommandError

TRIES = 3
"""How many runs are started at most, until the fault hits one at its stage."""
FAILURES = (CheckFailedError, LeftoversError, CommandError, OSError, HTTPException)
"""Raised by a failed check, or by a platform that does not answer."""


class CannotInjectError(RuntimeError):
    """A fault cannot be injected on this machine; the text says why."""


@dataclass(frozen=True)
class Fault:
    """A fault; `inject` starts a run, injects it, checks the result, and returns in words what happened."""

    name: str
    stage: str
    inject: Callable[[Experiment], str]

    def run(self, experiment: Experiment) -> FaultResult:
        """Injects the fault, and returns whether every check passed."""
        start = time.monotonic()
        survived, details = self._try(experiment)
        return FaultResult(self.name, self.stage, survived, details, time.monotonic() - start)

    def _try(self, experiment: Experiment) -> tuple[bool | None, str]:
        details = ""
        for number in range(TRIES):
            try:
                if number:
                    experiment.leftovers.check()
                return True, self.inject(experiment)
            except TooLateError as error:
                details = str(error)
            except CannotInjectError as error:
                return None, str(error)
            except FAILURES as error:
                return False, " ".join(str(error).split())[:600]
        return False, details


def during_a_run(stage: str, inject_fault: Callable[[Experiment, str], str]) -> Callable[[Experiment], str]:
    """Returns a fault's `inject` that starts a run, and injects the fault when the run is in the stage.

    Args:
        stage: one of Experiment.wait_for_stage.
        inject_fault: takes the run's id, and returns in words what it did.
    """

    def inject(experiment: Experiment) -> str:
        experiment.serve_new_months()
        run_id = experiment.start_run()
        experiment.wait_for_stage(run_id, stage)
        done = inject_fault(experiment, run_id)
        return ", ".join(filter(None, [done, experiment.finish(run_id)]))

    return inject


def select(faults: Sequence[Fault], only: str) -> list[Fault]:
    """Returns the faults that `only` names: name, its beginning up to a hyphen, either with @STAGE; all if it is empty.

    Raises:
        BadInputError: a name matches no fault.
    """
    names = [name for name in only.split(",") if name]
    for name in names:
        if not any(_is(fault, name) for fault in faults):
            known = ",".join(dict.fromkeys(fault.name for fault in faults))
            raise BadInputError(f"unknown fault {name}", f"use some of {known}")
    return [fault for fault in faults if not names or any(_is(fault, name) for name in names)]


def _is(fault: Fault, name_and_stage: str) -> bool:
    name, _, stage = name_and_stage.partition("@")
    return (fault.name == name or fault.name.startswith(f"{name}-")) and stage in ("", fault.stage)

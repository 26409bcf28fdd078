"""`python3 -m chaos`: strikes with all faults, or those that ONLY names (`ONLY=kill-orion,pause`, `ONLY=kill@load`).

Writes reports/chaos.json after each fault, so that a run that is broken off leaves what it found; with ONLY, the others
in it are kept. Ends with 1 where one did not hold.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing

from cli.programs import ROOT, say
from dev import throwaway_platform
from dev.bench.results import write
from dev.chaos.engine import Containers
from dev.chaos.fault import Fault, chosen
from dev.chaos.fault_result import Outcome, failed, read, renewed, summary
from dev.chaos.fault_run import Trial
from dev.chaos.faults import bucket, clock, connections, disk, downloads, kills, start_ups, two_runs
from dev.chaos.months import Shelf
from dev.throwaway_platform import OwnPlatform
from orionbox.errors import CommandError

REPORT = ROOT / "reports/chaos.json"


def all_faults() -> list[Fault]:
    """Every fault, in the order in which they strike: what changes the platform as a whole comes last."""
    groups = (kills, two_runs, connections, downloads, clock, bucket, start_ups, disk)
    return [fault for group in groups for fault in group.faults()]


def main() -> int:
    """Strikes, prints, writes; 0 if every fault held, 2 if the input was bad, 1 otherwise."""
    only = os.environ.get("ONLY", "")
    try:
        faults = chosen(all_faults(), only)
    except CommandError as error:
        say(str(error))
        return 2
    try:
        with throwaway_platform.started("chaos", "the faults") as platform:
            outcomes = strike(platform, faults, read(REPORT) if only and REPORT.exists() else [])
    except CommandError as error:
        say(str(error))
        return 1
    say(f"\n{summary(outcomes)}; see {REPORT.relative_to(ROOT)}")
    return 1 if failed(outcomes) else 0


def strike(platform: OwnPlatform, faults: list[Fault], known: list[Outcome]) -> list[Outcome]:
    """Strikes with one after the other, prints each outcome, and writes it down beside those that are known."""
    outcomes = list[Outcome]()
    with closing(Containers(platform, platform.image("flows"))) as containers:
        with closing(Trial(platform, containers, Shelf(containers))) as trial:
            say(f"without a fault: {trial.first()}")
            for fault in faults:
                outcomes.append(_outcome(trial, fault))
                write(REPORT, [outcome.to_json() for outcome in renewed(known, outcomes)])
    return outcomes


def _outcome(trial: Trial, fault: Fault) -> Outcome:
    outcome = fault.outcome(trial)
    say(outcome.line())
    if outcome.held is False:
        trial.repair()
    return outcome


if __name__ == "__main__":
    sys.exit(main())

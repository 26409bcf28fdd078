"""`python -m dev.chaos`: injects all faults, or those that `--only` names.

For example `--only kill-orion,pause` or `--only kill@load`. Writes reports/chaos.json after each fault, so an
interrupted run keeps its results; with `--only`, the results of other faults stay in it. Exits with 1 if the
platform did not survive a fault.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing

from cli.error_reports import exit_with
from cli.programs import ROOT, say
from dev import throwaway_platform
from dev.bench.results import write
from dev.chaos.containers import Containers
from dev.chaos.experiment import Experiment
from dev.chaos.fault import Fault, select
from dev.chaos.fault_result import FaultResult, failed, read, summary, updated
from dev.chaos.faults import bucket, clock, connections, disk, downloads, kills, start_ups, two_runs
from dev.chaos.months import ServedMonths
from dev.throwaway_platform import ThrowawayPlatform

REPORT = ROOT / "reports/chaos.json"


def all_faults() -> list[Fault]:
    """Returns every fault in the order of injection: those that change the whole platform come last."""
    groups = (kills, two_runs, connections, downloads, clock, bucket, start_ups, disk)
    return [fault for group in groups for fault in group.faults()]


def main(arguments: Sequence[str]) -> int:
    """Injects, prints and writes; 1 if the platform did not survive a fault.

    Raises:
        BadInputError: a fault does not exist.
        CommandError: the platform does not start, or does not work without a fault.
    """
    parser = argparse.ArgumentParser(prog="python -m dev.chaos")
    parser.add_argument("--only", default="", metavar="FAULTS", help="names, their beginnings, or NAME@STAGE")
    only: str = parser.parse_args(list(arguments)).only
    faults = select(all_faults(), only)
    with throwaway_platform.running("chaos") as platform:
        results = inject_all(platform, faults, read(REPORT) if only and REPORT.exists() else [])
    say(f"\n{summary(results)}; see {REPORT.relative_to(ROOT)}")
    return 1 if failed(results) else 0


def inject_all(platform: ThrowawayPlatform, faults: list[Fault], known: list[FaultResult]) -> list[FaultResult]:
    """Injects one fault after the other, prints each result, and writes it beside the known ones."""
    results = list[FaultResult]()
    with closing(Containers(platform, platform.image("flows"))) as containers:
        with closing(Experiment(platform, containers, ServedMonths(containers))) as experiment:
            say(f"without a fault: {experiment.check_without_fault()}")
            for fault in faults:
                result = fault.run(experiment)
                say(result.line())
                results.append(result)
                write(REPORT, [each.to_json() for each in updated(known, results)])
                if result.survived is False:
                    experiment.restart_platform()
    return results


if __name__ == "__main__":
    exit_with(lambda: main(sys.argv[1:]))

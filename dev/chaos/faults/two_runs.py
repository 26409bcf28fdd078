"""Runs that want the same months at the same time; runs whose agent has gone; the whole platform gone at once."""

from __future__ import annotations

from cli.programs import output
from dev.chaos.fault import Fault, during_a_run
from dev.chaos.fault_run import NotHeldError, Trial
from dev.chaos.months import MONTHS


def faults() -> list[Fault]:
    """All of them."""
    return [
        Fault("two-identical-runs", "", two_identical_runs),
        Fault("runs-that-overlap", "", runs_that_overlap),
        Fault("agent-gone", "fetch", during_a_run("fetch", agent_gone)),
        Fault("agent-and-run-gone", "write", during_a_run("write", agent_and_run_gone)),
        Fault("power-cut", "load", during_a_run("load", power_cut)),
    ]


def two_identical_runs(trial: Trial) -> str:
    """Both want all months."""
    trial.begin()
    return trial.settle(trial.start(), trial.start())


def runs_that_overlap(trial: Trial) -> str:
    """One wants the first month, the other one the first two; afterwards the third one is moved as well."""
    trial.begin()
    runs = [trial.start(MONTHS[:1]), trial.start(MONTHS[:2])]
    ends = [trial.ended(run_id) for run_id in runs]
    words = trial.settle(trial.start())
    if any(run["state_type"] == "COMPLETED" and not trial.adds_up(run) for run in ends):
        raise NotHeldError("a run has completed, though its counts differ")
    return f"{' and '.join(run['state_name'] for run in ends)}; all months afterwards: {words}"


def agent_gone(trial: Trial, run_id: str) -> str:
    """Nobody starts the agent again until the run has ended."""
    output("docker", "kill", trial.containers.of("agent"))
    run = trial.ended(run_id)
    trial.platform.make("up")
    return f"{run['state_name']} without an agent"


def agent_and_run_gone(trial: Trial, run_id: str) -> str:
    """Nobody starts the agent again until the sweeper has done its work."""
    output("docker", "kill", trial.containers.of("agent"), trial.container_of(run_id))
    run = trial.ended(run_id)
    trial.platform.make("up")
    return f"{run['state_name']} by the sweeper"


def power_cut(trial: Trial, run_id: str) -> str:
    """Every container ends at the same moment. What the kernel has not written yet is written all the same."""
    output("docker", "kill", *output("docker", "ps", "--quiet", *trial.containers.filters()).split())
    trial.platform.make("up")
    return "killed all at once, then make up"

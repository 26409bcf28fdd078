"""Two runs that load the same months; runs without an agent; the whole platform killed at once."""

from __future__ import annotations

from cli.programs import output
from dev.chaos.experiment import CheckFailedError, Experiment
from dev.chaos.fault import Fault, during_a_run
from dev.chaos.months import MONTHS


def faults() -> list[Fault]:
    """Returns these faults."""
    return [
        Fault("two-identical-runs", "", two_identical_runs),
        Fault("runs-that-overlap", "", runs_that_overlap),
        Fault("agent-gone", "fetch", during_a_run("fetch", agent_gone)),
        Fault("agent-and-run-gone", "write", during_a_run("write", agent_and_run_gone)),
        Fault("power-cut", "load", during_a_run("load", power_cut)),
    ]


def two_identical_runs(experiment: Experiment) -> str:
    """Starts two runs that load all months."""
    experiment.serve_new_months()
    return experiment.finish(experiment.start_run(), experiment.start_run())


def runs_that_overlap(experiment: Experiment) -> str:
    """Starts a run of the first month and one of the first two; then a run of all three."""
    experiment.serve_new_months()
    runs = [experiment.start_run(MONTHS[:1]), experiment.start_run(MONTHS[:2])]
    ends = [experiment.wait_for_end(run_id) for run_id in runs]
    words = experiment.finish(experiment.start_run())
    if any(run["state_type"] == "COMPLETED" and not experiment.counts_agree(run) for run in ends):
        raise CheckFailedError("a run completed although its counts differ")
    return f"{' and '.join(run['state_name'] for run in ends)}; all months afterwards: {words}"


def agent_gone(experiment: Experiment, run_id: str) -> str:
    """Kills the agent, and starts it again when the run has ended."""
    output("docker", "kill", experiment.containers.id_of_service("agent"))
    run = experiment.wait_for_end(run_id)
    experiment.platform.make("up")
    return f"{run['state_name']} without an agent"


def agent_and_run_gone(experiment: Experiment, run_id: str) -> str:
    """Kills the agent and the run, and starts the agent again when the sweeper has marked the run as crashed."""
    output("docker", "kill", experiment.containers.id_of_service("agent"), experiment.container_of(run_id))
    run = experiment.wait_for_end(run_id)
    experiment.platform.make("up")
    return f"{run['state_name']} by the sweeper"


def power_cut(experiment: Experiment, run_id: str) -> str:
    """Kills every container at once. Unlike in a real power cut, the kernel still writes its buffers to disk."""
    output("docker", "kill", *output("docker", "ps", "--quiet", *experiment.containers.filters()).split())
    experiment.platform.make("up")
    return "killed all at once, then make up"

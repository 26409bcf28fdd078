"""Kills the process of each service that a run needs, and of the run itself, at each stage."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dev.chaos.experiment import Experiment
from dev.chaos.fault import Fault, during_a_run

SERVICES = ("agent", "orion", "postgres", "gcs", "bigquery", "internet", "docker-proxy")
STAGES = ("fetch", "write", "load")


def faults() -> list[Fault]:
    """Returns these faults."""
    run = [Fault("kill-run", stage, during_a_run(stage, kill_run)) for stage in STAGES]
    return run + [
        Fault(f"kill-{service}", stage, during_a_run(_stage_to_wait_for(service, stage), kill(service)))
        for service in SERVICES
        for stage in STAGES
    ]


def _stage_to_wait_for(service: str, stage: str) -> str:
    """BigQuery is killed during its own load, not during that of Postgres."""
    return "copy" if (service, stage) == ("bigquery", "load") else stage


def kill(service: str) -> Callable[[Experiment, str], str]:
    """Returns a fault that kills the service's first process."""
    return partial(_kill, service)


def _kill(service: str, experiment: Experiment, run_id: str) -> str:
    experiment.containers.kill(experiment.containers.id_of_service(service))
    return ""


def kill_run(experiment: Experiment, run_id: str) -> str:
    """Kills the run's first process."""
    experiment.containers.kill(experiment.container_of(run_id))
    return ""

"""A process is killed: that of each service and of the run itself, at each stage."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dev.chaos.fault import Fault, during_a_run
from dev.chaos.fault_run import Trial

SERVICES = ("agent", "orion", "postgres", "gcs", "bigquery", "internet", "docker-proxy")
STAGES = ("fetch", "write", "load")


def faults() -> list[Fault]:
    """All of them."""
    run = [Fault("kill-run", stage, during_a_run(stage, kill_run)) for stage in STAGES]
    return run + [
        Fault(f"kill-{service}", stage, during_a_run(_sign(service, stage), kill(service)))
        for service in SERVICES
        for stage in STAGES
    ]


def _sign(service: str, stage: str) -> str:
    """BigQuery is hit in its own load, not in that of Postgres at its side."""
    return "copy" if (service, stage) == ("bigquery", "load") else stage


def kill(service: str) -> Callable[[Trial, str], str]:
    """Kills the service's first process."""
    return partial(_kill, service)


def _kill(service: str, trial: Trial, run_id: str) -> str:
    trial.containers.kill(trial.containers.of(service))
    return ""


def kill_run(trial: Trial, run_id: str) -> str:
    """Kills the run's."""
    trial.containers.kill(trial.container_of(run_id))
    return ""

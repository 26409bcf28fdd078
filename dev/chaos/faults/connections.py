"""Pauses a service, or drops the packets that a run sends to it, for a while, without closing connections."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import sleep

from dev.chaos.experiment import Experiment
from dev.chaos.fault import Fault, during_a_run

PAUSE_SECONDS, CUT_SECONDS = 60, 30
PAUSED = ("postgres", "orion")
NEEDED = {"internet": "fetch", "gcs": "write", "bigquery": "copy", "postgres": "load", "orion": "write"}
"""The services that a run uses, and the stage in which it needs each most."""
NAMES = {"copy": "load"}


def faults() -> list[Fault]:
    """Returns these faults."""
    pauses = [Fault(f"pause-{service}", "load", during_a_run("load", pause_service(service))) for service in PAUSED]
    cuts = [
        Fault(f"cut-{service}", NAMES.get(stage, stage), during_a_run(stage, cut_from(service)))
        for service, stage in NEEDED.items()
    ]
    everything = Fault("cut-everything", "write", during_a_run("write", cut_from(*NEEDED)))
    return [*pauses, *cuts, everything]


def pause_service(service: str) -> Callable[[Experiment, str], str]:
    """Returns a fault that pauses the service."""
    return partial(_pause, service)


def _pause(service: str, experiment: Experiment, run_id: str) -> str:
    with experiment.containers.paused(service):
        sleep(PAUSE_SECONDS)
    return f"paused for {PAUSE_SECONDS} s"


def cut_from(*services: str) -> Callable[[Experiment, str], str]:
    """Returns a fault that cuts the run's container off from the services."""
    return partial(_cut, services)


def _cut(services: tuple[str, ...], experiment: Experiment, run_id: str) -> str:
    with experiment.containers.cut_off(experiment.container_of(run_id), services):
        sleep(CUT_SECONDS)
    return f"cut for {CUT_SECONDS} s"

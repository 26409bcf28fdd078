"""Fills a volume for a while."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import sleep

from cli.programs import output
from dev.chaos.experiment import CheckFailedError, Experiment
from dev.chaos.fault import Fault

VOLUMES = {"postgres": "/var/lib/postgresql/data", "gcs": "/var/lib/gcs", "bigquery": "/var/lib/bigquery"}
"""The folder of each service's data."""
MEGABYTES = 1_000
"""Size of a volume."""
FULL_SECONDS = 20
STAGES = {"postgres": "load", "gcs": "fetch", "bigquery": "fetch"}
FILL = "cat /dev/zero > /{0}/ballast; df --output=avail /{0} | tail -1"


def faults() -> list[Fault]:
    """Returns these faults. The first one gives the platform small volumes, so they come last."""
    return [Fault(f"disk-full-{service}", stage, full(service, stage)) for service, stage in STAGES.items()]


def full(service: str, stage: str) -> Callable[[Experiment], str]:
    """Returns a fault's `inject` that fills the service's volume."""
    return partial(_full, service, stage)


def _full(service: str, stage: str, experiment: Experiment) -> str:
    holder = _holder(experiment)
    experiment.serve_new_months()
    run_id = experiment.start_run()
    experiment.wait_for_stage(run_id, stage)
    _fill(holder, service)
    try:
        sleep(FULL_SECONDS)
    finally:
        output("docker", "exec", holder, "rm", f"/{service}/ballast")
    return f"no room on its volume for {FULL_SECONDS} s, {experiment.finish(run_id)}"


def _holder(experiment: Experiment) -> str:
    """Returns a container that keeps the volumes mounted, as volumes in memory need; the first call creates both."""
    own = experiment.platform
    mounts = [f"--volume={own.name}_{service}:/{service}" for service in VOLUMES]
    if not _are_small(own.name):
        own.make("reset")
        for service in VOLUMES:
            _create(own.name, service)
        experiment.containers.helper("holder", *mounts)
        own.make("up")
        experiment.check_without_fault()
    return experiment.containers.helper("holder", *mounts)


def _are_small(project: str) -> bool:
    names = [f"{project}_{service}" for service in VOLUMES]
    return set(output("docker", "volume", "inspect", "--format", "{{.Options.type}}", *names).split()) == {"tmpfs"}


def _fill(holder: str, service: str) -> None:
    left = output("docker", "exec", holder, "sh", "-c", FILL.format(service)).split()[-1]
    if left != "0":
        raise CheckFailedError(f"the volume should be full, and has {left} kB left")


def _create(project: str, service: str) -> None:
    """Creates the volume with the labels of Compose, so that Compose uses it."""
    labels = [f"--label=com.docker.compose.project={project}", f"--label=com.docker.compose.volume={service}"]
    in_memory = ["--driver=local", "--opt=type=tmpfs", "--opt=device=tmpfs", f"--opt=o=size={MEGABYTES}m"]
    output("docker", "volume", "create", *labels, *in_memory, f"{project}_{service}")

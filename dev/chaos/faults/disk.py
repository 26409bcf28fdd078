"""A volume is full, and then there is room again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cli.programs import output
from dev.chaos.engine import pause
from dev.chaos.fault import Fault
from dev.chaos.fault_run import NotHeldError, Trial

VOLUMES = {"postgres": "/var/lib/postgresql/data", "gcs": "/var/lib/gcs", "bigquery": "/var/lib/bigquery"}
"""Where each service keeps its data."""
MEGABYTES = 1_000
"""Size of a volume."""
FULL_SECONDS = 20
STAGES = {"postgres": "load", "gcs": "fetch", "bigquery": "fetch"}
FILL = "cat /dev/zero > /{0}/ballast; df --output=avail /{0} | tail -1"


def faults() -> list[Fault]:
    """All of them, at the very end: the first one gives the platform its small volumes."""
    return [Fault(f"disk-full-{service}", stage, full(service, stage)) for service, stage in STAGES.items()]


def full(service: str, stage: str) -> Callable[[Trial], str]:
    """A strike that fills the service's volume."""
    return partial(_full, service, stage)


def _full(service: str, stage: str, trial: Trial) -> str:
    holder = _holder(trial)
    trial.begin()
    run_id = trial.start()
    trial.reach(run_id, stage)
    _fill(holder, service)
    try:
        pause(FULL_SECONDS)
    finally:
        output("docker", "exec", holder, "rm", f"/{service}/ballast")
    return f"no room on its volume for {FULL_SECONDS} s, {trial.settle(run_id)}"


def _holder(trial: Trial) -> str:
    """A container that keeps the volumes mounted: what is in memory lives only so long. The first call makes both."""
    own = trial.platform
    mounts = [f"--volume={own.name}_{service}:/{service}" for service in VOLUMES]
    if not _are_small(own.name):
        own.make("reset")
        for service in VOLUMES:
            _create(own.name, service)
        trial.containers.helper("holder", *mounts)
        own.make("up")
        trial.first()
    return trial.containers.helper("holder", *mounts)


def _are_small(project: str) -> bool:
    names = [f"{project}_{service}" for service in VOLUMES]
    return set(output("docker", "volume", "inspect", "--format", "{{.Options.type}}", *names).split()) == {"tmpfs"}


def _fill(holder: str, service: str) -> None:
    left = output("docker", "exec", holder, "sh", "-c", FILL.format(service)).split()[-1]
    if left != "0":
        raise NotHeldError(f"the volume was to be full, and has {left} kB left")


def _create(project: str, service: str) -> None:
    """Makes the volume, labelled as compose's own, so that compose takes it for that."""
    labels = [f"--label=com.docker.compose.project={project}", f"--label=com.docker.compose.volume={service}"]
    kind = ["--driver=local", "--opt=type=tmpfs", "--opt=device=tmpfs", f"--opt=o=size={MEGABYTES}m"]
    output("docker", "volume", "create", *labels, *kind, f"{project}_{service}")

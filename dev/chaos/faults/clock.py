"""Steps the wall clock by an hour during a run, and back again afterwards."""

from __future__ import annotations

import shutil
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import sleep

from cli.programs import output
from dev.chaos.experiment import DEPLOYMENT, CheckFailedError, Experiment, TooLateError
from dev.chaos.fault import CannotInjectError, Fault
from orionbox.errors import CommandError

HOUR = 3600
"""Seconds of a step."""
SOURCE, OVERRIDE = "dev/chaos/inside/clock.c", "dev/chaos/inside/clock.yaml"
FOLDER, INSIDE = Path("services/flows/flows"), Path("/opt/prefect/flows")
"""The folder that services and runs share, in the checkout and in a container: the clock's files are there."""
LIBRARY, STEP = "clock.so", "clock-step"
SERVICES = ("orion", "agent", "sweeper", "start", "postgres", "gcs", "bigquery", "internet")
"""Services that get the stepped clock (inside/clock.yaml)."""
SETTLE = 45
"""Seconds between a step and the next runs."""
TOLERANCE = 60
"""Seconds by which a stepped clock may differ from the expected time."""


def faults() -> list[Fault]:
    """Returns these faults."""
    return [Fault("clock-forward", "fetch", stepped(HOUR)), Fault("clock-back", "fetch", stepped(-HOUR))]


def stepped(seconds: int) -> Callable[[Experiment], str]:
    """Returns a fault's `inject` that steps the clock by so many seconds."""
    return partial(_stepped, seconds)


def _stepped(seconds: int, experiment: Experiment) -> str:
    with _clock(experiment) as step:
        experiment.serve_new_months()
        run_id = experiment.start_run()
        experiment.wait_for_stage(run_id, "fetch")
        step(seconds)
        _check(experiment, run_id, seconds)
        words = experiment.finish(run_id)
        # Gives every timed check a chance to run
        sleep(SETTLE)
        later_runs = [_next(experiment, "etl/process"), _next(experiment, "etl/docker")]
        step(0)
        sleep(SETTLE)
        later_runs += [_next(experiment, "etl/process"), _next(experiment, "etl/docker")]
        if others := set(later_runs) - {"the run completed by itself"}:
            raise CheckFailedError(f"a later run: {' and '.join(others)}")
        return (
            f"the clock of all services and of the run {seconds:+} s, {words}; two runs then, two after the step back"
        )


def _next(experiment: Experiment, deployment: str) -> str:
    """Starts a run; returns the outcome."""
    experiment.serve_new_months()
    return experiment.finish(experiment.start_run(deployment=deployment))


@contextmanager
def _clock(experiment: Experiment) -> Iterator[Callable[[int], None]]:
    """Gives services and runs a separate clock; yields a function that sets its difference in seconds.

    Containers share the kernel's clock; a step of that would affect everything else on this machine.

    Raises:
        CannotInjectError: no C compiler is installed.
    """
    compiler = shutil.which("cc")
    if not compiler:
        raise CannotInjectError("the clock is built with a C compiler, and this machine has no cc")
    own, folder = experiment.platform, experiment.platform.root / FOLDER
    file = folder / STEP

    def step(seconds: int) -> None:
        # In place: a process that has mapped the file is killed if the file gets shorter
        with file.open("r+b") as content:
            content.write(struct.pack("=q", seconds))

    file.write_bytes(struct.pack("=q", 0))
    own.run(compiler, "-O2", "-shared", "-fPIC", "-o", str(folder / LIBRARY), f'-DSTEP="{INSIDE / STEP}"', SOURCE)
    override = own.root / "compose.override.yaml"
    shutil.copy(own.root / OVERRIDE, override)
    overrides = experiment.platform.orion.call(f"deployments/name/{DEPLOYMENT}")["infra_overrides"]
    try:
        own.make("up")
        _override(experiment, {**overrides, "env.LD_PRELOAD": str(INSIDE / LIBRARY)})
        yield step
    finally:
        step(0)
        override.unlink()
        own.make("up")
        _override(experiment, overrides)
        for name in (LIBRARY, STEP):
            (folder / name).unlink()


def _override(experiment: Experiment, values: dict[str, str]) -> None:
    """Sets the values that replace those of the block in the deployment's runs."""
    orion = experiment.platform.orion
    deployment = orion.call(f"deployments/name/{DEPLOYMENT}")["id"]
    orion.call(f"deployments/{deployment}", {"infra_overrides": values}, method="PATCH")


def _check(experiment: Experiment, run_id: str, seconds: int) -> None:
    """Asks every container for the time.

    Raises:
        TooLateError: the run's container is gone already.
        CheckFailedError: a clock was not stepped, so nothing was tested.
    """
    containers = {service: experiment.containers.id_of_service(service) for service in SERVICES}
    for name, container in {"run": experiment.container_of(run_id), **containers}.items():
        try:
            now = int(output("docker", "exec", container, "date", "+%s"))
        except CommandError as error:
            raise TooLateError(f"{name} did not say the time: {error}") from error
        if abs(now - time.time() - seconds) > TOLERANCE:
            raise CheckFailedError(f"{name} is {now - time.time():+.0f} s off, and should be {seconds:+}")

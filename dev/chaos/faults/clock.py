"""The wall clock is stepped by an hour while a run is under way, and back again afterwards."""

from __future__ import annotations

import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cli.programs import output
from dev.chaos.engine import pause
from dev.chaos.fault import Fault, NotTriedError
from dev.chaos.fault_run import DEPLOYMENT, MissedError, NotHeldError, Trial
from orionbox.errors import CommandError

HOUR = 3600
"""Seconds of a step."""
SOURCE, OVERRIDE = "dev/chaos/inside/clock.c", "dev/chaos/inside/clock.yaml"
FOLDER, INSIDE = Path("services/flows/flows"), Path("/opt/prefect/flows")
"""What services and runs have in common, in the checkout and in a container: the clock goes there."""
LIBRARY, STEP = "clock.so", "clock-step"
SERVICES = ("orion", "agent", "sweeper", "start", "postgres", "gcs", "bigquery", "internet")
"""Those that inside/clock.yaml gives such a clock, and that are up when a run is."""
STAYS = 45
"""Seconds for which the clock is left as it is after a step, before the next runs."""
SLACK = 60
"""Seconds that a clock may be off, and still counts as stepped."""


def faults() -> list[Fault]:
    """All of them."""
    return [Fault("clock-forward", "fetch", stepped(HOUR)), Fault("clock-back", "fetch", stepped(-HOUR))]


def stepped(seconds: int) -> Callable[[Trial], str]:
    """A strike that steps the clock by so many seconds."""
    return partial(_stepped, seconds)


def _stepped(seconds: int, trial: Trial) -> str:
    with _clock(trial) as step:
        trial.begin()
        run_id = trial.start()
        trial.reach(run_id, "fetch")
        step(seconds)
        _check(trial, run_id, seconds)
        words = trial.settle(run_id)
        # Until whatever looks at the time has looked
        pause(STAYS)
        further = [_next(trial, "etl/process"), _next(trial, "etl/docker")]
        step(0)
        pause(STAYS)
        further += [_next(trial, "etl/process"), _next(trial, "etl/docker")]
        if others := set(further) - {"the run completed by itself"}:
            raise NotHeldError(f"a later run: {' and '.join(others)}")
        return f"the clock of all services and of the run {seconds:+} s, {words}; two runs then, two when it was right"


def _next(trial: Trial, deployment: str) -> str:
    """What becomes of a run that is started now."""
    trial.begin()
    return trial.settle(trial.start(deployment=deployment))


@contextmanager
def _clock(trial: Trial) -> Iterator[Callable[[int], None]]:
    """Gives services and runs a clock of their own; what is yielded sets how far it is off, in seconds.

    Containers share the kernel's clock, and a step of that would hit everything else on this machine too.

    Raises:
        NotTriedError: there is no C compiler to build it with.
    """
    compiler = shutil.which("cc")
    if not compiler:
        raise NotTriedError("the clock that can be stepped is built with a C compiler, and there is no cc here")
    own, folder = trial.platform, trial.platform.root / FOLDER
    file = folder / STEP

    def step(seconds: int) -> None:
        # In place: whoever has mapped it would be killed if it were shorter for a moment
        with file.open("r+b") as content:
            content.write(struct.pack("=q", seconds))

    file.write_bytes(struct.pack("=q", 0))
    own.run(compiler, "-O2", "-shared", "-fPIC", "-o", str(folder / LIBRARY), f'-DSTEP="{INSIDE / STEP}"', SOURCE)
    own.env["COMPOSE_FILE"] = os.pathsep.join(["compose.yaml", OVERRIDE])
    overrides = trial.platform.orion.call(f"deployments/name/{DEPLOYMENT}")["infra_overrides"]
    try:
        own.make("up")
        _override(trial, {**overrides, "env.LD_PRELOAD": str(INSIDE / LIBRARY)})
        yield step
    finally:
        step(0)
        own.env.pop("COMPOSE_FILE")
        own.make("up")
        _override(trial, overrides)
        for name in (LIBRARY, STEP):
            (folder / name).unlink()


def _override(trial: Trial, values: dict[str, str]) -> None:
    """Sets what the deployment's runs have otherwise than its block says."""
    orion = trial.platform.orion
    deployment = orion.call(f"deployments/name/{DEPLOYMENT}")["id"]
    orion.call(f"deployments/{deployment}", {"infra_overrides": values}, method="PATCH")


def _check(trial: Trial, run_id: str, seconds: int) -> None:
    """Asks every container for the time.

    Raises:
        MissedError: the run's container has gone already.
        NotHeldError: one has not got the step, so nothing was tried.
    """
    containers = {service: trial.containers.of(service) for service in SERVICES}
    for name, container in {"run": trial.container_of(run_id), **containers}.items():
        try:
            now = int(output("docker", "exec", container, "date", "+%s"))
        except CommandError as error:
            raise MissedError(f"{name} did not say the time: {error}") from error
        if abs(now - time.time() - seconds) > SLACK:
            raise NotHeldError(f"{name} is {now - time.time():+.0f} s off, and was to be {seconds:+}")

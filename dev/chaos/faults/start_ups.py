"""The platform is started, stopped and renewed at the wrong moment."""

from __future__ import annotations

import os
import signal
import subprocess

from cli.programs import output
from dev.chaos.fault import Fault, during_a_run
from dev.chaos.fault_run import NotHeldError, Trial

INTERRUPTED_AFTER = (1, 4, 8, 13)
"""Seconds after the start of `make up`; it takes about twenty."""


def faults() -> list[Fault]:
    """All of them."""
    return [
        Fault("down-during-a-run", "load", during_a_run("load", down)),
        Fault("up-interrupted", "", up_interrupted),
        Fault("upgrade", "", upgrade),
    ]


def down(trial: Trial, run_id: str) -> str:
    """`make down`, `make up`."""
    trial.platform.make("down")
    if trial.containers.runs():
        raise NotHeldError("make down has left a run's container")
    trial.platform.make("up")
    return "make down, make up"


def up_interrupted(trial: Trial) -> str:
    """`make up` is interrupted as by Ctrl-C, at several moments; each time the next `make up` must do."""
    trial.begin()
    for seconds in INTERRUPTED_AFTER:
        trial.platform.make("down")
        interrupt("up", seconds, trial)
        trial.platform.make("up")
    after = ", ".join(map(str, INTERRUPTED_AFTER))
    return f"interrupted after {after} s, started again each time; {trial.settle(trial.start())}"


def interrupt(target: str, seconds: float, trial: Trial) -> None:
    """Interrupts a make target after so many seconds.

    Raises:
        NotHeldError: it had ended before, so there was nothing to interrupt.
    """
    own = trial.platform
    command = subprocess.Popen(
        ["make", target],
        cwd=own.root,
        env=own.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        command.wait(seconds)
        raise NotHeldError(f"make {target} took less than {seconds} s, so it was not interrupted")
    except subprocess.TimeoutExpired:
        pass
    finally:
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGINT)
            command.wait()


def upgrade(trial: Trial) -> str:
    """Images under another tag take over; months and runs of before must be there, and new ones come."""
    own, runs = trial.platform, _runs(trial)
    before = own.env.get("ORIONBOX_TAG")
    tag = f"{own.image('flows').rpartition(':')[2]}-next"
    trial.begin()
    old = trial.reader.in_bigquery(), trial.in_postgres()
    own.env["ORIONBOX_TAG"] = tag
    try:
        own.make("up")
        if (trial.reader.in_bigquery(), trial.in_postgres()) != old or _runs(trial) != runs:
            raise NotHeldError("months or runs of before the upgrade are not there")
        run_id = trial.start()
        words = trial.settle(run_id)
        _check_tag(trial, tag)
        return f"all of {runs} runs and all months were kept; {words}"
    finally:
        own.env.pop("ORIONBOX_TAG") if before is None else own.env.update(ORIONBOX_TAG=before)
        own.make("up")
        trial.containers.remove_images(tag)


def _runs(trial: Trial) -> int:
    return int(trial.platform.orion.call("flow_runs/count", {}))


def _check_tag(trial: Trial, tag: str) -> None:
    images = output("docker", "ps", "--format", "{{.Image}}", *trial.containers.filters()).split()
    if old := [image for image in images if not image.endswith(f":{tag}")]:
        raise NotHeldError(f"not renewed: {', '.join(old)}")

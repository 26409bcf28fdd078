"""Starts, stops and upgrades the platform at the wrong moment."""

from __future__ import annotations

import os
import signal
import subprocess

from cli.programs import output
from dev.chaos.experiment import CheckFailedError, Experiment
from dev.chaos.fault import Fault, during_a_run

INTERRUPTED_AFTER = (1, 4, 8, 13)
"""Seconds after the start of `make up`; it takes about twenty."""


def faults() -> list[Fault]:
    """Returns these faults."""
    return [
        Fault("down-during-a-run", "load", during_a_run("load", down)),
        Fault("up-interrupted", "", up_interrupted),
        Fault("upgrade", "", upgrade),
    ]


def down(experiment: Experiment, run_id: str) -> str:
    """Stops the platform and starts it again."""
    experiment.platform.make("down")
    if experiment.containers.run_ids():
        raise CheckFailedError("make down left a run's container")
    experiment.platform.make("up")
    return "make down, make up"


def up_interrupted(experiment: Experiment) -> str:
    """Interrupts `make up` as Ctrl-C does, at several moments; the next `make up` must succeed each time."""
    experiment.serve_new_months()
    for seconds in INTERRUPTED_AFTER:
        experiment.platform.make("down")
        interrupt("up", seconds, experiment)
        experiment.platform.make("up")
    after = ", ".join(map(str, INTERRUPTED_AFTER))
    return f"interrupted after {after} s, started again each time; {experiment.finish(experiment.start_run())}"


def interrupt(target: str, seconds: float, experiment: Experiment) -> None:
    """Interrupts a make target after so many seconds.

    Raises:
        CheckFailedError: the target ended before.
    """
    own = experiment.platform
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
        raise CheckFailedError(f"make {target} took less than {seconds} s, so it was not interrupted")
    except subprocess.TimeoutExpired:
        pass
    finally:
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGINT)
            command.wait()


def upgrade(experiment: Experiment) -> str:
    """Starts the platform from images of another tag; its months and runs must still be there, and a new run works."""
    own, runs = experiment.platform, _runs(experiment)
    before = own.env.get("ORIONBOX_TAG")
    tag = f"{own.image('flows').rpartition(':')[2]}-next"
    experiment.serve_new_months()
    old = experiment.watch.in_bigquery(), experiment.in_postgres()
    own.env["ORIONBOX_TAG"] = tag
    try:
        own.make("up")
        if (experiment.watch.in_bigquery(), experiment.in_postgres()) != old or _runs(experiment) != runs:
            raise CheckFailedError("months or runs from before the upgrade are missing")
        run_id = experiment.start_run()
        words = experiment.finish(run_id)
        _check_tag(experiment, tag)
        return f"all of {runs} runs and all months are still there; {words}"
    finally:
        own.env.pop("ORIONBOX_TAG") if before is None else own.env.update(ORIONBOX_TAG=before)
        own.make("up")
        experiment.containers.remove_images(tag)


def _runs(experiment: Experiment) -> int:
    return int(experiment.platform.orion.call("flow_runs/count", {}))


def _check_tag(experiment: Experiment, tag: str) -> None:
    images = output("docker", "ps", "--format", "{{.Image}}", *experiment.containers.filters()).split()
    if old := [image for image in images if not image.endswith(f":{tag}")]:
        raise CheckFailedError(f"still running the old image: {', '.join(old)}")

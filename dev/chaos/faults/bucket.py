"""Cloud Storage is killed again and again while objects are uploaded; and connections that say nothing."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException

from cli.programs import output
from dev.chaos.engine import pause
from dev.chaos.fault import Fault
from dev.chaos.fault_run import NotHeldError, Trial, wait
from dev.chaos.stores import checksum

KILLS = 50
START_WITHIN = 30
"""Seconds in which Cloud Storage must answer again."""
OBJECTS = ("chaos/first", "chaos/second")
MEGABYTES = 4
IDLE = (
    ("postgres", 5432),
    ("gcs", 4443),
    ("bigquery", 9050),
    ("bigquery", 9060),
    ("internet", 80),
    ("internet", 443),
    ("orion", 4200),
    ("docker-proxy", 2375),
    ("pgadmin", 8080),
)
PORTS = ("START_PORT", "ORION_PORT", "POSTGRES_PORT", "PGADMIN_PORT", "GCS_PORT", "BIGQUERY_PORT", "BIGQUERY_GRPC_PORT")
HOLD = """
import socket, sys
held = [socket.create_connection(place.split(":")) for place in sys.argv[1:]]
print("connected", len(held), flush=True)
sys.stdin.read()
"""


def faults() -> list[Fault]:
    """All of them."""
    return [Fault("gcs-killed-50-times", "write", gcs_killed), Fault("idle-connections", "", idle_connections)]


class Uploads:
    """Uploads object after object, each time with other content, whether Cloud Storage answers or not."""

    def __init__(self, trial: Trial) -> None:
        self._bucket, self._end, self._random = trial.bucket, threading.Event(), random.Random(0)
        self.possible: dict[str, list[str]] = {name: [] for name in OBJECTS}
        """The checksums that each object may have: that of the last upload that was acknowledged, and any since."""
        self.acknowledged = self.interrupted = 0

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """They go on while this lasts; the one that is under way then is still waited for."""
        self._end.clear()
        thread = threading.Thread(target=self._upload_all)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()

    def _upload_all(self) -> None:
        while not self._end.is_set():
            for name in OBJECTS:
                self.upload(name)

    def upload(self, name: str) -> None:
        """One."""
        content = self._random.randbytes(MEGABYTES << 20)
        self.possible[name].append(checksum(content))
        try:
            self._bucket.put(name, content)
        except (OSError, HTTPException) as error:
            # Where nobody listens nothing was interrupted
            self.interrupted += not isinstance(getattr(error, "reason", None), ConnectionRefusedError)
        else:
            self.possible[name] = self.possible[name][-1:]
            self.acknowledged += 1


def gcs_killed(trial: Trial) -> str:
    """Every object is an old or a new one after each kill, whole and with the right checksum."""
    gcs, uploads, moments = trial.containers.of("gcs"), Uploads(trial), random.Random(1)
    for name in OBJECTS:
        uploads.upload(name)
    for kill in range(KILLS):
        with uploads.going_on():
            pause(moments.uniform(0.05, 0.6))
            output("docker", "kill", gcs)
        # Left to itself the engine would wait longer after each kill, up to a minute
        output("docker", "start", gcs)
        _check(trial, uploads, kill + 1)
    if uploads.interrupted < KILLS // 2:
        raise NotHeldError(f"only {uploads.interrupted} uploads were interrupted by {KILLS} kills")
    trial.begin()
    words = trial.settle(trial.start())
    return f"{uploads.interrupted} uploads interrupted, {uploads.acknowledged} acknowledged; afterwards {words}"


def _check(trial: Trial, uploads: Uploads, kills: int) -> None:
    wait(lambda: _answers(trial), f"Cloud Storage after kill {kills}", START_WITHIN, 0.1)
    for name in OBJECTS:
        described, content = trial.bucket.described(name), checksum(trial.bucket.content(name))
        if described.get("md5Hash") != content:
            raise NotHeldError(f"{name} is not what its checksum says, after kill {kills}")
        if content not in uploads.possible[name]:
            raise NotHeldError(f"{name} is neither the old nor the new one, after kill {kills}")


def _answers(trial: Trial) -> bool:
    try:
        return bool(trial.bucket.described(OBJECTS[0]))
    except (OSError, HTTPException):
        return False


def idle_connections(trial: Trial) -> str:
    """A silent connection to every port of every service, from the host and from inside, while a run works."""
    trial.begin()
    with ExitStack() as held:
        for port in (int(trial.platform.env[name]) for name in PORTS):
            held.enter_context(socket.create_connection(("127.0.0.1", port)))
        held.enter_context(_held_inside(trial))
        words = trial.settle(trial.start())
    return f"{len(PORTS)} from the host, {len(IDLE)} from inside; {words}"


@contextmanager
def _held_inside(trial: Trial) -> Iterator[None]:
    places = [f"{service}:{port}" for service, port in IDLE]
    options = ("--detach", "--interactive", "--network", trial.platform.name)
    holder = output("docker", "run", *options, trial.containers.image, "python", "-c", HOLD, *places).strip()
    try:
        wait(lambda: "connected" in output("docker", "logs", holder), "the silent connections", 20)
        yield
        if output("docker", "inspect", "--format", "{{.State.Running}}", holder) != "true\n":
            raise NotHeldError("the silent connections were not held until the end of the run")
    finally:
        output("docker", "rm", "--force", holder)

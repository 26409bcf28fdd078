"""Kills Cloud Storage again and again during uploads; and holds idle connections to every service."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from time import sleep

from cli.programs import output
from cli.runtimes import ownership
from dev.chaos.bucket import checksum
from dev.chaos.experiment import CheckFailedError, Experiment, wait_for
from dev.chaos.fault import Fault

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
connections = [socket.create_connection(place.split(":")) for place in sys.argv[1:]]
print("connected", len(connections), flush=True)
sys.stdin.read()
"""


def faults() -> list[Fault]:
    """Returns these faults."""
    return [Fault("gcs-killed-50-times", "write", gcs_killed), Fault("idle-connections", "", idle_connections)]


class Uploads:
    """Uploads objects one after another, always with new content, whether Cloud Storage answers or not."""

    def __init__(self, experiment: Experiment) -> None:
        self._bucket, self._end, self._random = experiment.bucket, threading.Event(), random.Random(0)
        self.possible: dict[str, list[str]] = {name: [] for name in OBJECTS}
        """The checksums that each object may have: of the last acknowledged upload, and of all uploads since."""
        self.acknowledged = self.interrupted = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Uploads until the block ends, then waits for the last upload."""
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
        """Uploads new content of one object."""
        content = self._random.randbytes(MEGABYTES << 20)
        self.possible[name].append(checksum(content))
        try:
            self._bucket.put(name, content)
        except (OSError, HTTPException) as error:
            # A refused connection is not an interrupted upload
            self.interrupted += not isinstance(getattr(error, "reason", None), ConnectionRefusedError)
        else:
            self.possible[name] = self.possible[name][-1:]
            self.acknowledged += 1


def gcs_killed(experiment: Experiment) -> str:
    """Checks after each kill that every object is the old or the new one, complete, with the right checksum."""
    gcs, uploads, moments = experiment.containers.id_of_service("gcs"), Uploads(experiment), random.Random(1)
    for name in OBJECTS:
        uploads.upload(name)
    for kill in range(KILLS):
        with uploads.running():
            sleep(moments.uniform(0.05, 0.6))
            output("docker", "kill", gcs)
        # Docker itself would wait longer after each kill, up to a minute
        output("docker", "start", gcs)
        _check(experiment, uploads, kill + 1)
    if uploads.interrupted < KILLS // 2:
        raise CheckFailedError(f"only {uploads.interrupted} uploads were interrupted by {KILLS} kills")
    experiment.serve_new_months()
    words = experiment.finish(experiment.start_run())
    return f"{uploads.interrupted} uploads interrupted, {uploads.acknowledged} acknowledged; afterwards {words}"


def _check(experiment: Experiment, uploads: Uploads, kills: int) -> None:
    wait_for(lambda: _answers(experiment), f"Cloud Storage after kill {kills}", START_WITHIN, 0.1)
    for name in OBJECTS:
        described, content = experiment.bucket.described(name), checksum(experiment.bucket.content(name))
        if described.get("md5Hash") != content:
            raise CheckFailedError(f"{name} does not match its checksum after kill {kills}")
        if content not in uploads.possible[name]:
            raise CheckFailedError(f"{name} is neither the old nor the new one after kill {kills}")


def _answers(experiment: Experiment) -> bool:
    try:
        return bool(experiment.bucket.described(OBJECTS[0]))
    except (OSError, HTTPException):
        return False


def idle_connections(experiment: Experiment) -> str:
    """Holds an idle connection to every port of every service, from the host and from inside, during a run."""
    experiment.serve_new_months()
    with ExitStack() as connections:
        for port in (int(experiment.platform.env[name]) for name in PORTS):
            connections.enter_context(socket.create_connection(("127.0.0.1", port)))
        connections.enter_context(_connections_inside(experiment))
        words = experiment.finish(experiment.start_run())
    return f"{len(PORTS)} from the host, {len(IDLE)} from inside; {words}"


@contextmanager
def _connections_inside(experiment: Experiment) -> Iterator[None]:
    places = [f"{service}:{port}" for service, port in IDLE]
    name, image = experiment.platform.name, experiment.containers.image
    create = ("docker", "create", "--interactive", "--network", name, image)
    holder = output(*create, "python", "-c", HOLD, *places).strip()
    try:
        for network in ownership.NETWORKS:
            output("docker", "network", "connect", f"{name}_{network}", holder)
        output("docker", "start", holder)
        wait_for(lambda: "connected" in output("docker", "logs", holder), "the idle connections", 20)
        yield
        if output("docker", "inspect", "--format", "{{.State.Running}}", holder) != "true\n":
            raise CheckFailedError("the idle connections did not last until the end of the run")
    finally:
        output("docker", "rm", "--force", holder)

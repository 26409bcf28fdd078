"""Serves the taxi files from a server that drops connections, or that is busy."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from cli.programs import output
from dev.chaos.experiment import CheckFailedError, Experiment, wait_for
from dev.chaos.fault import Fault
from dev.chaos.months import MONTHS

NAMES = ("github.com", "hooks.slack.com")
"""The aliases of service `internet`."""
PROGRAM = "/opt/chaos/flaky.py"
RESUMED, BUSY = "206", "503"


def faults() -> list[Fault]:
    """Returns these faults."""
    return [
        Fault("download-truncated", "fetch", flaky("truncated", RESUMED, 1)),
        Fault("server-says-503-twice", "fetch", flaky("busy", BUSY, 2)),
    ]


def flaky(mode: str, status: str, times: int) -> Callable[[Experiment], str]:
    """Returns a fault's `inject` with a server of that mode, which must give that answer so often for each month."""
    return partial(_flaky, mode, status, times)


def _flaky(mode: str, status: str, times: int, experiment: Experiment) -> str:
    experiment.serve_new_months()
    with _in_place_of_the_internet(experiment, mode) as server:
        run_id = experiment.start_run()
        experiment.wait_for_end(run_id)
        log = subprocess.run(["docker", "logs", server], capture_output=True, text=True).stdout
    answers = Counter(log.splitlines())
    if missing := [trips.csv_name for trips in MONTHS if answers[f"{status} {trips.csv_name}"] < times]:
        raise CheckFailedError(f"the server did not answer {status} for {', '.join(missing)}, so nothing was tested")
    return f"{status} was answered {times * len(MONTHS)} times; {experiment.finish(run_id)}"


@contextmanager
def _in_place_of_the_internet(experiment: Experiment, mode: str) -> Iterator[str]:
    """Disconnects service `internet`, gives its names to the flaky server, and yields that server's container."""
    network, internet, root = (
        experiment.platform.name,
        experiment.containers.id_of_service("internet"),
        experiment.platform.root,
    )
    output("docker", "network", "disconnect", network, internet)
    names = [f"--network-alias={name}" for name in NAMES]
    files = [f"{root / 'data'}:/data", f"{root / 'secrets'}:/tls", f"{root / 'dev/chaos/inside/flaky.py'}:{PROGRAM}"]
    volumes = [f"--volume={file}:ro" for file in files]
    rights = ("--user=0", "--network", network, *names, *volumes)
    server = output("docker", "run", "--detach", *rights, experiment.containers.image, "python", PROGRAM, mode).strip()
    try:
        wait_for(
            lambda: output("docker", "inspect", "--format", "{{.State.Running}}", server) == "true\n", "server", 10
        )
        yield server
    finally:
        output("docker", "rm", "--force", server)
        aliases = [word for name in ("internet", *NAMES) for word in ("--alias", name)]
        output("docker", "network", "connect", *aliases, network, internet)

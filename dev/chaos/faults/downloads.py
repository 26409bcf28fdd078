"""The taxi files come from a server that breaks off, or that is busy."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from cli.programs import output
from dev.chaos.fault import Fault
from dev.chaos.fault_run import NotHeldError, Trial, wait
from dev.chaos.months import MONTHS

NAMES = ("github.com", "hooks.slack.com")
"""The names under which service `internet` is known, beside its own."""
PROGRAM = "/opt/chaos/flaky.py"
RESUMED, BUSY = "206", "503"


def faults() -> list[Fault]:
    """All of them."""
    return [
        Fault("download-truncated", "fetch", flaky("truncated", RESUMED, 1)),
        Fault("server-says-503-twice", "fetch", flaky("busy", BUSY, 2)),
    ]


def flaky(mode: str, status: str, times: int) -> Callable[[Trial], str]:
    """A strike with a server of that mode, which must have given that answer so often for each month."""
    return partial(_flaky, mode, status, times)


def _flaky(mode: str, status: str, times: int, trial: Trial) -> str:
    trial.begin()
    with _in_place_of_the_internet(trial, mode) as server:
        run_id = trial.start()
        trial.ended(run_id)
        log = subprocess.run(["docker", "logs", server], capture_output=True, text=True).stdout
    answers = Counter(log.splitlines())
    if missing := [trips.csv_name for trips in MONTHS if answers[f"{status} {trips.csv_name}"] < times]:
        raise NotHeldError(f"the server did not get to say {status} for {', '.join(missing)}, so nothing was tried")
    return f"{status} was answered {times * len(MONTHS)} times; {trial.settle(run_id)}"


@contextmanager
def _in_place_of_the_internet(trial: Trial, mode: str) -> Iterator[str]:
    """A server of ours bears the names of service `internet`, which is off the network meanwhile; its container."""
    network, internet, root = trial.platform.name, trial.containers.of("internet"), trial.platform.root
    output("docker", "network", "disconnect", network, internet)
    names = [f"--network-alias={name}" for name in NAMES]
    files = [f"{root / 'data'}:/data", f"{root / 'secrets'}:/tls", f"{root / 'dev/chaos/inside/flaky.py'}:{PROGRAM}"]
    volumes = [f"--volume={file}:ro" for file in files]
    rights = ("--user=0", "--network", network, *names, *volumes)
    server = output("docker", "run", "--detach", *rights, trial.containers.image, "python", PROGRAM, mode).strip()
    try:
        wait(lambda: output("docker", "inspect", "--format", "{{.State.Running}}", server) == "true\n", "server", 10)
        yield server
    finally:
        output("docker", "rm", "--force", server)
        aliases = [word for name in ("internet", *NAMES) for word in ("--alias", name)]
        output("docker", "network", "connect", *aliases, network, internet)

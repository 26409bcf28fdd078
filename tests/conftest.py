"""What all tests share: separate checkouts and platforms, taxi files, and one way of waiting."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from xdist.scheduler import LoadScopeScheduling

from cli.bundle.checkout_copy import copy_checkout
from cli.programs import say
from cli.runtimes import folders
from cli.settings import env_file
from dev.throwaway_platform import clean_environment, identity
from orionbox.orion.client import Orion
from orionbox.orion.states import ENDED
from orionbox.trips.months import parse_csv_path
from orionbox.trips.row_counts import expected_rows

ROOT = Path(__file__).resolve().parent.parent
REAL_DATA = ROOT.parent / "shared" / "data" / "nyc-tlc"
"""Real taxi files in the release's layout, if there are any beside the checkout."""

END = "@@ended@@"
"""What the shell prints after each command."""
HAD_ACCOUNT = pytest.StashKey[bool]()
"""Whether the account of platforms without Docker existed before the tests."""
NOTES = "ORIONBOX_TEST_PLATFORMS"
"""The variable that names the folder in which running platforms are recorded."""
T = TypeVar("T")

GROUPS = (
    "e2e",
    "integration",
    "e2e/course",
    "e2e/test_backup.py",
    "e2e/test_bundle.py",
    "e2e/test_cloud.py",
    "conformance",
    "unit",
)
"""Folders and files, in the order in which the workers start them; the longest matching path decides.

The tests of a group share a platform, so one worker runs them all; those of `unit` are spread file by file, and come
last: a worker that has no group left runs them while the others end their own. The first worker begins with the longest
group, and so builds the images, while another runs those that need none.
"""

# As in the flows image: without them gcsfs asks Google first, and waits a minute for a timeout
os.environ.update({"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false", "NO_GCE_CHECK": "true"})


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names a case of bytes by its argument: gzip notes the time, so bytes differ between the processes."""
    return argname if isinstance(val, bytes) else None


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Gives each worker one group after the other."""

    def _split_scope(self, nodeid: str) -> str:
        return worker_group_of(nodeid)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    """Spreads the tests over the workers."""
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the tests by group."""
    items.sort(key=lambda item: GROUPS.index(group_of(item.path)))


def worker_group_of(nodeid: str) -> str:
    """Returns the name of the tests that go to one worker together with this one."""
    file = nodeid.partition("::")[0]
    name = group_of(ROOT / file)
    return file if name == "unit" else name


def group_of(path: Path) -> str:
    """Returns the group of a test file."""
    place = path.relative_to(ROOT / "tests").as_posix()
    return max((name for name in GROUPS if place.startswith(name)), key=len)


def pytest_configure(config: pytest.Config) -> None:
    """Creates a folder in which all workers record the platforms that they start."""
    if not hasattr(config, "workerinput"):
        os.environ[NOTES] = tempfile.mkdtemp(prefix="orionbox-tests-")
        config.stash[HAD_ACCOUNT] = has_account()


def has_account() -> bool:
    """Returns whether the account exists that platforms without Docker have if root starts them."""
    return folders.ACCOUNT in {account.pw_name for account in pwd.getpwall()}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Stops the platforms of a group after its last test: each takes an eighth of a processor while it idles."""
    yield
    if nextitem and group_of(nextitem.path) != group_of(item.path):
        for platform in RUNNING:
            platform.run("make", "down")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes the platforms of workers that could not do so: after Ctrl-C they have 15 seconds."""
    if hasattr(config, "workerinput"):
        return
    for note in Path(os.environ[NOTES]).iterdir():
        root, env = json.loads(note.read_text())
        say(f"removing the platform in {root}")
        Checkout(Path(root), env).run("make", "reset")
    shutil.rmtree(os.environ[NOTES])
    if has_account() and not config.stash[HAD_ACCOUNT]:  # it stays while a platform of somebody else uses it
        subprocess.run(["userdel", folders.ACCOUNT], capture_output=True)


def wait_for(probe: Callable[[], T | None], what: str, seconds: float = 60) -> T:
    """Returns the probe's first answer that is not None or False; all tests wait this way."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := probe():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what}: not after {seconds} s")


RUNNING: list[Checkout] = []
"""The platforms of this process."""


@dataclass(frozen=True)
class Answer:
    """The output and exit code of one command in the shell."""

    command: str
    output: str
    code: int


@dataclass
class Checkout:
    """A copy of the working tree with its own settings."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a command at its top; output and errors come as one text."""
        env = {**clean_environment(), "PWD": str(self.root), **self.env, **variables}  # Compose reads PWD
        return subprocess.run(
            command, cwd=self.root, env=env, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def make(self, *arguments: str, stdin: str = "") -> str:
        """Returns what `make ARGUMENTS` prints; it must succeed."""
        done = self.run("make", *arguments, stdin=stdin)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def make_fails(self, *arguments: str) -> str:
        """Returns what `make ARGUMENTS` prints; it must fail."""
        done = self.run("make", *arguments)
        assert done.returncode != 0, done.stdout
        return done.stdout

    def shell(self, *commands: str, folder: str = "/workspace") -> list[Answer]:
        """Types the commands into one `make shell`."""
        lines = [f"({command}) 2>&1; echo {END} $?" for command in commands]
        output = self.make("shell", stdin="\n".join([f"cd {folder}", *lines, ""]))
        parts = re.split(rf"{END} (\d+)\n", output)
        answers = [Answer(*answer) for answer in zip(commands, parts[0::2], map(int, parts[1::2]), strict=False)]
        assert len(answers) == len(commands), output
        return answers

    def services(self, **variables: str) -> dict[str, Any]:
        """Returns every service by name, including optional ones, as Compose reads its files."""
        done = self.run("docker", "compose", "--profile", "*", "config", "--format", "json", **variables)
        services: dict[str, Any] = json.loads(done.stdout)["services"]
        return services

    def build(self) -> None:
        """Builds the images that are missing; workers build one after the other."""
        with (Path(tempfile.gettempdir()) / "orionbox-tests.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.make("build")

    @property
    def settings(self) -> dict[str, str]:
        """Returns the settings in its .env."""
        return env_file.parse(self.root / ".env")

    @property
    def orion(self) -> Orion:
        """Returns the client of its Orion."""
        return Orion(f"http://127.0.0.1:{self.settings['ORION_PORT']}")

    def finished_run(self, deployment: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Starts a run through Orion, waits for its end and returns it."""
        return self.end_of(self.orion.start_run(deployment, parameters))

    def end_of(self, run_id: str) -> dict[str, Any]:
        """Waits for the run's end; returns the run."""

        def probe() -> dict[str, Any] | None:
            run = self.orion.run(run_id)
            return run if run["state_type"] in ENDED else None

        return wait_for(probe, f"the end of run {run_id}", 180)

    @property
    def report(self) -> dict[str, Any]:
        """Returns the last run's report."""
        return dict(json.loads((self.root / "reports" / "last-run.json").read_text()))

    def rows_in(self, csv_path: str) -> int:
        """Counts the rows of a file in its data folder or in the samples; others are generated, as many as it may."""
        for path in (self.root / folder / csv_path for folder in ("data", "samples")):
            if path.exists():
                with gzip.open(path) as file:
                    return sum(1 for _ in file) - 1
        month = parse_csv_path(csv_path)
        assert month
        return min(expected_rows(month), int(self.env.get("GENERATED_ROWS") or sys.maxsize))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Returns a new copy of the tree; nothing is running."""
    return Checkout(copy_checkout(tmp_path / "orionbox"))


@pytest.fixture(scope="session")
def engine() -> None:
    """Skips with the reason if no Docker engine answers."""
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        pytest.skip("no Docker engine answers (make engine starts one)")


@pytest.fixture(scope="session")
def has_real_data() -> bool:
    """Returns whether tests run on real taxi files; without them they run on generated ones."""
    return REAL_DATA.is_dir()


@pytest.fixture(scope="session")
def platform(engine: None, has_real_data: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Starts a platform with its own name, ports and data, by the README's commands."""
    with running_platform(tmp_path_factory.mktemp("platform") / "orionbox", has_real_data, "compose") as platform:
        yield platform


@contextmanager
def reset_at_the_end(platform: Checkout) -> Iterator[Checkout]:
    """Stops the platform and deletes its data when this ends, however it ends."""
    note = Path(os.environ[NOTES]) / uuid.uuid4().hex
    note.write_text(json.dumps([str(platform.root), platform.env]))
    RUNNING.append(platform)
    try:
        yield platform
    finally:
        platform.run("make", "reset")
        RUNNING.remove(platform)
        note.unlink()


@contextmanager
def running_platform(root: Path, has_real_data: bool, runtime: str) -> Iterator[Checkout]:
    """Starts a platform in a copy of the tree; removes it at the end."""
    platform = Checkout(copy_checkout(root), {**identity("test"), "RUNTIME": runtime})
    with reset_at_the_end(platform):
        if runtime == "compose":
            platform.build()
        source = [f"FROM={REAL_DATA}"] if has_real_data else ["COLOR=green", "YEAR=2021", "MONTHS=1,2"]
        platform.make("data", *source)
        platform.make("up")
        yield platform

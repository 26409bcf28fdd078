"""`make peers SUITES=FOLDER`: runs test suites that nobody of this project wrote, and prints a line for each.

FOLDER holds clones of the suites, below the names of their repositories; this says which are missing. Without URL= it
starts a Cloud Storage server of its own, without buckets that are created at the first write, and with faults on
request. Google's compliance tests of the SQL language need no server, and the tests of its BigQuery client have two
servers of their own. Everything takes half an hour.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.programs import say
from dev.peers import bigquery
from dev.peers.processes import ROOT, last_line, python_with, server

HERE = Path(__file__).parent
PACKAGES = (
    *("pytest", "pytest-asyncio", "pytest-timeout", "pytest-subtests", "mock", "psutil", "decorator", "requests"),
    *("google-auth<2.55", "google-auth-oauthlib", "google-cloud-storage", "google-cloud-testutils", "google-crc32c"),
    *("google-cloud-kms", "google-cloud-pubsub", "google-cloud-storage-control", "google-cloud-resource-manager"),
    *("aiohttp", "fsspec", "pyarrow"),
)
"""What the suites need."""
GCSFS, CLIENT, CONFORMANCE = "fsspec/gcsfs", "googleapis/python-storage", "googleapis/conformance-tests"
LANGUAGE = "google/googlesql"
CORE = ("core", "mapping", "manyopens", "core_versioned", "concurrency", "checkers", "retry")


@dataclass(frozen=True)
class Suite:
    """One suite: its repository, and the arguments of pytest."""

    name: str
    repository: str
    arguments: tuple[str, ...]


SUITES = (
    Suite(
        "gcsfs",
        GCSFS,
        (
            "--timeout=45",
            "-p",
            "versions",
            *(f"gcsfs/tests/test_{name}.py" for name in CORE),
            "gcsfs/tests/derived/gcsfs_test.py",
        ),
    ),
    Suite(
        "google-cloud-storage",
        CLIENT,
        (
            *("--timeout=60", "-p", "credential", "-k", "not kms and not signed"),
            *(f"tests/system/test_{name}.py" for name in ("blob", "bucket", "client", "fileio")),
        ),
    ),
    Suite("retries", CLIENT, ("--timeout=120", "tests/conformance/test_conformance.py")),
)


def main() -> int:
    """Run everything that there is a clone of; return 1 if a clone is missing."""
    parser = argparse.ArgumentParser(prog="python -m dev.peers")
    parser.add_argument("--suites", metavar="FOLDER", required=True, help="folder with clones of the suites")
    parser.add_argument("--url", metavar="ADDRESS", default="", help="a running server, instead of one of its own")
    options = parser.parse_args()
    folder = Path(options.suites).resolve()
    wanted = (GCSFS, CLIENT, CONFORMANCE, LANGUAGE, bigquery.REPOSITORY)
    missing = [name for name in wanted if not (folder / name).is_dir()]
    for name in missing:
        say(f"{name}: missing; clone it: git clone https://github.com/{name} {folder / name}")
    if LANGUAGE not in missing:
        say(f"googlesql: {last_line(_googlesql(folder), {})}")
    if bigquery.REPOSITORY not in missing:
        say(f"google-cloud-bigquery: {bigquery.run(folder)}")
    if not {GCSFS, CLIENT, CONFORMANCE} - set(missing):
        return 1
    python = python_with(folder, PACKAGES)
    with _server(options.url, folder) as url:
        for suite in SUITES:
            if suite.repository not in missing:
                say(f"{suite.name}: {_run(suite, folder, python, url)}")
        say(f"pyarrow: {last_line([python, str(HERE / 'arrow.py'), url.removeprefix('http://')], {})}")
    if CONFORMANCE not in missing:
        signatures = [sys.executable, "-m", "dev.peers.signatures", str(folder / CONFORMANCE / "storage/v1")]
        say(f"signatures: {last_line(signatures, {})}")
    return min(len(missing), 1)


def _googlesql(folder: Path) -> list[str]:
    """Return the command of Google's compliance tests; it writes every case with its verdict to googlesql.json."""
    program = [sys.executable, "-m", "dev.peers.googlesql"]
    files = (folder / LANGUAGE / "googlesql/compliance/testdata", ROOT / ".venv/googlesql", folder / "googlesql.json")
    return [*program, *map(str, files)]


@contextmanager
def _server(url: str, folder: Path) -> Iterator[str]:
    """Give the address of the server: the one that is named, or one that is started."""
    if url:
        yield url
        return
    environment = {"CREATE_BUCKETS": "no", "RETRY_TESTS": "yes", "SIGNING_KEYS": str(_key(folder))}
    with tempfile.TemporaryDirectory() as temporary:
        arguments = ["--data-dir", f"{temporary}/data"]
        with server("services.gcs", arguments, environment, Path(temporary) / "log") as address:
            yield address


def _key(folder: Path) -> Path:
    """Return the key that googleapis/conformance-tests signs with; it opens nothing."""
    return folder / CONFORMANCE / "storage/v1/test_service_account.not-a-test.json"


def _run(suite: Suite, folder: Path, python: str, url: str) -> str:
    """Run a suite; return pytest's last line."""
    _write_test_files(folder, python)
    environment = {
        "STORAGE_EMULATOR_HOST": url,
        "GOOGLE_CLOUD_PROJECT": "peers",
        "GOOGLE_APPLICATION_CREDENTIALS": str(_key(folder)),
        "NO_GCE_CHECK": "true",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }
    command = [
        python,
        str(HERE / "run_suite.py"),
        "-q",
        "--color=no",
        "--tb=line",
        "-p",
        "no:cacheprovider",
        *suite.arguments,
    ]
    return last_line(command, environment, folder / suite.repository)


def _write_test_files(folder: Path, python: str) -> None:
    """Write the two files of google-cloud-storage's tests that a clone may lack because of their size."""
    data = folder / CLIENT / "tests/data"
    if not data.parent.is_dir():
        return
    data.mkdir(exist_ok=True)
    for name, size in (("five-point-one-mb-file.zip", 5_347_737), ("random_9_MiB_file", 0)):
        if not (data / name).exists() and size:
            (data / name).write_bytes(os.urandom(size))
        elif not (data / name).exists():
            subprocess.run([python, str(HERE / "nine_mib.py"), str(data / name)], check=True)


if __name__ == "__main__":
    sys.exit(main())

"""Google's Python client of BigQuery: its system tests, against servers that this starts."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

from dev.peers.processes import ROOT, last_line, python_with, server

REPOSITORY = "googleapis/python-bigquery"
PACKAGES = (
    *("pytest", "pytest-timeout", "google-cloud-testutils", "psutil", "ipython", "tqdm", "geopandas<2", "shapely"),
    *("google-cloud-bigquery-storage", "google-cloud-storage", "google-cloud-datacatalog"),
    *("google-cloud-resource-manager", "pyarrow", "pandas<3", "db-dtypes", "opentelemetry-api", "opentelemetry-sdk"),
)
"""What the tests need; with pandas 3 some of them fail against Google, too."""


def run(folder: Path) -> str:
    """Run the tests of the clone in FOLDER/googleapis/python-bigquery; return pytest's last line.

    Those that need Google's public data sets or other services of Google's fail: docs/emulators.md has the list.
    """
    clone = folder / REPOSITORY
    python = python_with(folder, (*PACKAGES, "--editable", str(clone)), "venv-bigquery")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        grpc = other.getsockname()[1]
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary)
        arguments = ["--data-dir", str(data / "gcs")]
        with server("services.gcs", arguments, {"CREATE_BUCKETS": "no"}, data / "gcs.log") as storage:
            arguments = ["--data-dir", str(data / "bigquery"), "--bucket-dir", str(data / "gcs/.cloudstorage")]
            arguments += ["--grpc-port", str(grpc), "--storage", storage, "--module-dir", str(ROOT / ".venv/googlesql")]
            with server("services.bigquery", arguments, {}, data / "bigquery.log") as address:
                environment = {
                    "BIGQUERY_EMULATOR_HOST": address,
                    "BIGQUERY_STORAGE_ADDRESS": f"127.0.0.1:{grpc}",
                    "STORAGE_EMULATOR_HOST": storage,
                    "GOOGLE_CLOUD_PROJECT": "peers",
                    "NO_GCE_CHECK": "true",
                }
                suite = ["-q", "--color=no", "--tb=line", "-p", "no:cacheprovider", "-p", "anonymous", "--timeout=60"]
                program = str(ROOT / "dev/peers/run_suite.py")
                return last_line([python, program, *suite, "tests/system"], environment, clone)

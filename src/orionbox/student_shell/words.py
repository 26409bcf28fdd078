"""What the course's set-up commands say in the platform's shell, where what they set up is there already.

A command exits with 0 if what it asks for is so already (a login, an active environment), and with 1 if it asks for
something that was not done.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

HOST = "in a terminal of your own machine"
DOCKER = (
    f"not in this shell. Type it {HOST}, in the folder workspace/.\n"
    "Your flows need no image of their own: the blocks docker-container/zoom and dtc run them in the platform's,\n"
    "where your files have the same path as here. The platform's containers: make status, make logs"
)
EMULATED = "the platform's Cloud Storage and BigQuery take any login; the real Google Cloud: docs/cloud.md"
CONDA = "no environment is needed here: the platform's Python is active, and pip list shows its packages"
BUCKET = (
    'no gsutil here. In Python: GcsBucket.load("zoom-gcs").list_blobs(), of prefect_gcp.cloud_storage.'
    "\nAlso .upload_from_path(PATH, TO), .download_object_to_path(FROM, PATH)"
)
NO_TERRAFORM = (
    "no terraform here, and nothing to create: the bucket prefect-de-zoomcamp and the datasets trips_data_all and\n"
    "dezoomcamp exist; other buckets are created by the first upload. The real Google Cloud: docs/cloud.md"
)
NO_INSTALL = "no packages of Debian can be installed here; curl, git, less, nano, psql and wget are there"
JUPYTER = (
    f"no jupyter here. Run a notebook {HOST}: it reaches Postgres and Orion at the addresses of `make up`.\n"
    "In this shell: python FILE.py, or python for single lines"
)
NO_BQ = (
    "no bq here. In Python: from prefect_gcp import GcpCredentials; "
    'GcpCredentials.load("zoom-gcp-creds").get_bigquery_client().query("SELECT ...")'
)
NO_FETCHING = "not on this machine. In Python: from urllib.request import urlretrieve; urlretrieve(URL, FILE)"
LOGIN = ("auth", "init", "config", "login")
NAMES = (
    "apt",
    "apt-get",
    "bq",
    "conda",
    "curl",
    "docker",
    "docker-compose",
    "gcloud",
    "gsutil",
    "jupyter",
    "mamba",
    "pip",
    "pip3",
    "pipenv",
    "psql",
    "sudo",
    "terraform",
    "virtualenv",
    "wget",
)
"""The commands of the platform's shell, each a small program before all others on PATH."""


def is_login(name: str, arguments: Sequence[str]) -> bool:
    """Returns whether a command logs in to Google, or chooses a project there."""
    first = next((word for word in arguments if not word.startswith("-")), "")
    return name == "gcloud" and first in LOGIN


def answer(name: str, arguments: Sequence[str]) -> tuple[str, int]:
    """Returns what a command says, and its exit code."""
    words = [word for word in arguments if not word.startswith("-")]
    first = words[0] if words else ""
    typed = " ".join([name, *arguments[:3]])
    if name in ("docker", "docker-compose"):
        needs_none = first == "login"
        return (
            f"{typed}: no image is pushed or pulled, so no login is needed" if needs_none else f"{typed}: {DOCKER}"
        ), (0 if needs_none else 1)
    if name == "gcloud":
        if is_login(name, arguments):
            return f"{typed}: not needed: {EMULATED}", 0
        return f"{typed}: no gcloud here. {EMULATED}\n{BUCKET}", 1
    if name in ("conda", "mamba", "pipenv"):
        return f"{typed}: {CONDA}", 0
    if name in ("apt", "apt-get"):
        there = first == "install" and len(words) > 1 and all(shutil.which(word) for word in words[1:])
        return (f"{typed}: already there", 0) if there else (f"{typed}: {NO_INSTALL}", 1)
    others = {
        "gsutil": BUCKET,
        "terraform": NO_TERRAFORM,
        "jupyter": JUPYTER,
        "bq": NO_BQ,
        "curl": NO_FETCHING,
        "wget": NO_FETCHING,
    }
    return f"{typed}: {others[name]}", 1

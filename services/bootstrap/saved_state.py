"""Checks whether anything has changed since the last bootstrap.

The bootstrap saves a digest of its inputs and the state that it leaves in Orion. A few plain HTTP and SQL requests show
whether both are still the same. To import Prefect and run every step again would take seconds.

With CLOUD=gcp every step runs each time: Google answers only with a key, and only the steps have the library for that.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from orionbox import files
from orionbox.errors import OrionboxError
from orionbox.flow_settings import COURSE_DATASET, FlowSettings
from orionbox.orion.client import ONE_TRY, JsonApi, Orion
from orionbox.trips.months import COLORS, table_name

PAUSE = 0.1
"""Seconds between two tries."""
VOLATILE_FIELDS = {"updated", "last_polled", "status"}
"""The fields of a deployment that Orion changes while it is used."""
PROCESS_VARIABLES = {"HOSTNAME", "PWD", "OLDPWD", "SHLVL", "_"}
"""Variables that differ from one container to the next."""

State = dict[str, Any]


def orion() -> Orion:
    """Returns the client of Orion."""
    return Orion(os.environ["PREFECT_API_URL"], ONE_TRY)


def gcs() -> JsonApi:
    """Returns the client of the Cloud Storage emulator."""
    return JsonApi(os.environ["STORAGE_EMULATOR_HOST"])


def bigquery() -> JsonApi:
    """Returns the client of the BigQuery emulator."""
    return JsonApi(os.environ["BIGQUERY_EMULATOR_HOST"])


def wait_for_services() -> None:
    """Waits until Orion, which itself waits for Postgres, and the emulators answer. Prints each new reason to wait.

    It has no limit: the command that starts the platform decides how long to wait.
    """
    services: list[tuple[JsonApi, str]] = [(orion(), "health")]
    if not FlowSettings.from_environment().is_real_cloud:
        services += [(gcs(), "storage/v1/b?project=local"), (bigquery(), "bigquery/v2/projects/local/datasets")]
    for api, path in services:
        reason = ""
        while complaint := _complaint(api, path):
            if complaint != reason:
                print(f"waiting: {complaint}", flush=True)  # noqa: T201
            reason = complaint
            time.sleep(PAUSE)


def _complaint(api: JsonApi, path: str) -> str:
    """Returns why the service does not answer as it should; empty if it does."""
    try:
        api.call(path)
    except OSError as error:
        return error.text if isinstance(error, OrionboxError) else str(error)
    return ""


def inputs() -> str:
    """Returns a digest of all that the steps depend on: variables, the key, libraries, their own code, the flows."""
    key = Path(os.environ["GCP_KEY_FILE"])
    variables = sorted(item for item in os.environ.items() if item[0] not in PROCESS_VARIABLES)
    libraries = sorted(path.name for folder in map(Path, sys.path) for path in folder.glob("*.dist-info"))
    sources = sorted([*code_files(), *Path(os.environ["FLOWS_FOLDER"]).glob("*.py"), key])
    digest = hashlib.sha256(json.dumps([variables, libraries]).encode())
    for path in sources:
        digest.update(f"\0{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def code_files() -> Iterator[Path]:
    """Yields the bootstrap's own modules and those of the package orionbox."""
    for folder in (Path(__file__).parent, Path(files.__file__).parent):
        yield from folder.rglob("*.py")


def save_state(file: Path, inputs: str) -> None:
    """Saves these inputs and Orion's present state."""
    files.write(file, json.dumps({"inputs": inputs, "orion": orion_state()}))


def is_unchanged(file: Path, inputs: str) -> bool:
    """Returns whether the saved inputs are these, Orion still has the saved state, and the stores exist."""
    if FlowSettings.from_environment().is_real_cloud:
        print("running every step: with CLOUD=gcp there is no quick check")  # noqa: T201
        return False
    try:
        saved = json.loads(file.read_text())
        return saved["inputs"] == inputs and _includes(orion_state(), saved["orion"]) and stores_exist()
    except (OSError, ValueError, KeyError) as reason:
        print(f"running every step: {reason}")  # noqa: T201
        return False


def _includes(present: State, saved: State) -> bool:
    """Returns whether the saved state is still the same; students may have added more."""
    return all(present.get(name) == state for name, state in saved.items())


def orion_state() -> State:
    """Returns, for each block, block type and deployment, its id and a value that changes when it does."""
    return {
        **{
            document["id"]: document["updated"]
            for document in orion().list_objects("block_documents", include_secrets=False)
        },
        **{kind["id"]: kind["slug"] for kind in orion().list_objects("block_types")},
        **{deployment["id"]: _digest(deployment) for deployment in orion().list_objects("deployments")},
    }


def _digest(deployment: State) -> str:
    lasting = {key: value for key, value in deployment.items() if key not in VOLATILE_FIELDS}
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()


def stores_exist() -> bool:
    """Returns whether bucket, datasets and tables exist.

    Raises:
        OSError: the bucket, a dataset or a table does not exist, or a service does not answer.
    """
    settings = FlowSettings.from_environment()
    tables = [f"{settings.dataset}/tables/{table_name(color)}" for color in COLORS]
    gcs().call(f"storage/v1/b/{settings.bucket}")
    for name in (COURSE_DATASET, *tables):
        bigquery().call(f"bigquery/v2/projects/{settings.project}/datasets/{name}")
    return warehouse_has_tables()


def warehouse_has_tables() -> bool:
    """Returns whether Postgres has the tables of all colors."""
    import psycopg2

    connection = psycopg2.connect(
        host=os.environ["WAREHOUSE_HOST"],
        port=int(os.environ["WAREHOUSE_PORT"]),
        user="ny_taxi",
        password=os.environ["WAREHOUSE_DB_PASSWORD"],
        dbname="ny_taxi",
        options="-c statement_timeout=0",  # a student may have set another one
    )
    with closing(connection), connection.cursor() as cursor:
        names = [table_name(color) for color in COLORS]
        cursor.execute("SELECT count(*) FROM pg_class WHERE relkind = 'p' AND relname = ANY (%s)", [names])
        found: tuple[int] | None = cursor.fetchone()
    return found == (len(COLORS),)

"""Makes sure that the platform is ready: looks first, and runs the bootstrap only where something is not as it left it.

Most starts change nothing. To see that takes a handful of requests; to import Prefect and to do it all again takes
seconds. So what the bootstrap leaves behind is noted, and this module asks Orion and the stores, by plain HTTP and SQL,
whether it is still there and the same.

Google answers nobody without a key: with CLOUD=gcp the bootstrap, which has the library for that, looks each time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from orionbox.flow_settings import COURSE_DATASET, FlowSettings
from orionbox.orion.client import ONE_TRY, JsonApi, Orion
from orionbox.trips.months import COLORS, table_name

START_TIMEOUT, PAUSE = 180, 0.1
"""Seconds in which the services must answer, and between two tries."""
CHANGES_BY_ITSELF = {"updated", "last_polled", "status"}
"""What Orion writes into a deployment while it is used."""
OF_THIS_PROCESS = {"HOSTNAME", "PWD", "OLDPWD", "SHLVL", "_"}
"""Variables that differ from one container to the next."""

State = dict[str, Any]


def main() -> None:
    """Runs the bootstrap, or finds that there is no need to."""
    note, mark = Path(os.environ["READY_NOTE"]), Path(os.environ["BOOTSTRAPPED"])
    mark.unlink(missing_ok=True)
    wanted = inputs()
    wait_for_services()
    if is_as_noted(note, wanted):
        print("all is as the last bootstrap left it")  # noqa: T201
    else:
        from services.bootstrap import bootstrap

        bootstrap.main()
        partial = note.with_suffix(".new")
        partial.write_text(json.dumps({"inputs": wanted, "orion": orion_state()}))
        partial.replace(note)
    mark.touch()


def orion() -> Orion:
    """Orion."""
    return Orion(os.environ["PREFECT_API_URL"], ONE_TRY)


def gcs() -> JsonApi:
    """Cloud Storage."""
    return JsonApi(os.environ["STORAGE_EMULATOR_HOST"])


def bigquery() -> JsonApi:
    """BigQuery."""
    return JsonApi(os.environ["BIGQUERY_EMULATOR_HOST"])


def wait_for_services() -> None:
    """Returns when Orion, which waits for Postgres itself, and the emulators answer.

    Raises:
        OSError: one of them has not, in START_TIMEOUT; the text says which, and what it said last.
    """
    deadline = time.monotonic() + START_TIMEOUT
    services: list[tuple[JsonApi, str]] = [(orion(), "health")]
    if not FlowSettings.from_environment().is_real_cloud:
        services += [(gcs(), "storage/v1/b?project=local"), (bigquery(), "bigquery/v2/projects/local/datasets")]
    for api, path in services:
        while not _answers(api, path, deadline):
            time.sleep(PAUSE)


def _answers(api: JsonApi, path: str, deadline: float) -> bool:
    try:
        api.call(path)
    except OSError:
        if time.monotonic() > deadline:
            raise
        return False
    return True


def inputs() -> str:
    """A digest of all that the bootstrap's work depends on: its surroundings, its code, its libraries, the flows."""
    key = Path(os.environ["GCP_KEY_FILE"])
    variables = sorted(item for item in os.environ.items() if item[0] not in OF_THIS_PROCESS)
    libraries = sorted(path.name for folder in map(Path, sys.path) for path in folder.glob("*.dist-info"))
    sources = sorted([*Path(__file__).parent.glob("*.py"), *Path.cwd().glob("*.py"), key])
    digest = hashlib.sha256(json.dumps([variables, libraries]).encode())
    for path in sources:
        digest.update(f"\0{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def is_as_noted(note: Path, wanted: str) -> bool:
    """Whether the note is of these very inputs, and everything in it and in the stores is there and the same."""
    try:
        if FlowSettings.from_environment().is_real_cloud:
            raise ValueError("Google is asked with a key only")
        noted = json.loads(note.read_text())
        return noted["inputs"] == wanted and _includes(orion_state(), noted["orion"]) and stores_are_there()
    except (OSError, ValueError, KeyError) as reason:
        print(f"the bootstrap has to look itself: {reason}")  # noqa: T201
        return False


def _includes(present: State, noted: State) -> bool:
    """Whether all that was noted is still so. What students have added since does not matter."""
    return all(present.get(name) == state for name, state in noted.items())


def orion_state() -> State:
    """Blocks, block types and deployments: for each id something that changes when it does."""
    return {
        **{document["id"]: document["updated"] for document in orion().all("block_documents", include_secrets=False)},
        **{kind["id"]: kind["slug"] for kind in orion().all("block_types")},
        **{deployment["id"]: _digest(deployment) for deployment in orion().all("deployments")},
    }


def _digest(deployment: State) -> str:
    lasting = {key: value for key, value in deployment.items() if key not in CHANGES_BY_ITSELF}
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()


def stores_are_there() -> bool:
    """Whether bucket, datasets and tables exist.

    Raises:
        OSError: one of them does not, or does not answer.
    """
    settings = FlowSettings.from_environment()
    tables = [f"{settings.dataset}/tables/{table_name(color)}" for color in COLORS]
    gcs().call(f"storage/v1/b/{settings.bucket}")
    for name in (COURSE_DATASET, *tables):
        bigquery().call(f"bigquery/v2/projects/{settings.project}/datasets/{name}")
    return warehouse_has_tables()


def warehouse_has_tables() -> bool:
    """Whether Postgres has the tables of all colours."""
    import psycopg2

    connection = psycopg2.connect(
        host=os.environ["WAREHOUSE_HOST"],
        port=int(os.environ["WAREHOUSE_PORT"]),
        user="ny_taxi",
        password=os.environ["WAREHOUSE_DB_PASSWORD"],
        dbname="ny_taxi",
    )
    with closing(connection), connection.cursor() as cursor:
        names = [table_name(color) for color in COLORS]
        cursor.execute("SELECT count(*) FROM pg_class WHERE relkind = 'p' AND relname = ANY (%s)", [names])
        found: tuple[int] | None = cursor.fetchone()
    return found == (len(COLORS),)


if __name__ == "__main__":
    main()

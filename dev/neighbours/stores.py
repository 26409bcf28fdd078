"""What the stores of a clone's platform hold, each asked on the port that the clone has printed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cli.settings import env_file
from dev.clones import Clone
from orionbox.orion.client import SOME_TIME, JsonApi, Orion

TABLE = "green_tripdata"
COUNT = f"SELECT source_file, count(*) FROM {{}}{TABLE} GROUP BY source_file"
COUNT_IN_PSQL = f"COPY ({COUNT.format('')}) TO STDOUT"
"""Prints file and rows with a tab between them."""


@dataclass(frozen=True)
class Holdings:
    """What a platform holds, or should hold."""

    runs: set[str]
    """Ids of Orion's runs."""
    postgres: dict[str, int]
    """Rows by taxi file."""
    bigquery: dict[str, int]
    objects: set[str]
    """Names of the objects in the bucket."""
    connector: tuple[str, str, str]
    """Host, port and password in the block postgres-connector."""

    def differences(self, expected: Holdings) -> list[str]:
        """Returns a line for each store that does not hold what is expected."""
        names = {"runs": "Orion", "postgres": "Postgres", "bigquery": "BigQuery", "objects": "the bucket"}
        mine, theirs = asdict(self), asdict(expected)
        return [
            f"{names.get(name, name)}: {_plain(mine[name])}, expected {_plain(theirs[name])}"
            for name in mine
            if mine[name] != theirs[name]
        ]


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{rows:,} rows of {name}" for name, rows in sorted(value.items())) or "no rows"
    if isinstance(value, set):
        return ", ".join(sorted(value)) or "nothing"
    host, port, password = value
    return f"{host}:{port} with password {password[:4]}…"


def read(clone: Clone, psql_output: str) -> Holdings:
    """Asks Orion, BigQuery and Cloud Storage of the clone.

    Args:
        clone: with its ports.
        psql_output: what `make psql` has printed for COUNT_IN_PSQL.

    Raises:
        ApiError: one of them does not answer.
    """
    orion, bigquery, gcs = (_api(clone, name) for name in ("ORION", "BIGQUERY", "GCS"))
    runs = [run["id"] for run in orion.call("api/flow_runs/filter", {}) if not run["parent_task_run_id"]]
    question = {"query": COUNT.format("trips_data_all."), "useLegacySql": False}
    answer = bigquery.call("bigquery/v2/projects/orionbox-local/queries", question)
    cells = [[cell["v"] for cell in row["f"]] for row in answer.get("rows", [])]
    objects = gcs.call("storage/v1/b/prefect-de-zoomcamp/o").get("items", [])
    return Holdings(
        set(runs),
        {name: int(rows) for name, rows in re.findall(r"^(\S+\.csv\.gz)\t(\d+)$", psql_output, re.MULTILINE)},
        {name: int(rows) for name, rows in cells},
        {item["name"] for item in objects},
        _connector(clone),
    )


def _api(clone: Clone, prefix: str) -> JsonApi:
    return JsonApi(f"http://127.0.0.1:{clone.env[f'{prefix}_PORT']}", SOME_TIME)


def _connector(clone: Clone) -> tuple[str, str, str]:
    orion = Orion(f"http://127.0.0.1:{clone.env['ORION_PORT']}")
    chosen = {"block_documents": {"name": {"any_": ["postgres-connector"]}}, "include_secrets": True}
    ((info,),) = [[block["data"]["connection_info"] for block in orion.call("block_documents/filter", chosen)]]
    return info["host"], str(info["port"]), info["password"]


def own_connector(clone: Clone) -> tuple[str, str, str]:
    """Returns host, port and password of the clone's own Postgres, as its flows must reach it."""
    password = env_file.parse(clone.root / ".env")["WAREHOUSE_DB_PASSWORD"]
    if clone.runtime == "compose":
        return "postgres", "5432", password
    return "127.0.0.1", clone.env["POSTGRES_PORT"], password

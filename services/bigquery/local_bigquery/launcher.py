"""Runs local-bigquery with these patches.

- Transactions run one after the other. Unpatched, two of them may replace rows of one table at the same time. Then one
  fails ("Failed to commit DuckLake transaction"), or if neither finds rows to delete, both commit and the table holds
  the month twice. Real BigQuery cancels the second; here it waits for the first. Readers never wait.
- CREATE EXTERNAL TABLE works (`external_tables`).
- A table is found under any project id (`project_ids`).
- Job results stay in memory while the disk is full (`job_results`).
- Its gRPC port is never shared with another server.
- `GET /backup` and `GET /counts` exist (`backup`).
- Queries reach no files but the bucket's and its own (`confinement`).
- It refuses what web pages elsewhere send (`orionbox.http_guard`).
- The files of replaced rows are deleted (`old_versions`).
"""

# mypy: disable-error-code="import-untyped,import-not-found"
# The emulator is installed in its own image only.

import argparse
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from local_bigquery import cli
from local_bigquery.jobs import query

# May match in a comment or a string; then the query only waits
TRANSACTION = re.compile(r"\bBEGIN(\s+TRANSACTION)?\s*;", re.IGNORECASE)


def serialize_transactions(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Make a query job with a transaction wait until the one before it has ended."""
    turn = threading.Lock()

    def execute_one_transaction(cursor: Any, project_id: str, job_id: str | None, config: Any, **options: Any) -> Any:
        with turn if TRANSACTION.search(config.query or "") else nullcontext():
            return execute(cursor, project_id, job_id, config, **options)

    return execute_one_transaction


def refuse_shared_ports(grpc: Any) -> None:
    """Make gRPC's servers fail on a port in use. By default two of them share it, and each gets some of the calls."""
    grpc.server = partial(grpc.server, options=[("grpc.so_reuseport", 0)])


def install() -> None:
    """Replace functions of the emulator by those of this folder, and add its routes."""
    import grpc
    from local_bigquery import app
    from local_bigquery.catalog import names

    from orionbox.http_guard import AsgiGuard, HttpGuard, further_hosts
    from services.bigquery.local_bigquery import backup, confinement, job_results, old_versions
    from services.bigquery.local_bigquery.external_tables import with_external_tables
    from services.bigquery.local_bigquery.project_ids import in_any_project

    refuse_shared_ports(grpc)
    names.reference = in_any_project(names.reference)
    query.execute = serialize_transactions(with_external_tables(query.execute))
    job_results.install()
    backup.install(app)
    confinement.install()
    old_versions.install(app)
    app.add_middleware(AsgiGuard, guard=HttpGuard("bigquery", r"/bigquery/v2/|/prune", further_hosts=further_hosts()))


def enter_data_folder(arguments: Sequence[str]) -> list[str]:
    """Changes to the folder of ``--data-dir``, where DuckDB then spills what exceeds its memory.

    Returns the arguments with the folder's new name, which is short: the emulator writes it into SQL as it is.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--data-dir", type=Path, required=True)
    known, others = parser.parse_known_args(arguments)
    os.chdir(known.data_dir)
    return [*others, "--data-dir", "."]


if __name__ == "__main__":
    from local_bigquery.settings import settings

    arguments = enter_data_folder(sys.argv[1:])
    settings.data_dir = Path()  # `backup` looks there for what a killed backup has left
    install()
    sys.exit(cli.main(arguments))

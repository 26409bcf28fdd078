"""Runs local-bigquery with its transactions in turn, external tables, one set of projects, kept outcomes, a backup.

As it comes, two transactions that replace rows of one table at the same time either fail ("Failed to commit DuckLake
transaction"), or, where both find nothing to delete yet, both commit: a month is then there twice. Real BigQuery
cancels the second; here it waits for the first. Readers never wait.
"""

# mypy: disable-error-code="import-untyped,import-not-found"
# The emulator is installed in its own image only.

import re
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from local_bigquery import cli
from local_bigquery.jobs import query

# Found in a comment or a string too: such a query waits without need, and that is all
TRANSACTION = re.compile(r"\bBEGIN(\s+TRANSACTION)?\s*;", re.IGNORECASE)


def in_turn(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Let a query job that holds a transaction begin when the one before it has ended."""
    turn = threading.Lock()

    def execute_in_turn(cursor: Any, project_id: str, job_id: str | None, config: Any, **options: Any) -> Any:
        with turn if TRANSACTION.search(config.query or "") else nullcontext():
            return execute(cursor, project_id, job_id, config, **options)

    return execute_in_turn


def install() -> None:
    """Put this folder's changes in the place of the emulator's own functions, and add its routes."""
    import backup
    import outcomes
    from any_project import in_any_project
    from external_tables import with_external_tables
    from local_bigquery import app
    from local_bigquery.catalog import names

    names.reference = in_any_project(names.reference)
    query.execute = in_turn(with_external_tables(query.execute))
    outcomes.install()
    backup.install(app)


if __name__ == "__main__":
    install()
    sys.exit(cli.main())

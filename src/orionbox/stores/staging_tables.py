"""Names of staging tables, in which a month waits in BigQuery until it is swapped in. Standard library only.

A load deletes its staging table at its end. The table stays only if the run or BigQuery is killed. Its name contains
the id of its flow run, so the sweeper can tell when it is abandoned.
"""

from __future__ import annotations

import re
from uuid import UUID, uuid4

PREFIX = "loading_"


def new_name(color: str, run_id: str | None) -> str:
    """Returns a name that no other table has; `run_id` is the id of the flow run, or None outside of runs."""
    owner = UUID(run_id).hex if run_id else "nobody"
    return f"{PREFIX}{color}_{owner}_{uuid4().hex}"


def run_id_from_name(table: str) -> str:
    """Returns the id of the flow run that loads into the table; empty for any other table."""
    match = re.fullmatch(rf"{PREFIX}[a-z]+_([0-9a-f]{{32}})_[0-9a-f]{{32}}", table)
    return str(UUID(match[1])) if match else ""

"""Names of the tables in which a month waits in BigQuery until it is swapped in. Standard library only.

Such a table is gone when its load ends, however that ends; only where the run or BigQuery is killed meanwhile it stays.
So it bears the id of its flow run, by which the sweeper finds out that nobody wants it any more.
"""

from __future__ import annotations

import re
from uuid import UUID, uuid4

PREFIX = "loading_"


def new_name(color: str, run_id: str | None) -> str:
    """A name that no other table has; `run_id` is that of the flow run that loads, None outside of runs."""
    owner = UUID(run_id).hex if run_id else "nobody"
    return f"{PREFIX}{color}_{owner}_{uuid4().hex}"


def run_of(table: str) -> str:
    """The id of the flow run that loads into the table; empty where it was made by hand, or for something else."""
    match = re.fullmatch(rf"{PREFIX}[a-z]+_([0-9a-f]{{32}})_[0-9a-f]{{32}}", table)
    return str(UUID(match[1])) if match else ""

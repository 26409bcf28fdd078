"""CREATE EXTERNAL TABLE for local-bigquery: creates a view on the bucket's files, which each query reads again.

The statement is BigQuery's (https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language,
"CREATE EXTERNAL TABLE"), for PARQUET and CSV; columns come from the files.
"""

# mypy: disable-error-code="import-untyped,import-not-found"
# The emulator is installed in its own image only.

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_bigquery.catalog import names, tables
from local_bigquery.engine.database import quote
from local_bigquery.errors import BigQueryError
from local_bigquery.jobs import storage
from local_bigquery.models import JobStatistics2
from sqlglot import exp

COMMENT = re.compile(r"^\s*(--|#).*$", re.MULTILINE)
STATEMENT = re.compile(
    r"\s*CREATE\s+(?P<replace>OR\s+REPLACE\s+)?EXTERNAL\s+TABLE\s+(?P<keep>IF\s+NOT\s+EXISTS\s+)?"
    r"(?P<name>[\w.`-]+)\s+OPTIONS\s*\((?P<options>.*)\)\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
FORMAT = re.compile(r"\bformat\s*=\s*['\"](\w+)['\"]", re.IGNORECASE)
URI = re.compile(r"['\"](gs://[^'\"]+)['\"]")
READERS = {"PARQUET": "read_parquet", "CSV": "read_csv"}


@dataclass(frozen=True)
class ExternalTable:
    """The table that a statement defines; `path` is project (if named), dataset and table."""

    path: tuple[str, ...]
    format: str
    uris: tuple[str, ...]
    replace: bool
    keep: bool


def parse(sql: str) -> ExternalTable | None:
    """Return the external table that a statement creates; None for every other statement.

    Raises:
        BigQueryError: the format is one that is not read here, or there are no files.
    """
    match = STATEMENT.fullmatch(COMMENT.sub("", sql))
    if not match:
        return None
    found, uris = FORMAT.search(match["options"]), tuple(URI.findall(match["options"]))
    kind = found[1].upper() if found else "none"
    if kind not in READERS or not uris:
        message = f"an external table is read from format PARQUET or CSV and uris=['gs://...'] here, not format {kind}"
        raise BigQueryError("invalidQuery", message)
    path = tuple(match["name"].replace("`", "").split("."))
    return ExternalTable(path, kind, uris, bool(match["replace"]), bool(match["keep"]))


def create(cursor: Any, table: ExternalTable, project: str, dataset: str | None) -> str:
    """Create the view; return BigQuery's name for what was done: CREATE, REPLACE or SKIP."""
    target = exp.Create(this=exp.table_(*reversed(table.path)))
    reference = names.reference(target.this, project, dataset)
    found = tables.exists(*reference)
    if found and table.keep:
        return "SKIP"
    if found and table.replace:
        tables.delete(*reference)
    # DuckDB resolves the asterisk at each query, so later files are seen, too
    files = ", ".join(storage.literal(storage._local(uri)) for uri in table.uris)
    cursor.execute(f"CREATE VIEW {quote(*reference)} AS SELECT * FROM {READERS[table.format]}([{files}])")
    return "REPLACE" if found and table.replace else "CREATE"


def with_external_tables(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Let a query job create an external table; the emulator runs all other statements."""

    def execute_or_create(
        cursor: Any, project_id: str, job_id: str | None, config: Any, dry_run: bool = False, **options: Any
    ) -> Any:
        table = parse(config.query or "")
        if not table:
            return execute(cursor, project_id, job_id, config, dry_run=dry_run, **options)
        default = config.defaultDataset
        operation = "CREATE" if dry_run else create(cursor, table, project_id, default and default.datasetId)
        return JobStatistics2(statementType="CREATE_EXTERNAL_TABLE", ddlOperationPerformed=operation), [], None

    return execute_or_create

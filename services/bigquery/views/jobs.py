"""INFORMATION_SCHEMA.JOBS: https://cloud.google.com/bigquery/docs/information-schema-jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.bigquery.records import Resource
from services.bigquery.types import Type

_TEXT, _INT, _TIME = Type("STRING"), Type("INT64"), Type("TIMESTAMP")


def _struct(**fields: Type) -> Type:
    return Type("STRUCT", fields=tuple(fields.items()))


_TABLE = _struct(project_id=_TEXT, dataset_id=_TEXT, table_id=_TEXT)
COLUMNS: Sequence[tuple[str, Type]] = (
    ("creation_time", _TIME),
    ("project_id", _TEXT),
    ("project_number", _INT),
    ("user_email", _TEXT),
    ("job_id", _TEXT),
    ("job_type", _TEXT),
    ("statement_type", _TEXT),
    ("priority", _TEXT),
    ("start_time", _TIME),
    ("end_time", _TIME),
    ("query", _TEXT),
    ("state", _TEXT),
    ("reservation_id", _TEXT),
    ("total_bytes_processed", _INT),
    ("total_slot_ms", _INT),
    ("error_result", _struct(reason=_TEXT, location=_TEXT, debug_info=_TEXT, message=_TEXT)),
    ("cache_hit", Type("BOOL")),
    ("destination_table", _TABLE),
    ("referenced_tables", Type("ARRAY", _TABLE)),
    ("labels", Type("ARRAY", _struct(key=_TEXT, value=_TEXT))),
    ("total_bytes_billed", _INT),
    ("parent_job_id", _TEXT),
    ("session_info", _struct(session_id=_TEXT)),
    ("dml_statistics", _struct(inserted_row_count=_INT, deleted_row_count=_INT, updated_row_count=_INT)),
)


def rows(resources: Sequence[Resource]) -> Iterator[Sequence[Any]]:
    """The view's rows.

    Args:
        resources: Jobs in REST form.
    """
    for job in resources:
        statistics, configuration = job["statistics"], job["configuration"]
        about, query = statistics.get("query") or {}, configuration.get("query") or {}
        labels = sorted((configuration.get("labels") or {}).items())
        is_query = configuration.get("jobType") == "QUERY"
        yield (
            _micros(statistics.get("creationTime")),
            job["jobReference"]["projectId"],
            None,
            job.get("user_email"),
            job["jobReference"]["jobId"],
            configuration.get("jobType"),
            about.get("statementType"),
            _text(query.get("priority") or "INTERACTIVE") if is_query else None,
            _micros(statistics.get("startTime")),
            _micros(statistics.get("endTime")),
            _text(query.get("query")),
            job["status"]["state"],
            None,
            _number(about.get("totalBytesProcessed")),
            _number(about.get("totalSlotMs")),
            _parts(job["status"].get("errorResult"), "reason", "location", "debugInfo", "message"),
            about.get("cacheHit"),
            _table(_destination(configuration)),
            [_table(one) for one in about.get("referencedTables") or ()],
            [{"f0": key, "f1": str(value)} for key, value in labels],
            _number(about.get("totalBytesBilled")),
            statistics.get("parentJobId"),
            _parts(statistics.get("sessionInfo"), "sessionId"),
            _dml(about.get("dmlStats")),
        )


def _destination(configuration: Resource) -> Any:
    own = configuration.get(str(configuration.get("jobType", "")).lower())
    return own.get("destinationTable") if isinstance(own, Mapping) else None


def _micros(milliseconds: Any) -> int | None:
    return None if milliseconds is None else int(milliseconds) * 1000


def _number(text: Any) -> int | None:
    return None if text is None else int(text)


def _parts(found: Any, *names: str) -> dict[str, Any] | None:
    if not isinstance(found, Mapping) or not found:
        return None
    return {f"f{number}": _text(found.get(name)) for number, name in enumerate(names)}


def _text(value: Any) -> str | None:
    """A text of a job's configuration, in which clients may have written something else."""
    return None if value is None else str(value)


def _table(reference: Any) -> dict[str, Any] | None:
    return _parts(reference, "projectId", "datasetId", "tableId")


def _dml(found: Any) -> dict[str, Any] | None:
    names = ("insertedRowCount", "deletedRowCount", "updatedRowCount")
    return None if not found else {f"f{place}": _number(found.get(name, 0)) for place, name in enumerate(names)}

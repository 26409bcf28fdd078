"""Load jobs: files of the bucket, or one that was uploaded, into a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from services.bigquery import schema
from services.bigquery.compiler.signatures.connection import as_error
from services.bigquery.compiler.signatures.null_elements import checked_rows
from services.bigquery.errors import BigQueryError
from services.bigquery.jobs import destinations
from services.bigquery.jobs.destinations import Destination
from services.bigquery.jobs.history import Result
from services.bigquery.jobs.job import Job
from services.bigquery.loads import direct, sources
from services.bigquery.loads.columns import Reading
from services.bigquery.loads.sources import Bucket
from services.bigquery.records import Store, Table, Transaction
from services.bigquery.schema import invalid
from services.bigquery.types import quoted

Fields = Sequence[Mapping[str, Any]]
SECONDS = 3600.0
"""How long a load may take; Google's limit is 6 hours."""
INCOMING = "incoming"


@dataclass(frozen=True)
class LoadRunner:
    """Runs load jobs."""

    store: Store
    bucket: Bucket

    def __call__(self, job: Job) -> Result | None:
        """Runs a job; fills its statistics.

        Raises:
            BigQueryError: A file is not there or cannot be read, or its rows do not fit the table.
        """
        configuration = job.configuration["load"]
        to = destinations.read(configuration, job.project, "WRITE_APPEND")
        reading = sources.reading_of(configuration)
        files = self._files(job, configuration)
        self.store.run(
            lambda tx: self._load(tx, job, configuration, to, files, replace(reading, bad=[])),
            job.key,
            [to.path],
            SECONDS,
        )
        return None

    def load_data(self, tx: Transaction, job: Job, configuration: Mapping[str, Any]) -> None:
        """Does what a load job does, for a statement.

        Args:
            tx: With the destination among its writes.
            job: The statement's, for the statistics.
            configuration: Of the load job.
        """
        to = destinations.read(configuration, job.project, "WRITE_APPEND")
        files = self.bucket.find(configuration["sourceUris"])
        self._load(tx, job, configuration, to, files, sources.reading_of(configuration))

    def _files(self, job: Job, configuration: Mapping[str, Any]) -> list[Path]:
        if job.upload is not None:
            return [job.upload]
        uris = configuration.get("sourceUris") or []
        if not uris:
            raise BigQueryError("required", "Load configuration must specify at least one source URI")
        return self.bucket.find(uris)

    def _load(
        self,
        tx: Transaction,
        job: Job,
        configuration: Mapping[str, Any],
        to: Destination,
        files: list[Path],
        reading: Reading,
    ) -> None:
        destinations.check_location(tx, job, [to.path])
        known = destinations.existing(tx, to.path)
        fields = _fields(configuration, known if to.write != "WRITE_TRUNCATE" else None, known, files, reading)
        count = self._write(tx, to, files, fields, reading)
        size = sum(file.stat().st_size for file in files)
        job.statistics["load"] = {
            "inputFiles": str(len(files)),
            "inputFileBytes": str(size),
            "outputRows": str(count),
            "outputBytes": str(tx.size(to.path).bytes),
            "badRecords": str(len(reading.bad)),
        }

    def _write(self, tx: Transaction, to: Destination, files: list[Path], fields: Fields, reading: Reading) -> int:
        """Writes the rows of files; returns how many there are."""
        if fast := direct.rows(files, fields, reading):
            try:
                destinations.write(tx, to, fields, _in_range(fast[0], fields))
            except duckdb.Error as error:
                raise as_error(error) from error
            return fast[1]
        incoming = sources.Incoming(files, fields, reading)
        tx.connection.register(INCOMING, incoming.reader())
        try:
            columns = [(str(field["name"]), schema.type_of(field)) for field in fields]
            rows = checked_rows(f"SELECT * FROM {INCOMING}", columns)
            destinations.write(tx, to, fields, _in_range(rows, fields))
        except duckdb.Error as error:
            raise incoming.error or as_error(error) from error
        finally:
            tx.connection.unregister(INCOMING)
        return incoming.rows


def _in_range(rows: str, fields: Fields) -> str:
    """Rows without times that BigQuery does not have: Parquet, ORC and Avro may hold a year 10000."""
    late = [
        (f"o{number}", str(field["name"]), kind)
        for number, field in enumerate(fields)
        if (kind := schema.type_of(field).kind) in ("DATE", "DATETIME", "TIMESTAMP")
    ]
    if not late:
        return rows
    checks = " ".join(
        f"WHEN {column} < '0001-01-01' OR {column} >= '10000-01-01' THEN "
        f"g_err({quoted(f'Invalid {kind} value in column {name}: it must be in the years 1 to 9999')}) = 0"
        for column, name, kind in late
    )
    return f"SELECT * FROM ({rows}) WHERE CASE {checks} ELSE true END"


def _fields(
    configuration: Mapping[str, Any], fixed: Table | None, known: Table | None, files: list[Path], reading: Reading
) -> list[Mapping[str, Any]]:
    """The columns of the files."""
    given = (configuration.get("schema") or {}).get("fields") or []
    if not given and configuration.get("schemaInline"):
        raise invalid("schemaInline is no longer supported: give schema")
    if reading.format in sources.DESCRIBED:
        return _described(schema.normal(given), fixed, files, reading)
    if given:
        return list(schema.normal(given))
    if configuration.get("autodetect"):
        found = sources.detect_fields(files, reading)
        return _with_known_types(found, fixed)
    if known is not None:
        return list(known.fields)
    raise invalid("No schema specified on job or table.")


def _described(
    given: list[dict[str, Any]], known: Table | None, files: list[Path], reading: Reading
) -> list[Mapping[str, Any]]:
    """The columns of files that describe themselves; types of the job's schema and of the table come first."""
    named = {field["name"].lower(): field for field in (known.fields if known else ())}
    named |= {field["name"].lower(): field for field in given}
    found = sources.detect_fields(files, reading)
    fields = [named.get(field["name"].lower(), {**field, "mode": _nullable(field)}) for field in found]
    names = {field["name"].lower() for field in found}
    return [*fields, *(field for field in given if field["name"].lower() not in names)]


def _nullable(field: Mapping[str, Any]) -> str:
    return "REPEATED" if schema.mode(field) == "REPEATED" else "NULLABLE"


def _with_known_types(found: list[dict[str, Any]], table: Table | None) -> list[Mapping[str, Any]]:
    """Detected columns; those that the table has are of its types."""
    known = {field["name"].lower(): field for field in (table.fields if table else ())}
    return [known.get(field["name"].lower(), field) for field in found]

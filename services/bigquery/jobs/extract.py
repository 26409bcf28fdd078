"""Extract jobs: a table's rows into objects of the bucket, by the Cloud Storage server's own API."""

from __future__ import annotations

import csv
import gzip
import http.client
import io
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from services.bigquery import schema, types
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.jobs import destinations
from services.bigquery.jobs.history import Result
from services.bigquery.jobs.job import Job
from services.bigquery.jobs.rows import arrow_fields, arrow_schema, rest_value
from services.bigquery.records import Store
from services.bigquery.schema import invalid
from services.bigquery.types import Type

Fields = Sequence[Mapping[str, Any]]
_URI = re.compile(r"gs://([^/*]+)/(.+)", re.DOTALL)
_SECONDS = 600
BATCH = 50_000
"""Rows that are written at a time."""


@dataclass(frozen=True)
class ExtractRunner:
    """Runs extract jobs.

    Attributes:
        store: Where the tables are.
        storage: The Cloud Storage server's address, such as http://gcs:4443; empty if there is none.
        folder: Where a file may lie until it is uploaded; the system's for temporary files if there is none.
    """

    store: Store
    storage: str
    folder: Path | None = None

    def __call__(self, job: Job) -> Result | None:
        """Runs a job; fills its statistics.

        Raises:
            BigQueryError: The table or the bucket is not there.
        """
        configuration = job.configuration["extract"]
        if not configuration.get("sourceTable"):
            raise NotBuilt("extracts of models")
        uris = configuration.get("destinationUris") or [configuration.get("destinationUri")]
        if not uris or not isinstance(uris[0], str):
            raise BigQueryError("required", "Required parameter is missing: destinationUris")
        path = destinations.path_of(configuration["sourceTable"], job.project)
        size = 0

        def pieces(rows: Any) -> Iterator[pa.Table]:
            nonlocal size
            for batch in rows:
                size += batch.nbytes
                yield pa.Table.from_batches([batch])

        with self.store.transaction(job.key) as tx:
            destinations.check_location(tx, job, [path])
            table = tx.table(path)
            relation = tx.relation(path)
            columns = ", ".join(f"{name} AS o{number}" for number, name in enumerate(relation.columns))
            rows = tx.connection.execute(f"SELECT {columns} FROM {relation.sql}").to_arrow_reader(BATCH)
            self.write(pieces(rows), table.fields, configuration, uris[0])
        job.statistics["extract"] = {"destinationUriFileCounts": ["1"], "inputBytes": str(size)}
        return None

    def write(
        self,
        pieces: Iterable[pa.Table],
        fields: Fields,
        configuration: Mapping[str, Any],
        uri: str,
        is_new: bool = False,
    ) -> None:
        """Writes rows into an object, by way of a file.

        Args:
            pieces: Rows; columns o0, o1, ...
            fields: Their REST form.
            configuration: Of an extract job: format, compression and so on.
            uri: Of the object.
            is_new: Whether it must not be there yet.

        Raises:
            BigQueryError: The bucket is not there, or the object is.
        """
        kind = str(configuration.get("destinationFormat") or "CSV").upper()
        if kind not in _WRITERS:
            raise NotBuilt(f"destination format {kind[:50]}")
        packing = str(configuration.get("compression") or "NONE").upper()
        with tempfile.TemporaryFile(dir=self.folder) as file:
            if packing == "GZIP" and kind != "PARQUET":
                with gzip.GzipFile(fileobj=file, mode="wb") as packed:
                    _WRITERS[kind](packed, self._checked(pieces), fields, configuration)
            else:
                _WRITERS[kind](file, self._checked(pieces), fields, configuration)
            self._put(uri, file, is_new)

    def _checked(self, pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for piece in pieces:
            self.store.require_room(piece.nbytes)
            yield piece

    def _put(self, uri: str, file: Any, is_new: bool) -> None:
        found = _URI.fullmatch(uri)
        if not found:
            raise invalid(f"Invalid extract destination URI '{uri[:200]}'. Must be a valid Google Cloud Storage path.")
        if not self.storage:
            raise NotBuilt("extracts without a Cloud Storage server")
        bucket, name = found[1], found[2].replace("*", "000000000000")
        address = urlsplit(self.storage)
        connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=_SECONDS)
        try:
            target = f"/upload/storage/v1/b/{quote(bucket, safe='')}/o?uploadType=media&name={quote(name, safe='')}"
            target += "&ifGenerationMatch=0" if is_new else ""
            size = str(file.seek(0, os.SEEK_END))
            file.seek(0)
            headers = {"Content-Type": "application/octet-stream", "Content-Length": size}
            connection.request("POST", target, file, headers)
            answer = connection.getresponse()
            text = answer.read()
        except OSError as error:
            raise BigQueryError("backendError", f"Cloud Storage does not answer: {error}", status=503) from error
        finally:
            connection.close()
        if answer.status == 412:
            raise invalid("Invalid value: Destination URI is not empty. Set the option 'overwrite' to true.")
        if answer.status == 404:
            raise BigQueryError("notFound", f"Not found: Bucket {bucket}", status=404)
        if answer.status >= 300:
            raise invalid(f"Cloud Storage refuses {uri}: {text[:200].decode('utf-8', 'replace')}")


def _plain_rows(rows: pa.Table, kinds: Sequence[Type]) -> list[tuple[Any, ...]]:
    columns = [types.plain_column(rows.column(number), kind) for number, kind in enumerate(kinds)]
    return list(zip(*columns, strict=True))


def _delimiter(configuration: Mapping[str, Any]) -> str:
    given = str(configuration.get("fieldDelimiter") or ",")
    found = {"tab": "\t", "\\t": "\t"}.get(given, given)
    if len(found) != 1 or found in '"\r\n':
        raise invalid(f"Invalid value for fieldDelimiter: {given[:50]}")
    return found


def _csv(file: Any, pieces: Iterator[pa.Table], fields: Fields, configuration: Mapping[str, Any]) -> None:
    kinds = [schema.type_of(field) for field in fields]
    if any(types.contains(kind, "ARRAY", "STRUCT") for kind in kinds):
        raise invalid("Operation cannot be performed on a nested schema. Field: " + str(fields[0]["name"]))
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(text, delimiter=_delimiter(configuration), lineterminator="\n")
    if configuration.get("printHeader") is not False:
        writer.writerow([field["name"] for field in fields])
    for piece in pieces:
        for row in _plain_rows(piece, kinds):
            writer.writerow([_text(kind, value) for kind, value in zip(kinds, row, strict=True)])
    text.flush()
    text.detach()


def _text(kind: Type, value: Any) -> Any:
    if value is None:
        return ""
    if kind.kind == "TIMESTAMP":
        return f"{types.datetime_text(value).replace('T', ' ')} UTC"
    return rest_value(kind, value, True)


def _json(file: Any, pieces: Iterator[pa.Table], fields: Fields, configuration: Mapping[str, Any]) -> None:
    kinds = [schema.type_of(field) for field in fields]
    for piece in pieces:
        for row in _plain_rows(piece, kinds):
            pairs = zip(fields, kinds, row, strict=True)
            line = {field["name"]: _json_value(kind, value) for field, kind, value in pairs if value is not None}
            file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")


def _json_value(kind: Type, value: Any) -> Any:
    if kind.kind == "ARRAY":
        return [_json_value(kind.part, item) for item in value or ()]
    if value is None:
        return None
    if kind.kind == "STRUCT":
        return {name: _json_value(part, value[f"f{number}"]) for number, (name, part) in enumerate(kind.fields)}
    if kind.kind in ("BOOL", "DOUBLE"):
        return value
    return json.loads(value) if kind.kind == "JSON" else _text(kind, value)


def _parquet(file: Any, pieces: Iterator[pa.Table], fields: Fields, configuration: Mapping[str, Any]) -> None:
    packing = str(configuration.get("compression") or "NONE").lower()
    if packing not in ("none", "snappy", "gzip", "zstd"):
        raise invalid(f"Invalid value for compression: {packing[:50]}")
    with pq.ParquetWriter(file, arrow_schema(fields), compression=packing) as writer:
        for piece in pieces:
            writer.write_table(arrow_fields(piece, fields))


_WRITERS: Mapping[str, Callable[[Any, Iterator[pa.Table], Fields, Mapping[str, Any]], None]] = {
    "CSV": _csv,
    "NEWLINE_DELIMITED_JSON": _json,
    "JSON": _json,
    "PARQUET": _parquet,
}

"""Where the rows of loads and external tables come from: objects of the bucket, and files that were uploaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from services.bigquery import schema
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.loads import columnar, csv_files, json_files
from services.bigquery.loads.columns import Reading
from services.bigquery.schema import invalid

Fields = Sequence[Mapping[str, Any]]
_URI = re.compile(r"gs://([^/*?#]+)/(.+)", re.DOTALL)
_FORMATS = {
    "CSV": csv_files,
    "NEWLINE_DELIMITED_JSON": json_files,
    "JSON": json_files,
    "PARQUET": columnar,
    "ORC": columnar,
    "AVRO": columnar,
}
_ENCODINGS = {"UTF8": "utf-8", "UTF-8": "utf-8", "ISO-8859-1": "latin-1"}
_ENCODINGS |= {f"UTF-{bits}{end}": f"utf-{bits}-{end.lower()}" for bits in (16, 32) for end in ("BE", "LE")}
"""https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad.FIELDS.encoding, in Python."""
MOST_LIBRARY = 10**6
"""Bytes, as at Google: https://cloud.google.com/bigquery/quotas#udf_limits."""
DESCRIBED = ("PARQUET", "ORC", "AVRO")
"""Formats whose files name their columns and types."""


@dataclass(frozen=True)
class Bucket:
    """The Cloud Storage server's objects, as files below a folder: BUCKET/OBJECT.

    Attributes:
        root: The folder.
    """

    root: Path

    def find(self, uris: Sequence[str]) -> list[Path]:
        """The files of objects; `*` stands for any characters.

        Raises:
            BigQueryError: There are none.
        """
        found = []
        for uri in uris or ():
            files = self._find(str(uri))
            if not files:
                raise BigQueryError("notFound", f"Not found: URI {uri}", status=404)
            found += files
        return found

    def library(self, uri: str) -> str:
        """The text of a library of JavaScript functions.

        Raises:
            BigQueryError: It is not there, is larger than MOST_LIBRARY, or is no UTF-8.
        """
        [file, *_] = self.find([uri])
        try:
            with file.open("rb") as content:
                data = content.read(MOST_LIBRARY + 1)
            if len(data) > MOST_LIBRARY:
                raise invalid(f"The JavaScript library {uri} has more than {MOST_LIBRARY} bytes")
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise invalid(f"The JavaScript library {uri} is not UTF-8") from error

    def _find(self, uri: str) -> list[Path]:
        match = _URI.fullmatch(uri)
        if not match:
            raise invalid(f"Invalid source URI: {uri[:200]}: it must begin with gs://bucket/")
        bucket, name = match.groups()
        folder = self.root / bucket
        if any(part in ("", ".", "..") or "\0" in part for part in (bucket, *name.split("/"))):
            return []
        if name.count("*") > 1:  # Google's rule; several would take ages to match against long names
            raise invalid(f"Invalid source URI: {uri[:200]}: it may have one wildcard '*' at most")
        try:
            return _matching(folder, name)
        except OSError:  # no file has a name as long
            return []


def _matching(folder: Path, name: str) -> list[Path]:
    """The files that a name, or one with a `*` in it, stands for."""
    first, star, last = name.partition("*")
    if not star:
        return [folder / name] if (folder / name).is_file() else []
    files = ((file, file.relative_to(folder).as_posix()) for file in (folder / first.rpartition("/")[0]).rglob("*"))
    return sorted(
        file for file, own in files if own.startswith(first) and own[len(first) :].endswith(last) and file.is_file()
    )


def reading_of(configuration: Mapping[str, Any]) -> Reading:
    """How files are read, from a load job's or external table's configuration.

    Raises:
        BigQueryError: The encoding is none that BigQuery reads.
    """
    options = {**configuration, **(configuration.get("csvOptions") or {}), **(configuration.get("jsonOptions") or {})}
    parquet = configuration.get("parquetOptions") or {}
    encoding = str(options.get("encoding") or "UTF-8").upper().replace("_", "-")
    if encoding not in _ENCODINGS:
        raise invalid(f"Invalid value for encoding: {encoding[:100]} is not a valid value")
    quote = options.get("quote")
    kind = str(configuration.get("sourceFormat") or "CSV").upper()
    decimals = configuration.get("decimalTargetTypes") or (["NUMERIC", "STRING"] if kind == "ORC" else ["NUMERIC"])
    delimiter = str(options.get("fieldDelimiter") or ",")
    return Reading(
        format=kind,
        delimiter={"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter),
        quote='"' if quote is None else str(quote),
        skip=None if options.get("skipLeadingRows") is None else int(options["skipLeadingRows"]),
        is_jagged=bool(options.get("allowJaggedRows")),
        has_newlines=bool(options.get("allowQuotedNewlines")),
        ignores_unknown=bool(configuration.get("ignoreUnknownValues")),
        nulls=tuple(options.get("nullMarkers") or [options.get("nullMarker") or ""]),
        encoding=_ENCODINGS[encoding],
        has_controls=bool(options.get("preserveAsciiControlCharacters")),
        decimals=tuple(str(one).upper() for one in decimals),
        maps_are_arrays=kind != "PARQUET" or parquet.get("mapTargetType") == "ARRAY_OF_STRUCT",
        most_bad=int(configuration.get("maxBadRecords") or 0),
    )


def _reader(reading: Reading) -> Any:
    found = _FORMATS.get(reading.format)
    if found is None:
        raise NotBuilt(f"source format {reading.format[:50]}")
    return found


def detect_fields(files: Sequence[Path], reading: Reading) -> list[dict[str, Any]]:
    """The columns that files have, in REST form, from the first that has rows.

    Raises:
        BigQueryError: They cannot be read.
    """
    reader, found = _reader(reading), list[dict[str, Any]]()
    for file in files:
        found = reader.detect(file, reading)
        if found:
            break
    return schema.normal(found)


def batches(files: Sequence[Path], fields: Fields, reading: Reading) -> Iterator[pa.RecordBatch]:
    """The rows of files; columns o0, o1, ... in DuckDB's Arrow form.

    Args:
        files: All of one format.
        fields: The columns in REST form.
        reading: How.

    Raises:
        BigQueryError: A value does not fit its column.
    """
    for file in files:
        yield from _reader(reading).batches(file, fields, reading)


@dataclass
class Incoming:
    """The rows of files as DuckDB reads them, counted on the way.

    Attributes:
        rows: How many DuckDB has read.
        error: Why reading failed; DuckDB only passes on that it did.
    """

    files: Sequence[Path]
    fields: Fields
    reading: Reading
    rows: int = 0
    error: BigQueryError | None = None

    def reader(self) -> pa.RecordBatchReader:
        """What DuckDB reads, once."""
        kinds = [schema.type_of(field).arrow for field in self.fields]
        arrow = pa.schema([(f"o{number}", kind) for number, kind in enumerate(kinds)])
        return pa.RecordBatchReader.from_batches(arrow, self._batches())

    def named(self) -> pa.RecordBatchReader:
        """Likewise, with the columns' own names."""
        pairs = [(field["name"], schema.type_of(field).arrow) for field in self.fields]
        arrow = pa.schema(pairs)
        renamed = (pa.RecordBatch.from_arrays(batch.columns, schema=arrow) for batch in self._batches())
        return pa.RecordBatchReader.from_batches(arrow, renamed)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches(self.files, self.fields, self.reading):
                self.rows += batch.num_rows
                yield batch
        except BigQueryError as error:
            self.error = error
            raise

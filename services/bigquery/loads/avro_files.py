"""Avro: https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-avro."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.bigquery.errors import NotBuilt
from services.bigquery.loads.columns import Reading


def detect(file: Path) -> list[dict[str, Any]]:
    """The columns."""
    raise NotBuilt("source format AVRO")


def batches(file: Path, fields: Sequence[Mapping[str, Any]], reading: Reading) -> Iterator[Any]:
    """The rows."""
    raise NotBuilt("source format AVRO")

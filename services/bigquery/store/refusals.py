"""Google's sentences for names that are not there, or that are there already."""

from __future__ import annotations

from services.bigquery.errors import BigQueryError
from services.bigquery.records import DatasetPath, Path


def no_dataset(path: DatasetPath) -> BigQueryError:
    """404 for a dataset."""
    return BigQueryError("notFound", f"Not found: Dataset {':'.join(path)}", status=404)


def no_table(path: Path, what: str = "Table") -> BigQueryError:
    """404 for a table, or for a `Routine`."""
    return BigQueryError("notFound", f"Not found: {what} {path[0]}:{path[1]}.{path[2]}", status=404)


def no_table_in_query(path: Path) -> BigQueryError:
    """404 for a table that a statement names; BigQuery says where it looked."""
    text = f"Not found: Table {path[0]}:{path[1]}.{path[2]} was not found in location US"
    return BigQueryError("notFound", text, "query", 404)


def no_dataset_in_query(path: DatasetPath) -> BigQueryError:
    """404 for the dataset of a table that a statement names."""
    text = f"Not found: Dataset {':'.join(path)} was not found in location US"
    return BigQueryError("notFound", text, "query", 404)


def exists(what: str, path: DatasetPath | Path) -> BigQueryError:
    """409 for a Dataset, Table or Routine."""
    return BigQueryError("duplicate", f"Already Exists: {what} {path[0]}:{'.'.join(path[1:])}", status=409)


def in_use(path: DatasetPath) -> BigQueryError:
    """400 for a dataset that is not empty."""
    return BigQueryError("resourceInUse", f"Dataset {':'.join(path)} is still in use", status=400)


def unqualified(name: str) -> BigQueryError:
    """400 for a table's name without its dataset."""
    text = f'Table "{name}" must be qualified with a dataset (e.g. dataset.table).'
    return BigQueryError("invalid", text, name)


class Conflict(BigQueryError):
    """Another transaction changed the same thing first: nothing was done, and another attempt may succeed."""

    def __init__(self, name: str) -> None:
        text = f"Transaction is aborted due to concurrent update against {name}. Transaction ID: 0"
        super().__init__("invalidQuery", text, "query")

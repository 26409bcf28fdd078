"""What the store keeps, and what the jobs and routes ask of it.

Metadata is kept as Google's REST resources have it (https://cloud.google.com/bigquery/docs/reference/rest/v2): the
store reads the schema, partitioning, clustering and expiration in them and keeps the rest as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from services.bigquery.compiler.context import Relation
from services.bigquery.language.analyzer import Scope
from services.bigquery.queries import Tables

T = TypeVar("T")
DatasetPath = tuple[str, str]
"""Project and dataset."""
Path = tuple[str, str, str]
"""Project, dataset, and table or routine."""
Resource = Mapping[str, Any]
GRANTS = "_grants"
"""The key in a resource of the grantees by role, which clients do not see."""


@dataclass(frozen=True)
class Dataset:
    """A dataset.

    Attributes:
        path: Project and dataset.
        resource: What a client may set: friendlyName, description, labels, location, access, defaultCollation,
            defaultTableExpirationMs and so on.
        created: Milliseconds since 1970.
        modified: Likewise.
    """

    path: DatasetPath
    resource: Resource
    created: int = 0
    modified: int = 0


@dataclass(frozen=True)
class Table:
    """A table or view.

    Attributes:
        path: Project, dataset and table.
        kind: TABLE, VIEW, MATERIALIZED_VIEW, EXTERNAL or SNAPSHOT.
        resource: What a client may set: schema (always with all fields), description, labels, friendlyName,
            expirationTime, timePartitioning, rangePartitioning, clustering, requirePartitionFilter, view,
            materializedView, externalDataConfiguration, tableConstraints and so on.
        created: Milliseconds since 1970.
        modified: Likewise; also the last change of its rows.
    """

    path: Path
    kind: str
    resource: Resource
    created: int = 0
    modified: int = 0

    @property
    def fields(self) -> Sequence[Resource]:
        """The REST form of its columns."""
        return tuple(self.resource.get("schema", {}).get("fields", ()))


@dataclass(frozen=True)
class Routine:
    """A function or procedure; `resource` is Google's, with `definitionBody` and so on."""

    path: Path
    resource: Resource
    created: int = 0
    modified: int = 0


@dataclass(frozen=True)
class Size:
    """How much a table holds; bytes as BigQuery counts them, as near as is cheap.

    Attributes:
        rows: How many.
        columns: Bytes of each column, by its name in lower case.
    """

    rows: int
    columns: Mapping[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Of all columns."""
        return sum(self.columns.values())


@dataclass(frozen=True)
class Known:
    """What the names in one statement stand for.

    Attributes:
        scope: For the analyzer.
        tables: For `Queries`.
        referenced: Tables and views behind the names, for the job's statistics.
        tables_of: The paths of the tables behind each full name in the scope; several behind a wildcard.
        read_by_views: Paths and columns, in lower case, that the views among them read.
    """

    scope: Scope
    tables: Tables
    referenced: tuple[Path, ...] = ()
    tables_of: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    read_by_views: tuple[tuple[Path, frozenset[str]], ...] = ()


@dataclass(frozen=True)
class ColumnChange:
    """One change of a table's columns; `sql` converts the old value where a type changes.

    Attributes:
        action: add, drop, rename, retype, relax (NULL is allowed), default (another default value) or describe (only
            metadata).
        column: Its name before.
        new: The field in REST form afterwards.
        sql: DuckDB SQL of the new column's values from the old ones (retype), or of its value in old rows (add).
    """

    action: str
    column: str
    new: Resource = field(default_factory=dict)
    sql: str = ""


class Transaction(Protocol):
    """Data and catalogue together: committed at the end of `with`, rolled back by an exception.

    Every method that takes a name raises BigQueryError: 404 notFound (`Not found: Dataset p:d`, `Not found: Table
    p:d.t`), 409 duplicate (`Already Exists: ...`), 400 resourceInUse (a dataset that is not empty).
    """

    @property
    def connection(self) -> Any:
        """A DuckDB connection in this transaction, prepared for compiled SQL, bounded in time and memory."""

    def projects(self) -> list[str]:
        """Projects that have datasets."""

    def datasets(self, project: str) -> list[Dataset]:
        """A project's datasets, by name."""

    def has_dataset(self, path: DatasetPath) -> bool:
        """Whether there is a dataset."""

    def dataset(self, path: DatasetPath) -> Dataset:
        """A dataset."""

    def put_dataset(self, dataset: Dataset, is_new: bool) -> Dataset:
        """Creates or replaces a dataset's metadata; returns it with times."""

    def drop_dataset(self, path: DatasetPath, with_contents: bool) -> None:
        """Drops a dataset."""

    def tables(self, dataset: DatasetPath) -> list[Table]:
        """A dataset's tables and views, by name; those that have expired are gone."""

    def table(self, path: Path) -> Table:
        """A table or view."""

    def create_table(self, table: Table, query: str = "") -> Table:
        """Creates a table or view.

        Args:
            table: With its schema.
            query: DuckDB SQL of its rows, in the order of its columns; empty for none.
        """

    def put_table(self, table: Table) -> Table:
        """Replaces a table's metadata, not its columns' names or types; returns it with times."""

    def change_columns(self, path: Path, changes: Sequence[ColumnChange]) -> Table:
        """Adds, drops, renames or retypes columns, in the data and the schema."""

    def touch(self, path: Path) -> None:
        """Notes that its rows have changed."""

    def rename_table(self, path: Path, name: str) -> None:
        """Renames a table in its dataset."""

    def drop_table(self, path: Path) -> None:
        """Drops a table or view."""

    def relation(self, path: Path) -> Relation:
        """Where a table's rows are; of a view the compiled query in parentheses."""

    def size(self, path: Path, columns: Collection[str] | None = None) -> Size:
        """How much a table holds: of some columns, in lower case, or of all."""

    def partitions(self, path: Path) -> list[tuple[str | None, int]]:
        """Ids and rows of a table's partitions; one without an id for a table that has none."""

    def routines(self, dataset: DatasetPath) -> list[Routine]:
        """A dataset's routines, by name."""

    def routine(self, path: Path) -> Routine:
        """A routine."""

    def put_routine(self, routine: Routine, is_new: bool) -> Routine:
        """Creates or replaces a routine; returns it with times."""

    def drop_routine(self, path: Path) -> None:
        """Drops a routine."""

    def find(self, parts: Sequence[str], project: str, dataset: str = "") -> Path:
        """The full path of a name in a statement: a table that exists, or where a new one would go.

        Args:
            parts: As `names.parts` gives them.
            project: Of the job.
            dataset: The job's default dataset; empty for none: then one part is an error in Google's words.
        """

    def know(
        self,
        paths: Collection[Sequence[str]],
        project: str,
        dataset: str = "",
        routines: Collection[Sequence[str]] = (),
    ) -> Known:
        """What the names of a statement stand for: tables, views, wildcards, INFORMATION_SCHEMA, routines.

        Args:
            paths: As `Analyzer.table_paths` gives them.
            project: Of the job.
            dataset: The job's default dataset, or empty.
            routines: As `Analyzer.routine_paths` gives them.

        Raises:
            BigQueryError: 404 for a table that is not there.
        """


class Store(Protocol):
    """All data of one folder."""

    def transaction(
        self, job: str = "", writes: Collection[Path] = (), seconds: float = 0
    ) -> AbstractContextManager[Transaction]:
        """Begins a transaction.

        Args:
            job: By which `cancel` finds it.
            writes: Tables whose rows or definition it may change: it waits until no other transaction does.
            seconds: How long its statements may take together; 0 for the setting's.
        """

    def run(self, work: Callable[[Any], T], job: str = "", writes: Collection[Path] = (), seconds: float = 0) -> T:
        """Does something in a transaction, again if another transaction got in its way.

        Args:
            work: Gets the transaction; may be called several times.
            job: As of `transaction`.
            writes: Likewise.
            seconds: Likewise.
        """

    def cancel(self, job: str) -> bool:
        """Interrupts a job's statement; it then raises BigQueryError with reason `stopped`."""

    def prune(self, days: float, dry_run: bool) -> dict[str, int]:
        """Gives back the space of dropped data; {"files": ..., "bytes": ...}."""

    def backup(self) -> Iterator[bytes]:
        """A tar of all data as they are now."""

    def counts(self) -> dict[str, Any]:
        """The rows by `project.dataset.table` (`rows`), and the `bytes` of data."""

    def require_room(self, needed: int = 0) -> None:
        """Refuses what would fill the disk.

        Raises:
            BigQueryError: Too little is free for so many bytes.
        """

    def close(self) -> None:
        """Writes everything and closes the files."""

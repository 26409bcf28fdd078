"""What the platform's services hold: the facts that the checks judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orionbox.orion.names import BLOCKS, has_platform_code
from orionbox.trips.months import COLORS, table_name

ORION, BUCKET, BIGQUERY, POSTGRES = SOURCES = ("Orion", "Cloud Storage", "BigQuery", "Postgres")
"""Where facts come from."""
PLATFORM_TABLES = ("trips_data_all.loaded_months", *(f"trips_data_all.{table_name(color)}" for color in COLORS))
"""The tables of the main job in BigQuery."""
CLOCK_TOLERANCE = timedelta(seconds=2)


@dataclass(frozen=True)
class Schedule:
    """A schedule of a deployment."""

    kind: str
    """`cron`, `interval` or `rrule`."""
    text: str
    """The cron string, or the other kind's value."""
    timezone: str = "UTC"
    is_active: bool = True


@dataclass(frozen=True)
class Deployment:
    """A deployment."""

    id: str
    name: str
    """`flow/name`."""
    path: str = ""
    storage: str = ""
    """The type of the block that holds its code, for example `github`; empty for a local folder."""
    infrastructure: str = "process"
    """The type of the block from which its runs are started."""
    schedules: tuple[Schedule, ...] = ()

    @property
    def is_platforms(self) -> bool:
        """Returns whether the bootstrap has made it, and no student has replaced it."""
        return has_platform_code(self.path, self.storage)


@dataclass(frozen=True)
class Run:
    """A flow run that has ended."""

    name: str
    flow: str
    state: str
    """Orion's state type."""
    start: datetime
    end: datetime
    deployment_id: str = ""
    """Empty for a flow that was run as a script."""
    message: str = ""
    is_subflow: bool = False
    numbers: frozenset[int] = frozenset()
    """The numbers in its logs that answer a question."""
    is_cached: bool = False
    """Whether one of its tasks was cached."""

    @property
    def is_completed(self) -> bool:
        """Returns whether it succeeded."""
        return self.state == "COMPLETED"

    def covers(self, moment: datetime) -> bool:
        """Returns whether it was running at that moment."""
        return self.start - CLOCK_TOLERANCE <= moment <= self.end + CLOCK_TOLERANCE


@dataclass(frozen=True)
class Block:
    """A block that has a name."""

    name: str
    kind: str
    """The slug of its type, for example `github`."""
    length: int = 0
    """Of a secret: the number of its characters."""

    @property
    def is_platforms(self) -> bool:
        """Returns whether the bootstrap makes a block of this name."""
        return self.name in BLOCKS


@dataclass(frozen=True)
class Notification:
    """A notification policy of Orion's."""

    states: tuple[str, ...]
    """Names of the states that it reports; none for every state."""
    is_active: bool
    created: datetime


@dataclass(frozen=True)
class StoredObject:
    """An object in a bucket."""

    bucket: str
    name: str
    updated: datetime
    rows: int | None = None
    """Rows of a parquet file; None for any other file."""

    @property
    def uri(self) -> str:
        """Returns its `gs://` name."""
        return f"gs://{self.bucket}/{self.name}"


@dataclass(frozen=True)
class Table:
    """A table of BigQuery or Postgres."""

    name: str
    """With its dataset or schema."""
    rows: int
    by_file: Mapping[str, int] = field(default_factory=dict)
    """Rows by the name of the source file, in the platform's own tables."""
    by_month: Mapping[str, int] = field(default_factory=dict)
    """Rows by month of the pickup, for example `2019-02`."""


@dataclass(frozen=True)
class Facts:
    """Everything that the checks look at. None for what a service has not told."""

    runtime: str = "compose"
    runs: tuple[Run, ...] | None = ()
    deployments: tuple[Deployment, ...] | None = ()
    blocks: tuple[Block, ...] | None = ()
    notifications: tuple[Notification, ...] | None = ()
    objects: tuple[StoredObject, ...] | None = ()
    tables: tuple[Table, ...] | None = ()
    warehouse: tuple[Table, ...] | None = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By source: why it has not told, if it has not."""

    @property
    def missing(self) -> list[str]:
        """Returns the sources that have not answered."""
        orion = (self.runs, self.deployments, self.blocks, self.notifications)
        found = {ORION: None not in orion, BUCKET: self.objects is not None}
        found |= {BIGQUERY: self.tables is not None, POSTGRES: self.warehouse is not None}
        return [source for source in SOURCES if not found[source]]

    def own_deployments(self) -> list[Deployment]:
        """Returns the student's deployments."""
        return [deployment for deployment in self.deployments or () if not deployment.is_platforms]

    def deployment_of(self, run: Run) -> Deployment | None:
        """Returns the deployment that has started the run; None for a script, or if the deployment was deleted."""
        return next((each for each in self.deployments or () if each.id == run.deployment_id), None)

    def is_own(self, run: Run) -> bool:
        """Returns whether the student has started the run from code of their own."""
        deployment = self.deployment_of(run)
        return not run.is_subflow and not (deployment and deployment.is_platforms)

    def own_runs(self) -> Iterator[Run]:
        """Yields the student's completed runs, without sub-flows, newest first."""
        return (run for run in self.runs or () if run.is_completed and self.is_own(run))

    def runs_at(self, moment: datetime) -> list[Run]:
        """Returns the runs, without sub-flows, that were running at that moment."""
        return [run for run in self.runs or () if not run.is_subflow and run.covers(moment)]

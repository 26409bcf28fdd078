"""A statement of a query job: its text, what it means, and what it shares with the others of its job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.bigquery.compiler.statement import is_change
from services.bigquery.jobs import scripts
from services.bigquery.jobs.job import Job
from services.bigquery.jobs.parameters import Parameters
from services.bigquery.language import tree
from services.bigquery.records import Known, Path, Transaction
from services.bigquery.scripts.interpreter import Step
from services.bigquery.types import Type

_TYPES = {
    "QueryStmt": "SELECT",
    "InsertStmt": "INSERT",
    "UpdateStmt": "UPDATE",
    "DeleteStmt": "DELETE",
    "MergeStmt": "MERGE",
    "TruncateStmt": "TRUNCATE_TABLE",
    "CreateTableStmt": "CREATE_TABLE",
    "CreateTableAsSelectStmt": "CREATE_TABLE_AS_SELECT",
    "CreateViewStmt": "CREATE_VIEW",
    "CreateMaterializedViewStmt": "CREATE_MATERIALIZED_VIEW",
    "CreateExternalTableStmt": "CREATE_EXTERNAL_TABLE",
    "CreateSchemaStmt": "CREATE_SCHEMA",
    "CreateFunctionStmt": "CREATE_FUNCTION",
    "CreateTableFunctionStmt": "CREATE_TABLE_FUNCTION",
    "CreateProcedureStmt": "CREATE_PROCEDURE",
    "DropMaterializedViewStmt": "DROP_MATERIALIZED_VIEW",
    "DropFunctionStmt": "DROP_FUNCTION",
    "DropTableFunctionStmt": "DROP_TABLE_FUNCTION",
    "DropSnapshotTableStmt": "DROP_SNAPSHOT_TABLE",
    "AlterTableStmt": "ALTER_TABLE",
    "AlterTableSetOptionsStmt": "ALTER_TABLE",
    "AlterViewStmt": "ALTER_VIEW",
    "AlterMaterializedViewStmt": "ALTER_MATERIALIZED_VIEW",
    "AlterSchemaStmt": "ALTER_SCHEMA",
    "AssertStmt": "ASSERT",
    "ExportDataStmt": "EXPORT_DATA",
    "AuxLoadDataStmt": "LOAD_DATA",
}


@dataclass
class Session:
    """What the statements of one job share.

    Attributes:
        job: The job.
        project: In which names without a project are.
        dataset: In which names without a dataset are; may be empty.
        parameters: Of the query.
        temporary: The paths of temporary tables, by their names in lower case.
        most_seconds: The server's limit of a statement.
        tx: The script's open transaction.
        step: The script's statement that is being run.
    """

    job: Job
    project: str
    dataset: str
    parameters: Parameters
    temporary: dict[str, Path] = field(default_factory=dict)
    most_seconds: float = 360
    tx: Transaction | None = None
    step: Step | None = None

    @property
    def values(self) -> Parameters:
        """The parameters of the statement that is being run."""
        if self.step is None or self.step.parameters is None:
            return self.parameters
        given = self.step.parameters
        if "1" in given:
            return Parameters(positional=tuple(given.values()))
        return Parameters(named=given)

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The job's configuration of the query."""
        found: Mapping[str, Any] = self.job.configuration["query"]
        return found

    @property
    def seconds(self) -> float:
        """How long a statement may take."""
        most = self.most_seconds
        return min(float(self.job.configuration.get("jobTimeoutMs") or most * 1000) / 1000, most)

    @property
    def is_dry(self) -> bool:
        """Whether nothing is to be run."""
        return bool(self.job.configuration.get("dryRun"))


@dataclass(frozen=True)
class Text:
    """What a statement's text names, whatever that may be.

    Attributes:
        tables: Paths of tables.
        routines: Paths of routines.
        altered: What ALTER names.
        loaded: The path of LOAD DATA's table; empty for another statement.
    """

    tables: list[tuple[str, ...]]
    routines: list[tuple[str, ...]]
    altered: scripts.Altered | None
    loaded: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """An analyzed statement."""

    sql: str
    text: Text
    known: Known
    statement: Any
    values: Parameters
    job: Job

    @property
    def kind(self) -> str:
        """The module's name of it, such as `QueryStmt`."""
        return tree.kind(tree.node(self.statement))

    @property
    def statement_type(self) -> str:
        """REST's name of it, such as SELECT."""
        if self.kind == "DropStmt":
            return f"DROP_{tree.node(self.statement).object_type.upper().replace(' ', '_')}"
        return _TYPES.get(self.kind, self.kind.removesuffix("Stmt").upper())

    @property
    def parameters(self) -> dict[str, tuple[Type, Any]]:
        """The query's parameters."""
        return self.values.by_name

    def describe(self, fields: list[dict[str, Any]]) -> None:
        """Puts the schema of the result into the statistics."""
        self.job.statistics["query"]["schema"] = {"fields": fields}


def changed_table(statement: Any) -> str:
    """The full name of the table that INSERT, UPDATE, DELETE or MERGE changes; empty for other statements."""
    return str(tree.node(statement).table_scan.table.name) if is_change(statement) else ""


def path_of(name: str) -> Path:
    """The path of a table's full name, `project.dataset.table`."""
    project, dataset, table = name.rsplit(".", 2)
    return project, dataset, table


def has_path(statement: Any) -> bool:
    """Whether a statement names what it defines."""
    message = tree.node(statement)
    while message is not None:
        if "name_path" in message.DESCRIPTOR.fields_by_name:
            return True
        message = message.parent if "parent" in message.DESCRIPTOR.fields_by_name else None
    return False


def table_reference(path: tuple[str, ...]) -> dict[str, str]:
    """REST's form of a table's path."""
    return {"projectId": path[0], "datasetId": path[1], "tableId": path[2]}

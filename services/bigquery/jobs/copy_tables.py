"""Copy jobs: the rows of tables into another one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb

from services.bigquery.compiler.signatures.connection import as_error
from services.bigquery.jobs import destinations
from services.bigquery.jobs.destinations import Destination
from services.bigquery.jobs.history import Result
from services.bigquery.jobs.job import Job
from services.bigquery.records import Path, Size, Store, Table, Transaction
from services.bigquery.schema import invalid, type_of
from services.bigquery.types import Type


@dataclass(frozen=True)
class CopyRunner:
    """Runs copy jobs; snapshots and clones are copies, too."""

    store: Store

    def __call__(self, job: Job) -> Result | None:
        """Runs a job; fills its statistics.

        Raises:
            BigQueryError: A table is not there, or their schemas differ.
        """
        configuration = job.configuration["copy"]
        given = configuration.get("sourceTables") or [configuration.get("sourceTable") or {}]
        sources = [destinations.path_of(reference, job.project) for reference in given]
        to = destinations.read(configuration, job.project, "WRITE_EMPTY")
        try:
            size = self.store.run(lambda tx: self._copy(tx, job, sources, to), job.key, [to.path])
        except duckdb.Error as error:
            raise as_error(error) from error
        job.statistics["copy"] = {"copiedRows": str(size.rows), "copiedLogicalBytes": str(size.bytes)}
        return None

    def _copy(self, tx: Transaction, job: Job, sources: list[Path], to: Destination) -> Size:
        destinations.check_location(tx, job, [*sources, to.path])
        found = [self._source(tx, path) for path in sources]
        first = found[0][0]
        for table, _ in found[1:]:
            if _columns(table) != _columns(first):
                path = table.path
                raise invalid(f"Provided Schema does not match Table {path[0]}:{path[1]}.{path[2]}.")
        kept = {name: first.resource[name] for name in destinations.OF_TABLE if name in first.resource}
        to = replace(to, resource={**kept, **to.resource})
        destinations.write(tx, to, first.fields, " UNION ALL ".join(sql for _, sql in found))
        return tx.size(to.path)

    def _source(self, tx: Transaction, path: Path) -> tuple[Table, str]:
        name, _, partition = path[2].partition("$")
        table = tx.table((path[0], path[1], name))
        if table.kind not in ("TABLE", "SNAPSHOT"):
            raise invalid(f"{path[0]}:{path[1]}.{name} is a {table.kind}, which cannot be copied")
        relation = tx.relation(table.path)
        columns = ", ".join(f"{column} AS o{number}" for number, column in enumerate(relation.columns))
        sql = f"SELECT {columns} FROM {relation.sql}"
        if partition:
            sql += f" WHERE {destinations.partition_condition(table, partition, relation.columns)}"
        return table, sql


def _columns(table: Table) -> list[tuple[str, Type]]:
    return [(str(field["name"]).lower(), type_of(field)) for field in table.fields]

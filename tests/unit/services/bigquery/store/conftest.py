"""A store in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from services.bigquery import types
from services.bigquery.compiler.signatures import connection as duck
from services.bigquery.compiler.statement import compile_change, is_change
from services.bigquery.records import Dataset, Table
from services.bigquery.settings import Limits
from services.bigquery.store.store import FileStore, open_store
from services.bigquery.store.transaction import StoreTransaction
from tests.googlesql import queries

D = ("p", "d")


def column(name: str, kind: str, **more: Any) -> dict[str, Any]:
    """A field."""
    return {"name": name, "type": kind, **more}


@dataclass
class Client:
    """Runs GoogleSQL against a store, as a job does."""

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    store: FileStore = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Opens the folder."""
        self.store = open_store(self.folder, queries(), Limits(memory=512 * 2**20), **self.options)

    def again(self) -> None:
        """Closes and opens it."""
        self.store.close()
        self.open()

    def dataset(self, dataset: str = "d", project: str = "p", **resource: Any) -> None:
        """Makes a dataset."""
        with self.store.transaction() as tx:
            tx.put_dataset(Dataset((project, dataset), resource), is_new=True)

    def table(
        self, name: str, *fields: dict[str, Any], place: tuple[str, str] = D, kind: str = "TABLE", **more: Any
    ) -> Table:
        """Makes a table."""
        with self.store.transaction() as tx:
            resource = {"schema": {"fields": list(fields)}, **more}
            return tx.create_table(Table((*place, name), kind, resource))

    def view(self, name: str, sql: str) -> None:
        """Makes a view."""
        self.table(name, kind="VIEW", view={"query": sql})

    def sql(self, sql: str, project: str = "p", dataset: str = "d") -> Any:
        """Rows in REST form, or the number of changed rows."""
        return self.store.run(lambda tx: run(tx, sql, project, dataset))


def run(tx: StoreTransaction, sql: str, project: str = "p", dataset: str = "d") -> Any:
    """Runs a statement in a transaction."""
    paths = queries().analyzer.table_paths(sql)
    known = tx.know(paths, project, dataset, queries().analyzer.routine_paths(sql))
    statement = queries().analyzer.analyze(sql, known.scope)
    if not is_change(statement):
        answer = queries().answer(tx.connection, sql, known.scope, known.tables, statement=statement)
        kinds = [kind for _, kind in answer.columns]
        return [[types.to_rest(kind, value) for kind, value in zip(kinds, row, strict=True)] for row in answer.rows]
    change = compile_change(statement, known.tables.relations, queries().now(), scope=known.scope)
    duck.register_scalars(tx.connection, change.scalars, queries().evaluator)
    try:
        if change.check:
            tx.connection.execute(change.check).fetchall()
        count = tx.connection.execute(change.sql).fetchall()[0][0]
    except duckdb.Error as error:
        raise duck.as_error(error) from error
    parts = change.table.split(".")
    tx.touch((parts[0], parts[1], parts[2]))
    return count


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A store with dataset p.d."""
    client = Client(tmp_path / "data")
    client.dataset()
    yield client
    client.store.close()


@pytest.fixture
def new_client(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Opens stores with options."""
    made: list[Client] = []

    def make(**options: Any) -> Client:
        made.append(Client(tmp_path / f"data{len(made)}", options))
        return made[-1]

    yield make
    for client in made:
        client.store.close()

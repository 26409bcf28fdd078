"""Finds a table under any project id.

The course's text, the student's code and the platform each use a different project id. All mean this one BigQuery. A
table in the named project comes first.
"""

# mypy: disable-error-code="import-untyped,import-not-found"
# The emulator is installed in its own image only.

from collections.abc import Callable
from typing import Any

from local_bigquery.catalog import datasets
from local_bigquery.engine import database
from sqlglot import exp

Reference = tuple[str, str, str]


def find_project(reference: Reference, exists_in: Callable[[str], object]) -> Reference:
    """Return the table or dataset in the project that has it: the named one, else the first other, else the named."""
    project, dataset, table = reference
    others = (other for other in database.projects() if other != project)
    found = next((candidate for candidate in (project, *others) if exists_in(candidate)), project)
    return found, dataset, table


def in_any_project(resolve: Callable[..., Reference]) -> Callable[..., Reference]:
    """Make the emulator look for names in the other projects, too.

    A new table goes where its dataset is; any other table is found by its own name.
    """

    def resolve_in_any_project(table: Any, project_id: str, dataset_id: str | None) -> Reference:
        reference = resolve(table, project_id, dataset_id)
        _, dataset, name = reference
        if not dataset:
            return reference
        # CREATE TABLE d.t (...) has a schema between itself and the name
        parent = table.parent.parent if isinstance(table.parent, exp.Schema) else table.parent
        if isinstance(parent, exp.Create):
            return find_project(reference, lambda project: datasets.exists(project, dataset))
        return find_project(reference, lambda project: database.objects(project, dataset, name))

    return resolve_in_any_project

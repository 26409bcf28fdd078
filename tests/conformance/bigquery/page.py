"""The part of docs/emulators.md that says which of BigQuery's statements and functions are answered, and how.

`python -m tests.conformance.bigquery.page` writes it anew; test_documentation.py compares it with the cases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dev.docs_tables import markdown, replace_between_marks
from services.bigquery.compiler.calls import is_left_to_duckdb
from services.bigquery.compiler.signatures import lines
from services.bigquery.language import package
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.messages import NOT_IN_MODULE
from tests.conformance.bigquery.cases import COMPILED, ERROR, EVALUATED, FOLDER, HELPED, REFUSED, read, run
from tests.conftest import ROOT
from tests.googlesql import Database, pool

PAGE = ROOT / "docs/emulators.md"
BEGIN, END = "<!-- results of tests/conformance/bigquery -->", "<!-- end of results -->"
_HEADINGS = (
    "page of Google's reference",
    "statements",
    "DuckDB",
    "with the module",
    "evaluator",
    "errors",
    "not built",
)
_ROUTES = (COMPILED, HELPED, EVALUATED, ERROR, REFUSED)
_REFERENCE = "https://cloud.google.com/bigquery/docs/reference/standard-sql/"
_SCALAR, _AGGREGATE = 1, 2
"""The module's enumeration of a function's modes."""
_ELSEWHERE = ("st_", "s2_", "$", "anon_", "array_filter", "array_transform")
"""Functions with a section of their own, operators, and what no statement can name."""


@cache
def results(file: Path) -> list[tuple[str, str, str]]:
    """For each case of a file: the page that it is about, who answered it, and how the answer differs."""
    database = Database()
    return [(case.page, *run(case, database)) for case in read(file)]


def rows(file: Path) -> list[str]:
    """The lines of the table that a file gives."""
    counts: dict[str, Counter[str]] = {}
    for page, by, _ in results(file):
        counts.setdefault(page, Counter())[by] += 1
    cells = [
        (f"[{page}]({_REFERENCE}{page})", str(found.total()), *(str(found[route] or "") for route in _ROUTES))
        for page, found in counts.items()
    ]
    return markdown(_HEADINGS, cells).splitlines()[2:]


def functions() -> dict[str, list[str]]:
    """The names of BigQuery's functions, by what evaluates them."""
    request, answer = Scope().catalog().builtin_function_options, package.service.GetBuiltinFunctionsResponse
    found = pool().run(lambda module: module.call("GetBuiltinFunctions", request, answer)).function
    native = {line.name.split()[0].upper() for line in lines.all_lines() if lines.is_used(line)}
    sorts: dict[str, list[str]] = {name: [] for name in (COMPILED, HELPED, EVALUATED, REFUSED)}
    for function in sorted(found, key=lambda one: one.name_path):
        name = ".".join(function.name_path).upper()
        if not name.lower().startswith(_ELSEWHERE):
            sorts[_sort(function, name, native)].append(name)
    sorts[REFUSED] = sorted([*sorts[REFUSED], *NOT_IN_MODULE, "ML.*", "AI.*", "OBJ.*"])
    return sorts


def _sort(function: Any, name: str, native: Collection[str]) -> str:
    if name in native or is_left_to_duckdb(name.lower()):
        return COMPILED
    return HELPED if function.mode == _SCALAR else EVALUATED


def function_lines() -> list[str]:
    """The paragraphs about functions."""
    found = functions()
    heads = {
        COMPILED: "DuckDB evaluates, for the types that tables mostly have (for others, the module)",
        HELPED: "Google's module evaluates value by value, 24,000 rows a second, in a query that DuckDB runs",
        EVALUATED: "Google's evaluator runs the whole query, over at most 100,000 rows of all its tables together",
        REFUSED: "Refused by name",
    }
    return [f"- {heads[sort]}: {_listed(names)}." for sort, names in found.items()]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def text() -> str:
    """All of the part."""
    table = [row for file in sorted(FOLDER.glob("*.txt")) for row in rows(file)]
    head = markdown(_HEADINGS, []).splitlines()
    return "\n".join([*head, *table, "", *function_lines()])


def main() -> None:
    """Writes the part."""
    PAGE.write_text(replace_between_marks(PAGE.read_text(), text(), BEGIN, END, PAGE))


if __name__ == "__main__":
    main()

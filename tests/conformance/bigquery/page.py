"""The parts of docs/emulators.md that say how BigQuery's functions are answered, and how many statements hold it.

`python -m tests.conformance.bigquery.page` writes it anew; test_documentation.py holds it to the code.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from dev.docs_tables import replace_between_marks
from services.bigquery.compiler.calls import is_left_to_duckdb
from services.bigquery.compiler.signatures import lines
from services.bigquery.functions.table import AGGREGATES, SCALARS
from services.bigquery.language import package
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.functions import added
from services.bigquery.language.messages import NOT_IN_MODULE
from tests.conformance.bigquery.cases import COMPILED, EVALUATED, HELPED, REFUSED, all_cases
from tests.conftest import ROOT
from tests.googlesql import pool

PAGE = ROOT / "docs/emulators.md"
BEGIN, END = "<!-- functions of BigQuery -->", "<!-- end of functions -->"
BEGIN_COUNTS, END_COUNTS = "<!-- statements by page -->", "<!-- end of statements -->"
_SCALAR = 1
"""The module's enumeration of a function's modes: scalar, aggregate, window."""
_ELSEWHERE = ("st_", "s2_", "$", "anon_", "array_filter", "array_transform", "match_")
"""How functions begin that have a section of their own, operators, and what no statement can name."""
_NOT_EVALUATED = ("KEYS.", "AEAD.", "DETERMINISTIC_")
"""How functions begin that the module's library has, and its evaluator has not."""
_SQL = {"MAX_BY", "MIN_BY"}
"""Functions that stand for an expression."""
PYTHON = "Python"
_INNER = {"FIRST", "LAST", "NEXT", "PREV", "IS_FIRST", "IS_LAST", "CLASSIFIER", "FLATTEN", "APPLY"}
"""Names of MATCH_RECOGNIZE, and of the analyzer's own functions."""
_HEADS = {
    COMPILED: "DuckDB evaluates, for the types that tables mostly have (for others, the module)",
    PYTHON: "Python computes, because Google's module does not, in a query that DuckDB runs",
    HELPED: "Google's module evaluates, 24,000 different values a second, in a query that DuckDB runs",
    EVALUATED: "Google's evaluator runs the whole query, over at most 100,000 rows of all its tables together",
    REFUSED: "Refused by name",
}


def functions() -> dict[str, list[str]]:
    """The names of BigQuery's functions, by what evaluates them."""
    request, answer = Scope().catalog().builtin_function_options, package.service.GetBuiltinFunctionsResponse
    found = pool().run(lambda module: module.call("GetBuiltinFunctions", request, answer)).function
    native = {line.name.split()[0].upper() for line in lines.all_lines() if lines.is_used(line)}
    sorts: dict[str, list[str]] = {name: [] for name in _HEADS}
    more = [function.message for function in added.functions()]
    for function in sorted([*found, *more], key=lambda one: list(one.name_path)):
        name = ".".join(function.name_path).upper()
        if not name.lower().startswith(_ELSEWHERE) and name not in _INNER:
            sorts[_sort(function, name, native)].append(name)
    sorts[REFUSED] = sorted([*sorts[REFUSED], *NOT_IN_MODULE, "ML.*", "AI.*", "OBJ.*"])
    return sorts


def _sort(function: Any, name: str, native: Collection[str]) -> str:
    if name.startswith(_NOT_EVALUATED):
        return REFUSED
    if name.lower() in {**SCALARS, **AGGREGATES}:
        return PYTHON
    if name in native or name in _SQL or is_left_to_duckdb(name.lower()):
        return COMPILED
    return HELPED if function.mode == _SCALAR else EVALUATED


def function_lines() -> list[str]:
    """The lines of the part."""
    return [f"- {_HEADS[sort]}: {_listed(names)}." for sort, names in functions().items()]


def count_lines() -> list[str]:
    """The lines of the table that counts the documentation's statements by its pages."""
    counts: dict[str, list[int]] = {}
    for case in all_cases():
        counts.setdefault(case.page, [0, 0])[case.is_built] += 1
    rows = [f"| `{page}` | {right} | {refused or ''} |" for page, (refused, right) in sorted(counts.items())]
    return ["| page | right | refused by name |", "|---|---|---|", *rows]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main() -> None:
    """Writes the parts."""
    text = replace_between_marks(PAGE.read_text(), "\n".join(function_lines()), BEGIN, END, PAGE)
    PAGE.write_text(replace_between_marks(text, "\n".join(count_lines()), BEGIN_COUNTS, END_COUNTS, PAGE))


if __name__ == "__main__":
    main()

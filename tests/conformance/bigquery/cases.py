"""Statements with the answers that Google's documentation gives, one a line: `statement => answer`.

A line without SELECT, WITH or FROM at its start is an expression, whose answer is one value. Answers are JSON: null,
text as REST has it, lists for arrays and structs, and a list of rows of a statement. `ERROR sentence` is an error whose
message has the sentence in it. A line that begins with `#` names the page that the lines after it are about, and one
that begins with `- ` has a statement that is not built yet.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.bigquery import types
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.types import Type
from tests.googlesql import Database

FOLDER = Path(__file__).parent
_STATEMENT = re.compile(r"(SELECT|WITH|FROM)\b")
_ERROR = "ERROR"
_START = datetime.datetime(1970, 1, 1)
COMPILED, HELPED, EVALUATED = "DuckDB", "DuckDB, with functions of Google's module", "Google's evaluator"
REFUSED, ERROR = "not built", "an error"


@dataclass(frozen=True)
class Case:
    """A statement and its answer.

    Attributes:
        file: The file that it is in.
        page: The part of Google's documentation, such as `string_functions`.
        text: As it is written.
        sql: The statement.
        is_built: Whether it is answered; otherwise it is refused by name.
        answer: A value, a list of rows, or `ERROR sentence`.
    """

    file: str
    page: str
    text: str
    sql: str
    answer: Any
    is_built: bool = True

    @property
    def is_error(self) -> bool:
        """Whether the statement has to fail."""
        return isinstance(self.answer, str) and self.answer.startswith(_ERROR)


def read(file: Path) -> Iterator[Case]:
    """The cases of a file."""
    page = ""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            page = line.rsplit("/", 1)[-1]
        elif line:
            text, _, answer = line.removeprefix("- ").rpartition(" => ")
            is_statement = _STATEMENT.match(text)
            value = answer if answer.startswith(_ERROR) else json.loads(answer)
            rows = value if is_statement or answer.startswith(_ERROR) else [[value]]
            yield Case(file.name, page, text, text if is_statement else f"SELECT {text}", rows, line[:2] != "- ")


def all_cases() -> list[Case]:
    """The cases of all files."""
    return [case for file in sorted(FOLDER.glob("*.txt")) for case in read(file)]


def _natural(kind: Type, value: Any) -> Any:
    """A plain value as the files have it."""
    if value is None:
        return None
    if kind.kind == "ARRAY":
        return [_natural(kind.part, item) for item in value]
    if kind.kind == "STRUCT":
        return [_natural(field, value[f"f{number}"]) for number, (_, field) in enumerate(kind.fields)]
    if kind.kind == "TIMESTAMP":
        return (_START + datetime.timedelta(microseconds=value)).isoformat(" ")
    return types.to_rest(kind, value)


def _written(value: Any) -> Any:
    """An answer of a file in the form of `_natural`."""
    if isinstance(value, list):
        return [_written(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def run(case: Case, database: Database) -> tuple[str, str]:
    """Who answered a case, and how its answer differs; empty if it does not."""
    try:
        answer = database.answer(case.sql)
    except NotBuilt as error:
        return REFUSED, f"{case.text}: {error.message}"
    except BigQueryError as error:
        sentence = str(case.answer).removeprefix(_ERROR).strip()
        is_right = case.is_error and sentence in error.message
        return ERROR, "" if is_right else f"{case.text}: {error.message}"
    by = EVALUATED if answer.reason else HELPED if answer.scalars else COMPILED
    kinds = [kind for _, kind in answer.columns]
    rows = [[_natural(kind, value) for kind, value in zip(kinds, row, strict=True)] for row in answer.rows]
    if not case.is_error and rows == _written(case.answer):
        return by, ""
    return by, f"{case.text}: {json.dumps(rows, ensure_ascii=False)}, not {json.dumps(case.answer, ensure_ascii=False)}"

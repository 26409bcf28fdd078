"""The answers of Google's documentation, statement by statement, and what docs/emulators.md says of functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.bigquery import page
from tests.conformance.bigquery.cases import FOLDER, REFUSED, all_cases, read, run
from tests.googlesql import Database

FILES = sorted(FOLDER.glob("*.txt"))
LEAST = 600


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_statements_answer_as_googles_documentation_says(file: Path) -> None:
    database, differences = Database(), []
    for case in read(file):
        by, difference = run(case, database)
        if case.is_built:
            differences += [difference] if difference else []
        elif by != REFUSED:
            differences.append(f"{case.text}: is answered ({by}), but marked as not built")
    assert differences == []


def test_there_are_enough_statements_and_none_twice() -> None:
    texts = [case.text for case in all_cases()]
    assert len(texts) == len(set(texts)) >= LEAST


def test_the_document_lists_the_functions() -> None:
    written = page.PAGE.read_text().splitlines()
    missing = [line for line in (*page.function_lines(), *page.count_lines()) if line not in written]
    assert missing == [], "run python -m tests.conformance.bigquery.page"

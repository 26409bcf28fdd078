"""The answers of Google's documentation, statement by statement, and what docs/emulators.md says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.bigquery import page
from tests.conformance.bigquery.cases import FOLDER, REFUSED, all_cases, read

FILES = sorted(FOLDER.glob("*.txt"))
LEAST = 600
each_file = pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])


@each_file
def test_statements_answer_as_googles_documentation_says(file: Path) -> None:
    differences = []
    for case, (_, by, difference) in zip(read(file), page.results(file), strict=True):
        if case.is_built:
            differences += [difference] if difference else []
        elif by != REFUSED:
            differences.append(f"{case.text}: is answered ({by}), but marked as not built")
    assert differences == []


def test_there_are_enough_statements_and_none_twice() -> None:
    texts = [case.text for case in all_cases()]
    assert len(texts) == len(set(texts)) >= LEAST


@each_file
def test_the_document_counts_the_statements(file: Path) -> None:
    missing = [row for row in page.rows(file) if row not in page.PAGE.read_text().splitlines()]
    assert missing == [], "run python -m tests.conformance.bigquery.page"


def test_the_document_lists_the_functions() -> None:
    written = page.PAGE.read_text().splitlines()
    assert [line for line in page.function_lines() if line not in written] == [], (
        "run python -m tests.conformance.bigquery.page"
    )

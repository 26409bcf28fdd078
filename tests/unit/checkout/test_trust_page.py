"""docs/trust.md names tests that exist."""

from __future__ import annotations

import re

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "trust.md").read_text()
TESTS = {path.relative_to(ROOT / "tests").as_posix(): path.read_text() for path in ROOT.glob("tests/*/**/test_*.py")}
FILE = re.compile(r"`((?:unit|integration|e2e)/[\w/]*test_\w+\.py)`")


def test_every_promise_names_a_test_that_exists() -> None:
    promises = re.search(r"## Promises\n(.*?)\n## ", PAGE, re.DOTALL)
    assert promises
    rows = [line for line in promises[1].splitlines() if line.startswith("| ")][1:]
    named = [set(FILE.findall(row)) for row in rows]
    assert len(rows) > 10 and all(named)
    assert set().union(*named) - TESTS.keys() == set()


def test_every_test_that_the_page_names_exists() -> None:
    files = set(FILE.findall(PAGE))
    functions = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(files) > 10 and len(functions) > 10
    assert files - TESTS.keys() == set()
    assert [name for name in functions if not any(f"def {name}(" in text for text in TESTS.values())] == []


def test_the_table_of_faults_has_its_place() -> None:
    lines = (ROOT / "dev/chaos/README.md").read_text().splitlines()
    assert lines.count("<!-- chaos -->") == lines.count("<!-- /chaos -->") == 1
    assert lines.index("<!-- chaos -->") < lines.index("<!-- /chaos -->")

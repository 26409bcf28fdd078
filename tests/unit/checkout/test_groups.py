"""How tests are spread over workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import GROUPS, ROOT, group_of


@pytest.mark.parametrize(
    ("file", "group"),
    [
        ("e2e/test_platform.py", "e2e"),
        ("e2e/course/test_course_page.py", "e2e/course"),
        ("e2e/test_backup.py", "e2e/test_backup.py"),
        ("integration/stores/test_replacing_a_month.py", "integration"),
        ("unit/cli/test_main.py", "unit"),
    ],
)
def test_the_longest_path_decides(file: str, group: str) -> None:
    assert group_of(ROOT / "tests" / file) == group


def test_every_group_is_there() -> None:
    assert [name for name in GROUPS if not (ROOT / "tests" / name).exists()] == []


def test_a_worker_knows_its_groups(request: pytest.FixtureRequest) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("all tests run in one process here")
    assert request.node.nodeid.endswith(f"@{Path(__file__)}")

"""How tests are spread over workers."""

from __future__ import annotations

import pytest

from tests.conftest import GROUPS, ROOT, group_of, worker_group_of


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


def test_tests_of_one_platform_go_to_one_worker_and_unit_tests_to_any() -> None:
    assert worker_group_of("tests/e2e/test_platform.py::test_it[a::b]") == "e2e"
    assert worker_group_of("tests/e2e/test_pages.py::test_it") == "e2e"
    assert worker_group_of("tests/unit/cli/test_main.py::test_it") == "tests/unit/cli/test_main.py"

"""`check`: the report in the terminal, from the JSON of the start page."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli import check
from orionbox.errors import CommandError
from tests.unit.fake_api import FakeApi

CRON = "deployment load/mine exists, but its cron is `0 5 * * 1`: that is every Monday at 5:00"


def result(name: str, group: str, passed: bool | None, rationale: str, help_: str = "") -> dict[str, Any]:
    status = {True: "passed", False: "not yet", None: "cannot be checked yet"}[passed]
    return {
        "name": name,
        "group": group,
        "description": name.title(),
        "passed": passed,
        "status": status,
        "cause": {"rationale": rationale, "help": help_},
        "section": "here",
        "commands": ["$ make run-etl"],
    }


CHECKS = [
    result("pipeline", "lesson", True, "run big-dog of flow etl completed"),
    result("cache", "lesson", None, "first comes: Script", "do that step"),
    result("q2", "homework", False, CRON, "use cron"),
]


def test_each_check_is_told_with_its_state_what_was_found_and_what_to_do() -> None:
    assert list(check.report(CHECKS)) == [
        "The lesson: 1 of 2 passed, 1 cannot be checked yet",
        "[x] pipeline: Pipeline",
        "    run big-dog of flow etl completed",
        "[?] cache: Cache",
        "    cannot be checked yet: first comes: Script",
        "    do that step",
        "",
        "Homework of 2023: 0 of 1 passed",
        "[ ] q2: Q2",
        f"    not yet: {CRON}",
        "    use cron",
        "      $ make run-etl",
        "",
        "Next: Cache (docs/week2.md#here)",
        "  $ make run-etl",
    ]


def test_what_a_student_has_named_does_not_change_the_terminal() -> None:
    planted = result("q2", "homework", False, "run \x1b[2J of flow \u202eetl", "use\rcron")
    text = "".join(check.report([planted]))
    assert "run \\x1b[2J of flow \\u202eetl" in text and "use\\rcron" in text


def test_when_everything_has_passed_it_says_so() -> None:
    assert list(check.report(CHECKS[:1]))[-1] == "Everything has passed."


class FakeRuntime:
    """A runtime whose start page has this port."""

    def __init__(self, port: str) -> None:
        self.settings = {"START_PORT": port}

    def prepare(self) -> None:
        """Checks nothing."""

    def require_own(self) -> None:
        """Refuses nothing."""


def test_json_is_what_the_start_page_sends(capsys: pytest.CaptureFixture[str]) -> None:
    sent = {"passed": 1, "checks": CHECKS}
    with FakeApi(route=lambda path, body: sent).serving() as api:
        runtime: Any = FakeRuntime(api.url.rpartition(":")[2])
        assert check.check(runtime, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == sent


def test_without_a_start_page_the_next_step_is_make_up() -> None:
    runtime: Any = FakeRuntime("1")
    with pytest.raises(CommandError) as error:
        check.check(runtime, as_json=False)
    assert "the start page does not answer" in error.value.text and "make up" in error.value.fix

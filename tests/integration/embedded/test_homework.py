"""The homework of 2023, as students write it, on generated months: the right answers, found by the lesson's checks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orionbox.lesson.homework import CRON, Q1, Q4, Q5
from tests.conftest import Checkout, wait_for

STUDENT = Path(__file__).with_name("student") / "homework.py"
FLOW = "homework-web-to-gcs"
ANSWERED = (
    "script",
    "block",
    "to-gcs",
    "deployment",
    "deployment-run",
    "schedule",
    "webhook",
    "notification",
    "secret",
)
QUESTIONS = ("q1", "q2", "q4-block", "q4-deployment", "q4", "q5-notification", "q5", "q6")


def checks(platform: Checkout) -> dict[str, dict[str, Any]]:
    """What `check --json` prints, by the names of the checks."""
    printed = platform.run("./orionbox", "check", "--json").stdout
    report = json.loads(printed[printed.index("{") :])  # the line about the runtime, on standard error, comes first
    return {each["name"]: each for each in report["checks"]}


@pytest.fixture(scope="module")
def homework(platform: Checkout) -> Checkout:
    """The platform after a student has answered the questions 1, 2, 4, 5 and 6."""
    folder = platform.root / "workspace" / "homework"
    folder.mkdir(parents=True)
    (folder / "homework.py").write_bytes(STUDENT.read_bytes())
    git = ("git", "-c", "user.name=student", "-c", "user.email=student@example.org")
    for command in (("init", "--quiet"), ("add", "homework.py"), ("commit", "--quiet", "--message=homework")):
        subprocess.run([*git, *command], cwd=folder, check=True)
    settings = f"REPOSITORY='{folder}'"
    build = f'prefect deployment build homework.py:homework_web_to_gcs -n monthly --cron "{CRON}" --timezone UTC -a'
    # The agent may be another user than the one who owns the repository
    trust = f"git config --global --add safe.directory '{folder}/.git'"
    platform.make("shell", stdin=f"{trust} && cd '{folder}' && {settings} python homework.py && {build}")
    wait_for(lambda: checks(platform)["q2"]["passed"], "the schedule's check")
    platform.make("shell", stdin=f"prefect deployment delete {FLOW}/monthly")
    for month in (Q4, Q5):
        year, number = map(int, month.month.split("-"))
        run = platform.finished_run(f"{FLOW}/from-github", {"year": year, "month": number})
        assert run["state_type"] == "COMPLETED", run["state"]
    return platform


def test_the_questions_have_the_course_s_answers(homework: Checkout) -> None:
    found = checks(homework)
    wrong = {name: found[name] for name in (*ANSWERED, *QUESTIONS) if found[name]["passed"] is not True}
    assert wrong == {}
    for name, month in (("q1", Q1), ("q4", Q4), ("q5", Q5)):
        assert f"{month.rows:,}" in found[name]["cause"]["rationale"]
    assert CRON in found["q2"]["cause"]["rationale"], "its deployment was deleted, and the answer is remembered"
    assert "8 asterisks" in found["q6"]["cause"]["rationale"]


def test_messages_to_slack_arrive_in_the_inbox(homework: Checkout) -> None:
    assert "hooks.slack.com\n    homework is under way" in homework.make("inbox")
    # Orion sends its notifications some seconds later
    wait_for(lambda: f"Flow run {FLOW}/" in homework.make("inbox"), "the notification")


def test_the_report_says_what_is_missing(homework: Checkout) -> None:
    printed = homework.make("check")
    assert "[x] q1: Question 1" in printed and "[?] q3: Question 3" in printed
    assert "no object in the bucket is of yellow 2019-02" in printed and "Next: " in printed


def test_what_was_achieved_survives_down_and_up(homework: Checkout) -> None:
    homework.make("down")
    assert "start the platform with: make up" in homework.make_fails("check")
    homework.make("up")
    assert checks(homework)["q2"]["passed"] is True

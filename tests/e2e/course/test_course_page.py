"""docs/week2.md, executed from its first command to its last."""

from __future__ import annotations

import itertools

import pytest

from tests.conftest import ROOT, Answer, wait_for
from tests.e2e.course.conftest import CutOff
from tests.e2e.course.page import Step, steps

PAGE = ROOT / "docs" / "week2.md"
ANSWERS = {
    "prefect version": "Server type:         server",
    "prefect orion start": "Orion is already running: http://localhost:",
    "prefect block register -m prefect_gcp": "Successfully registered",
    "prefect block ls": "gcs-bucket/zoom-gcs",
    "python ingest_data.py": "Finished in state Completed",
    'timeout --preserve-status --signal=INT 20 prefect agent start --work-queue "default"': "Agent started!",
}
"""A part of what some commands must answer."""


def execute(platform: CutOff, where: str, group: list[Step]) -> list[Answer]:
    """Executes steps of one kind; returns the answers to those that are commands."""
    if where == "shell":
        return platform.shell(*(step.text for step in group))
    if where == "file":
        for step in group:
            (platform.root / "workspace" / step.name).write_text(step.text)
        return []
    done = [(step.text, platform.run("bash", "-c", step.text)) for step in group]
    return [Answer(command, run.stdout, run.returncode) for command, run in done]


@pytest.fixture(scope="module")
def answers(cut_off: CutOff) -> list[Answer]:
    """The answers to all commands, in the page's order."""
    groups = itertools.groupby(steps(PAGE.read_text()), key=lambda step: step.where)
    return [answer for where, group in groups for answer in execute(cut_off, where, list(group))]


def test_every_command_of_the_page_works_in_the_page_s_order(cut_off: CutOff, answers: list[Answer]) -> None:
    assert [f"{answer.command}\n{answer.output}" for answer in answers if answer.code] == []
    assert "hello from a block" in cut_off.make("inbox")
    wait_for(lambda: "Flow run Count Trips" in cut_off.make("inbox"), "the notification", 60)


@pytest.mark.parametrize("command", ANSWERS)
def test_the_command_works_as_the_course_describes(answers: list[Answer], command: str) -> None:
    found = [answer.output for answer in answers if answer.command == command]
    assert found and all(ANSWERS[command] in output for output in found), found
    assert not any("has been deprecated" in output for output in found)


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").glob("week2-*.png")), ids=lambda path: path.name)
def test_every_picture_is_on_the_page(picture: object) -> None:
    assert f"images/{getattr(picture, 'name', '')}" in PAGE.read_text()

"""docs/week2.md, executed from its first command to its last."""

from __future__ import annotations

import itertools

import pytest

from tests.conftest import ROOT, wait_for
from tests.e2e.course.conftest import CutOff
from tests.e2e.course.page import Step, steps

PAGE = ROOT / "docs" / "week2.md"


def failures(platform: CutOff, where: str, group: list[Step]) -> list[str]:
    """Executes steps of one kind; returns what went wrong."""
    if where == "shell":
        answers = platform.shell(*(step.text for step in group))
        return [f"{answer.command}\n{answer.output}" for answer in answers if answer.code]
    if where == "file":
        for step in group:
            (platform.root / "workspace" / step.name).write_text(step.text)
        return []
    done = [(step.text, platform.run("bash", "-c", step.text)) for step in group]
    return [f"{command}\n{run.stdout}" for command, run in done if run.returncode]


def test_every_command_of_the_page_works_in_the_page_s_order(cut_off: CutOff) -> None:
    groups = itertools.groupby(steps(PAGE.read_text()), key=lambda step: step.where)
    wrong = [failure for where, group in groups for failure in failures(cut_off, where, list(group))]
    assert wrong == []
    assert "hello from a block" in cut_off.make("inbox")
    wait_for(lambda: "Flow run Count Trips" in cut_off.make("inbox"), "the notification", 60)


def test_the_next_start_leaves_the_page_s_deployment_alone(cut_off: CutOff) -> None:
    cut_off.make("up")
    assert cut_off.orion.deployment("etl-parent-flow/Parameterized ETL")["path"] == "/workspace"


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").glob("week2-*.png")), ids=lambda path: path.name)
def test_every_picture_is_on_the_page(picture: object) -> None:
    assert f"images/{getattr(picture, 'name', '')}" in PAGE.read_text()

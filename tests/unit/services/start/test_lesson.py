"""The steps of the lesson, compared with its text."""

from __future__ import annotations

from markdown import markdown

from services.start.lesson import STEPS, StepStatus, next_step
from tests.conftest import ROOT


def test_the_next_step_is_the_first_that_is_not_done() -> None:
    done = [StepStatus(step, True) for step in STEPS]
    assert next_step(done) is None
    assert next_step([StepStatus(STEPS[0], True), StepStatus(STEPS[1], False), StepStatus(STEPS[2], False)]) == STEPS[1]
    assert next_step([StepStatus(step, None) for step in STEPS]) is None


def test_every_step_has_its_section_in_the_lesson() -> None:
    lesson = markdown((ROOT / "docs/week2.md").read_text(), extensions=["fenced_code", "tables", "toc"])
    assert [step.section for step in STEPS if f'id="{step.section}"' not in lesson] == []
    assert 'id="exercises"' in lesson


def test_every_command_of_a_step_is_in_the_lesson_or_the_readme() -> None:
    text = (ROOT / "docs/week2.md").read_text() + (ROOT / "README.md").read_text()
    lines = [line for step in STEPS for line in step.command.splitlines()]
    assert [line for line in lines if line not in text] == []

"""The files of the lesson are those of its page, and `make up` puts them into the workspace once."""

from __future__ import annotations

from pathlib import Path

from cli.runtimes import folders
from tests.conftest import ROOT
from tests.e2e.course.page import steps

FILES = ROOT / folders.LESSON_FILES


def test_the_files_of_the_lesson_are_those_of_its_page() -> None:
    named = {
        step.name.rpartition("/")[2]: step.text for step in steps((ROOT / "docs/week2.md").read_text()) if step.name
    }
    assert {file.name: file.read_text() for file in FILES.iterdir()} == named


def test_the_lesson_s_folder_is_filled_when_it_is_empty_and_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "week2"
    folders.fill_lesson(folder)
    assert (folder / "hello.py").read_bytes() == (FILES / "hello.py").read_bytes()
    (folder / "hello.py").write_text("mine")
    (folder / "tell.py").unlink()
    folders.fill_lesson(folder)
    assert (folder / "hello.py").read_text() == "mine" and not (folder / "tell.py").exists()


def test_nothing_is_written_through_a_link_that_a_run_has_left(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "week2").symlink_to(elsewhere)
    folders.fill_lesson(tmp_path / "week2")
    assert list(elsewhere.iterdir()) == []


def test_a_file_of_the_folder_s_name_stays(tmp_path: Path) -> None:
    (tmp_path / "week2").write_text("mine")
    folders.fill_lesson(tmp_path / "week2")
    assert (tmp_path / "week2").read_text() == "mine"

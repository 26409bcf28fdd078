"""The note of a restore: there from before its first change to its end, and only as long as it is true."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.runtimes import checkout, ports, restore_note
from cli.runtimes.restore_note import RestoreNote
from cli.runtimes.runtime import Runtime
from cli.settings.settings import Settings
from orionbox.errors import CommandError


@pytest.fixture
def runtime(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """A platform in a checkout of its own."""
    monkeypatch.setattr(ports, "FOLDER", tmp_path / ".ports")
    monkeypatch.setattr(restore_note, "ROOT", tmp_path)
    return cast(Runtime, cast(Any, SimpleNamespace(name="compose", settings=settings)))


def interrupt(runtime: Runtime, **facts: Any) -> None:
    with restore_note.under_way(runtime, RestoreNote("backups/mine.tar", **facts)):
        pass


def test_a_platform_without_a_note_is_whole(runtime: Runtime) -> None:
    restore_note.require_none(runtime)
    assert restore_note.read(runtime) is None and restore_note.explain(runtime) == ""


def test_a_note_says_what_to_do_until_it_is_removed(runtime: Runtime) -> None:
    interrupt(runtime)
    with pytest.raises(CommandError, match=r"was interrupted.*make restore FILE=backups/mine\.tar.*make reset"):
        restore_note.require_none(runtime)
    restore_note.remove(runtime)
    restore_note.require_none(runtime)


def test_a_note_keeps_what_is_needed_to_complete_the_restore(runtime: Runtime) -> None:
    interrupt(runtime, is_filled=True, unfinished={"flow_run": ["1"]}, rows={"warehouse": {"green": 3}})
    note = restore_note.read(runtime)
    assert note and (note.unfinished, note.rows) == ({"flow_run": ["1"]}, {"warehouse": {"green": 3}})
    assert "complete the restore with: make up" in restore_note.explain(runtime)


def test_a_restore_that_is_running_is_waited_for(runtime: Runtime) -> None:
    with restore_note.under_way(runtime, RestoreNote("backups/mine.tar")):
        with pytest.raises(CommandError, match="a restore of platform orionbox is running; wait for its end"):
            restore_note.read(runtime)
        with pytest.raises(CommandError, match="is running"):
            interrupt(runtime)
        assert "is running; wait for its end" in restore_note.explain(runtime)


@pytest.mark.parametrize("content", ["", '{"file": "backups/mi', '{"other": 1}', "[]"])
def test_a_note_that_was_cut_off_counts(content: str, runtime: Runtime) -> None:
    interrupt(runtime)
    restore_note.note_file(runtime).write_text(content)
    with pytest.raises(CommandError, match="was interrupted"):
        restore_note.require_none(runtime)


def test_it_is_no_record_of_a_platform(runtime: Runtime, tmp_path: Path) -> None:
    interrupt(runtime)
    assert checkout.records(tmp_path) == []


def test_a_copy_of_the_checkout_has_no_half_platform_on_docker(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(runtime)
    copied = checkout.Identity(tmp_path, copied_from="/elsewhere")
    monkeypatch.setattr(checkout, "read", lambda _: copied)
    assert restore_note.read(runtime) is None

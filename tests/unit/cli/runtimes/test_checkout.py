"""The id of a checkout: kept when it moves, new in a copy; and the record of its platforms."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cli.runtimes import checkout


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A checkout that has started a platform in each runtime."""
    root = tmp_path / "here"
    root.mkdir()
    checkout.settle(root)
    for name in ("orionbox-compose", "old-name-embedded"):
        checkout.record(root / f".ports/{name}.json")
    return root


def test_reading_writes_nothing_and_the_first_id_is_kept(tmp_path: Path) -> None:
    assert checkout.read(tmp_path) == checkout.Identity(tmp_path)
    assert list(tmp_path.iterdir()) == []
    created = checkout.ensure_id(tmp_path)
    assert len(created.id) == 16
    assert checkout.ensure_id(tmp_path) == checkout.read(tmp_path) == checkout.settle(tmp_path) == created


def test_a_moved_checkout_keeps_its_id_and_knows_where_it_was_until_it_starts_something(
    here: Path, tmp_path: Path
) -> None:
    before, there = checkout.read(here), tmp_path / "there"
    here.rename(there)
    assert checkout.read(there) == checkout.ensure_id(there) == checkout.Identity(there, before.id, str(here))
    assert checkout.settle(there) == checkout.read(there) == checkout.Identity(there, before.id)


def test_a_copy_gets_an_id_of_its_own_and_not_the_originals_containers(here: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(here, tmp_path / "copy"))
    assert checkout.read(copy) == checkout.Identity(copy, copied_from=str(here))
    assert checkout.records(copy) == [("old-name", "embedded")], "a copy has the data of embedded platforms"
    assert checkout.ensure_id(copy).id not in ("", checkout.read(here).id)
    assert checkout.read(copy).copied_from == ""
    assert checkout.records(copy) == [("old-name", "embedded")]
    assert checkout.records(here) == [("old-name", "embedded"), ("orionbox", "compose")]


def test_a_link_or_mount_to_the_same_folder_is_no_copy(here: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(here)
    assert checkout.read(tmp_path / "link").id == checkout.read(here).id


def test_the_original_that_may_not_be_read_counts_as_there(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_text = Path.read_text

    def refuse_elsewhere(path: Path, encoding: str = "") -> str:
        if here not in path.parents:
            raise PermissionError(path)
        return read_text(path, encoding)

    file = here / ".ports/checkout.json"
    file.write_text(json.dumps({"id": "4f2a", "folder": "/home/bob/orionbox"}))
    monkeypatch.setattr(Path, "read_text", refuse_elsewhere)
    assert checkout.read(here).copied_from == "/home/bob/orionbox"


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"id": "4f2a"}', "\xff"])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / ".ports").mkdir()
    (tmp_path / ".ports/checkout.json").write_text(content, encoding="latin-1")
    assert checkout.read(tmp_path).id == ""
    assert checkout.ensure_id(tmp_path).id


def test_with_the_last_record_everything_goes(here: Path) -> None:
    assert not checkout.record(here / ".ports/orionbox-compose.json"), "it was recorded before"
    checkout.forget(here / ".ports/orionbox-compose.json")
    assert checkout.read(here).id
    checkout.forget(here / ".ports/old-name-embedded.json")
    checkout.forget(here / ".ports/never-recorded-embedded.json")
    assert list(here.iterdir()) == []


def test_a_record_keeps_the_ports_that_are_in_it(here: Path) -> None:
    file = here / ".ports/orionbox-compose.json"
    file.write_text('{"ORION_PORT=4200": 4201}')
    checkout.record(file)
    assert "4201" in file.read_text()

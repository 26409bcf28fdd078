"""Files are written atomically, with their permissions from the start."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.programs import ROOT
from orionbox.files import delete_folder, new_file, temporary_folder, write, write_private

WRITER = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from orionbox.files import new_file\n"
    "with new_file(Path(sys.argv[1])) as file:\n"
    "    file.write(b'half')\n"
    "    print('writing', flush=True)\n"
    "    time.sleep(600)\n"
)
"""A program that is killed while it writes its argument."""
REWRITER = (
    "import sys\n"
    "from pathlib import Path\n"
    "from orionbox.files import write\n"
    "for _ in range(50):\n"
    "    write(Path(sys.argv[1]), sys.argv[2] * 1000)\n"
)
"""A program that writes a file again and again."""


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def no_umask() -> Iterator[None]:
    old_umask = os.umask(0)
    yield
    os.umask(old_umask)


def test_a_private_file_replaces_a_public_one(tmp_path: Path, no_umask: None) -> None:
    (tmp_path / "file").write_text("old, and open to all")
    write_private(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert mode(tmp_path / "file") == 0o600
    assert names(tmp_path) == ["file"]


def test_the_umask_does_not_close_a_file_that_containers_read(tmp_path: Path) -> None:
    old_umask = os.umask(0o077)
    try:
        write(tmp_path / "file", "text")
    finally:
        os.umask(old_umask)
    assert mode(tmp_path / "file") == 0o644


def test_the_old_content_stays_when_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    write_private(tmp_path / "file", "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(tmp_path / "file", "\udc80")
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_write_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no space left"), new_file(tmp_path / "file") as file:
        file.write(b"half")
        raise OSError("no space left")
    assert names(tmp_path) == []


def test_a_stale_temporary_file_does_not_pass_its_mode_on(tmp_path: Path, no_umask: None) -> None:
    for stale in ("file.part", ".file.part", ".file.abcd1234.part"):
        (tmp_path / stale).write_text("left by a killed program, open to all")
    with new_file(tmp_path / "file"):
        being_written = set(names(tmp_path)) - {"file.part", ".file.part"}
        assert [mode(tmp_path / name) for name in being_written] == [0o600]


def test_leftovers_of_a_killed_writer_are_deleted_by_the_next_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "backup-1.tar")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout and writer.stdout.readline() == "writing\n"
        write(tmp_path / "other", "text")
        assert len(names(tmp_path)) == 2, "a file that is being written stays"
        writer.kill()
    assert len(names(tmp_path)) == 2
    write(tmp_path / "backup-2.tar", "text")
    assert names(tmp_path) == ["backup-2.tar", "other"]


def test_a_user_s_own_hidden_file_stays(tmp_path: Path) -> None:
    (tmp_path / ".novel.part").write_text("chapter one")
    write(tmp_path / "file", "text")
    assert names(tmp_path) == [".novel.part", "file"]


def test_two_writers_of_one_folder_leave_each_other_s_files_alone(tmp_path: Path) -> None:
    with new_file(tmp_path / "one") as one, new_file(tmp_path / "two") as two:
        one.write(b"1")
        two.write(b"2")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"one": "1", "two": "2"}


def test_many_programs_that_write_one_file_at_once_leave_one_complete_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", REWRITER, str(tmp_path / "file")]
    writers = [subprocess.Popen([*command, letter], cwd=ROOT) for letter in "abcd"]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() in {letter * 1000 for letter in "abcd"}


def test_a_temporary_folder_is_private_and_does_not_stay(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as folder:
        (folder / "inside").mkdir()
        (folder / "inside" / "file").touch()
        write(tmp_path / "other", "text")
        assert (mode(folder), names(folder)) == (0o700, ["inside"]), "what is in use stays"
    assert names(tmp_path) == ["other"]


def test_a_killed_program_s_temporary_folder_is_deleted(tmp_path: Path) -> None:
    leftover = tmp_path / ".folder.abcd1234.part" / "deep"
    leftover.mkdir(parents=True)
    with temporary_folder(tmp_path) as folder:
        assert names(tmp_path) == [folder.name]


def test_the_content_is_on_the_disk_before_the_name_is_and_then_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, bool]] = []

    def fsync(descriptor: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), (tmp_path / "file").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write(tmp_path / "file", "text")
    assert synced == [(False, False), (True, True)]


def test_a_folder_is_deleted_even_if_another_program_deletes_its_files_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "file").write_text("text")
    unlink = os.unlink

    def unlink_twice(path: Any, **options: Any) -> None:
        unlink(path, **options)
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", unlink_twice)
    delete_folder(folder)
    delete_folder(folder)
    assert not folder.exists()

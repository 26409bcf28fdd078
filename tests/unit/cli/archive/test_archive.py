"""The file of a backup: what was written comes back, and whatever is not as it was written is refused in one line."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.archive import archive
from orionbox.errors import BadInputError

FACTS = {"orionbox": "0.1.0", "rows": {"warehouse": {"green_tripdata": 3}}}
MEMBERS = {"orion.dump": b"state" * 1000, "bucket.tar.gz": b""}


def inner_tar(*members: tarfile.TarInfo) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return file.getvalue()


def write(path: Path, members: dict[str, bytes], **facts: Any) -> Path:
    with archive.new_file(path) as file:
        writer = archive.Writer(file)
        for name, content in members.items():
            writer.add(name, lambda sink, content=content: sink.write(content))  # type: ignore[misc]
        writer.finish({**FACTS, **facts})
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "backup.tar", {**MEMBERS, "bucket.tar.gz": inner_tar(tarfile.TarInfo("bucket/object"))})


def reason(path: Path) -> str:
    """Why it is refused."""
    with pytest.raises(BadInputError) as error, archive.opened(path):
        pass
    return str(error.value)


def test_what_was_written_comes_back(file: Path) -> None:
    with archive.opened(file) as backup:
        assert backup.stream("orion.dump").read() == MEMBERS["orion.dump"]
        assert backup.manifest["rows"] == FACTS["rows"]


def test_tar_itself_unpacks_it_into_one_folder(file: Path, tmp_path: Path) -> None:
    with tarfile.open(file) as tar:
        tar.extractall(tmp_path, filter="data")
    assert {path.name for path in (tmp_path / "orionbox-backup").iterdir()} == {*MEMBERS, "manifest.json"}


def test_only_its_owner_can_read_it(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_of_a_backup_that_fails_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(OSError), archive.new_file(tmp_path / "backup.tar") as file:
        file.write(b"half")
        raise OSError("no space left")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_cut_short_anywhere_is_refused(file: Path) -> None:
    whole = file.read_bytes()
    for length in range(0, len(whole) - 2 * tarfile.BLOCKSIZE, 250):
        file.write_bytes(whole[:length])
        assert "nothing was changed" in reason(file), length


def test_a_byte_that_has_changed_anywhere_is_noticed(file: Path) -> None:
    """Or it is one that says nothing: what fills a block up."""
    whole = file.read_bytes()
    for place in range(0, len(whole), 101):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            with archive.opened(file) as backup:
                assert backup.stream("orion.dump").read() == MEMBERS["orion.dump"]
                assert backup.manifest["rows"] == FACTS["rows"]
        except BadInputError as error:
            assert "nothing was changed" in str(error)


def foreign_tar(path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("holiday/photo.jpg"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "there is no such file"),
        (lambda path: path.write_text("a letter"), "is not a backup"),
        (lambda path: path.write_bytes(b""), "is not a backup"),
        (foreign_tar, "is not a backup of Orionbox"),
        (lambda path: write(path, MEMBERS, format=archive.FORMAT + 1), "of a newer Orionbox"),
    ],
)
def test_what_is_no_backup_of_ours_is_refused(make: Callable[[Path], object], words: str, tmp_path: Path) -> None:
    make(tmp_path / "file.tar")
    assert words in reason(tmp_path / "file.tar")


def link(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc"
    return member


@pytest.mark.parametrize(
    "member", [tarfile.TarInfo("../outside"), tarfile.TarInfo("/etc/passwd"), tarfile.TarInfo("a/../../b"), link("a")]
)
def test_a_part_that_would_write_elsewhere_is_refused(member: tarfile.TarInfo, tmp_path: Path) -> None:
    file = write(tmp_path / "backup.tar", {"bigquery.tar.gz": inner_tar(member)})
    assert "which no backup does" in reason(file)


def test_a_member_that_the_manifest_does_not_know_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    with archive.new_file(file) as target:
        writer = archive.Writer(target)
        writer.add("extra", lambda sink: sink.write(b"more"))
        writer.members.clear()
        writer.finish(FACTS)
    assert "other members than its manifest says" in reason(file)


def test_a_manifest_that_was_edited_is_refused(file: Path) -> None:
    content = file.read_bytes()
    edited = content.replace(json.dumps("0.1.0").encode(), json.dumps("0.0.1").encode())
    assert edited != content
    file.write_bytes(edited)
    assert "its manifest is not as it was" in reason(file)

"""The file of a backup: what was written comes back, and anything else is refused in one line."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.archive import archive
from orionbox.errors import BadInputError, CommandError
from orionbox.files import new_file

FACTS = {"orionbox": "0.1.0", "rows": {"warehouse": {"green_tripdata": 3}}}
MEMBERS = {"orion.dump": b"state" * 1000, "bucket.tar.gz": b""}


def inner_tar(*members: tarfile.TarInfo) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return file.getvalue()


def write(path: Path, members: dict[str, bytes], **facts: Any) -> Path:
    with new_file(path) as file:
        writer = archive.ArchiveWriter(file)
        for name, content in members.items():
            writer.add_bytes(name, content)
        writer.finish({**FACTS, **facts})
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "backup.tar", {**MEMBERS, "bucket.tar.gz": inner_tar(tarfile.TarInfo("bucket/object"))})


def refusal(path: Path) -> str:
    with pytest.raises(BadInputError) as error, archive.open_archive(path):
        pass
    return str(error.value)


def test_written_members_are_read_back(file: Path) -> None:
    with archive.open_archive(file) as backup:
        assert backup.stream("orion.dump").read() == MEMBERS["orion.dump"]
        assert backup.manifest["rows"] == FACTS["rows"]


def test_tar_itself_unpacks_it_into_one_folder(file: Path, tmp_path: Path) -> None:
    with tarfile.open(file) as tar:
        tar.extractall(tmp_path, filter="data")
    assert {path.name for path in (tmp_path / "orionbox-backup").iterdir()} == {*MEMBERS, "manifest.json"}


def test_only_its_owner_can_read_it(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_error_of_the_disk_while_it_is_used_is_not_blamed_on_the_file(file: Path) -> None:
    with pytest.raises(OSError, match="No space left") as error, archive.open_archive(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not isinstance(error.value, BadInputError)


def test_a_file_that_is_cut_short_anywhere_is_refused(file: Path) -> None:
    whole = file.read_bytes()
    for length in range(0, len(whole) - 2 * tarfile.BLOCKSIZE, 250):
        file.write_bytes(whole[:length])
        assert "nothing was changed" in refusal(file), length


def test_a_byte_that_has_changed_is_noticed_unless_it_only_fills_up_a_block(file: Path) -> None:
    whole = file.read_bytes()
    for place in range(0, len(whole), 101):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            with archive.open_archive(file) as backup:
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
        (lambda path: None, "No such file or directory; name one of the files in backups/"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_text("a letter"), "is not a backup"),
        (lambda path: path.write_bytes(b""), "is not a backup"),
        (foreign_tar, "is not a backup of Orionbox"),
        (lambda path: write(path, MEMBERS, format=archive.FORMAT + 1), "use a newer Orionbox"),
    ],
)
def test_a_file_that_is_not_a_backup_is_refused(make: Callable[[Path], object], words: str, tmp_path: Path) -> None:
    make(tmp_path / "file.tar")
    assert words in refusal(tmp_path / "file.tar")


def test_a_name_that_is_too_long_for_a_file_is_refused(tmp_path: Path) -> None:
    assert "File name too long" in refusal(tmp_path / ("x" * 300))


def test_a_backup_is_not_a_bundle(file: Path) -> None:
    with pytest.raises(BadInputError, match=r"backup\.tar is not a bundle of Orionbox; nothing was changed"):
        with archive.open_archive(file, archive.BUNDLE):
            pass


def link(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc"
    return member


@pytest.mark.parametrize(
    "member", [tarfile.TarInfo("../outside"), tarfile.TarInfo("/etc/passwd"), tarfile.TarInfo("a/../../b"), link("a")]
)
def test_a_member_that_would_write_outside_its_folder_is_refused(member: tarfile.TarInfo, tmp_path: Path) -> None:
    file = write(tmp_path / "backup.tar", {"bigquery.tar.gz": inner_tar(member)})
    assert "is unsafe: bigquery.tar.gz holds" in refusal(file)


def test_a_member_that_is_not_in_the_manifest_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    with new_file(file) as target:
        writer = archive.ArchiveWriter(target)
        writer.add_bytes("more", b"more")
        writer.members.clear()
        writer.finish(FACTS)
    assert "its members are not those of its manifest" in refusal(file)


def test_a_manifest_that_was_edited_is_refused(file: Path) -> None:
    content = file.read_bytes()
    edited = content.replace(json.dumps("0.1.0").encode(), json.dumps("0.0.1").encode())
    assert edited != content
    file.write_bytes(edited)
    assert "the checksum of its manifest is wrong" in refusal(file)


def test_a_disk_without_room_is_refused_with_both_sizes(tmp_path: Path) -> None:
    archive.require_space(tmp_path, 1)
    with pytest.raises(CommandError, match=r"has [\d.]+ GB free, and the file may need 1000000.0 GB"):
        archive.require_space(tmp_path, 10**15)

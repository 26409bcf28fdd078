"""The file of a backup: what was written comes back, and anything else is refused in one line."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.archive import archive, signature
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


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar")
    assert "is a pipe, which would be waited for; name one of the files in backups/" in refusal(tmp_path / "pipe.tar")


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
        writer.add_bytes("orion.key", b"more")
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


@pytest.mark.parametrize(
    "name", ["bucket.tar", "bucket.tgz", "bucket.tar.gz.tar.gz", "warehouse.sql", "../orion.key", "a/b", "\x1b[2Jx"]
)
def test_a_member_with_any_other_name_is_refused_and_shown_without_its_escape_sequences(
    name: str, tmp_path: Path
) -> None:
    said = refusal(write(tmp_path / "backup.tar", {"orion.dump": b"state", name: b""}))
    assert "is unsafe: it holds " in said and "orionbox-backup/" in said
    assert said.isprintable()


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "backup.tar", {"orion.dump": b"state"})
    content = file.read_bytes()
    file.write_bytes(content[:1024] + content)
    assert "is unsafe: it holds orionbox-backup/orion.dump" in refusal(file)


def bomb(size: int) -> bytes:
    return gzip.compress(bytes(size))


@pytest.mark.parametrize("name", ["orion.sqlite.gz", "bucket.tar.gz"])
def test_a_member_that_unpacks_to_more_than_the_manifest_says_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    with new_file(file) as target:
        writer = archive.ArchiveWriter(target)

        def lie(member: archive.MemberWriter) -> None:
            member.write(bomb(50_000_000))
            member.unpacked = 1_000_000

        writer.add(name, lie)
        writer.finish(FACTS)
    assert f"is unsafe: {name} holds more than the 1,000,000 bytes" in refusal(file)


def test_a_member_of_an_early_version_may_not_unpack_to_more_than_the_disk_has_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "backup.tar", {"orion.sqlite.gz": bomb(50_000_000)})
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    assert "holds more than the 1,000,000 bytes" in refusal(file)


@pytest.mark.parametrize(("facts", "limit"), [({"bytes": 1000}, "2,000"), ({}, "2,431,100")])
def test_a_member_of_an_early_version_is_bounded_by_what_the_manifest_states(
    facts: dict[str, int], limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "SLACK", 0)
    file = write(tmp_path / "backup.tar", {"orion.sqlite.gz": bomb(50_000_000)}, **facts)
    assert f"holds more than the {limit} bytes" in refusal(file)


def test_nothing_of_the_content_is_read_before_the_manifest_is_accepted(tmp_path: Path) -> None:
    file = write(tmp_path / "backup.tar", {"orion.sqlite.gz": b"no gzip", "bucket.tar.gz": b"no tar"}, bytes=10**15)

    def refuse(backup: archive.Archive) -> None:
        raise BadInputError(f"{backup.manifest['bytes']} bytes do not fit")

    with pytest.raises(BadInputError, match="1000000000000000 bytes do not fit"):
        with archive.open_archive(file, check=refuse):
            pass


ESCAPES = "\x1b]0;owned\x07"


@pytest.mark.parametrize(
    "facts",
    [
        {"made": ESCAPES},
        {"platform": ["x"]},
        {"runtime": "x" * 300},
        {"orionbox": f"0.1.0{ESCAPES}"},
        {"orionbox": 1},
        {"cloud": None},
        {"key": "../../../etc/passwd"},
        {"bytes": -1},
        {"bytes": True},
        {"bytes": 10**30},
        {"rows": {"warehouse": {"a": "3"}}},
        {"rows": {"warehouse": [3]}},
        {"rows": []},
        {"warehouse": {"views": "x"}},
        {"warehouse": {"settings": [["database", "search_path"]]}},
        {"warehouse": {"comment": "zero \0 byte"}},
        {"images": [ESCAPES]},
    ],
)
def test_a_fact_in_a_form_that_orionbox_never_writes_is_refused(facts: dict[str, Any], tmp_path: Path) -> None:
    said = refusal(write(tmp_path / "backup.tar", MEMBERS | {"bucket.tar.gz": inner_tar()}, **facts))
    assert f"is unsafe: {next(iter(facts))} in its manifest has a form that Orionbox never writes" in said


def test_a_manifest_that_is_nested_too_deeply_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.dumps", lambda *_, **__: "[" * 200_000)
    file = write(tmp_path / "backup.tar", {"orion.dump": b"state"})
    monkeypatch.undo()
    assert "the checksum of its manifest is wrong" in refusal(file)


def test_a_manifest_that_a_reader_would_refuse_is_not_written(tmp_path: Path) -> None:
    rows = {"warehouse": {f"table_{number}_{'x' * 50}": 1 for number in range(60_000)}}
    with pytest.raises(CommandError, match="there are too many tables or buckets; drop those"):
        write(tmp_path / "backup.tar", {}, rows=rows)
    assert list(tmp_path.glob("*.tar")) == []


# --- the signature ---


def is_own(file: Path) -> bool:
    with archive.open_archive(file) as backup:
        return backup.is_own


def test_a_file_of_this_checkout_is_known(file: Path) -> None:
    assert is_own(file)


def test_a_file_of_another_checkout_is_a_stranger_s(file: Path, signing_key: Path) -> None:
    signing_key.unlink()
    assert not is_own(file)
    signing_key.write_text("0" * 64)
    assert not is_own(file)


def test_a_file_without_a_signature_is_a_stranger_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "sign", lambda *_: "0" * 64)
    assert not is_own(write(tmp_path / "backup.tar", {"orion.dump": b"state"}))


def test_a_signature_is_of_one_manifest_and_one_kind_of_archive(tmp_path: Path) -> None:
    known = signature.sign("backup", "digest")
    assert signature.is_own(known, "backup", "digest")
    assert not any([signature.is_own(known, "bundle", "digest"), signature.is_own(known, "backup", "another")])
    assert not any(signature.is_own(other, "backup", "digest") for other in (None, 5, "", "é" * 64))


def test_the_key_is_private_and_made_once(signing_key: Path) -> None:
    assert signature.sign("backup", "digest") == signature.sign("backup", "digest")
    assert stat.S_IMODE(signing_key.stat().st_mode) == 0o600

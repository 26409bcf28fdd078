"""Tars of unknown origin: what Python and GNU tar write is read, and anything else is refused in little memory."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tarfile import TarInfo

import pytest

from cli.archive import tars
from cli.archive.tars import UnsafeTarError

NAMES = ["month.parquet", "data/green/month.parquet", "ä" * 90 + "/é.csv", "long/" * 40 + "name", "x" * 99, "x" * 101]


def tar_with(*members: TarInfo, format: int = tarfile.PAX_FORMAT, tail: bytes = b"") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size) if member.isreg() else None)
    return file.getvalue() + tail


def member(name: str, size: int = 5, **facts: object) -> TarInfo:
    found = TarInfo(name)
    found.size, found.mtime = size, 1.5  # as of a file, for which a pax header is written
    for fact, value in facts.items():
        setattr(found, fact, value)
    return found


def listed(content: bytes, **options: object) -> list[tuple[str, int]]:
    file = io.BytesIO(content)
    found = tars.list_members(file, partial(tars.skip_by_reading, file), **options)  # type: ignore[arg-type]
    return [(each.name, each.size) for each in found]


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_what_python_writes_is_read(format: int) -> None:
    content = tar_with(*(member(name, len(name)) for name in NAMES), format=format)
    assert listed(content) == [(name, len(name)) for name in NAMES]


@pytest.mark.parametrize("format", ["posix", "gnu"])
def test_what_gnu_tar_writes_is_read(format: str, tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    command = ["tar", f"--format={format}", "-C", str(tmp_path), "-c", *NAMES]
    done = subprocess.run(command, capture_output=True, check=True)
    assert listed(done.stdout) == [(name, len(name.encode())) for name in NAMES]


def test_a_size_beyond_8_gib_stands_in_an_extension_header() -> None:
    header = member("large", 9 << 30).tobuf(tarfile.PAX_FORMAT)
    file = io.BytesIO(header + bytes(1024))
    (found,) = tars.list_members(file, lambda _: None)
    assert found.size == 9 << 30


def header(name: str, size: int | str = 0, kind: bytes = tarfile.REGTYPE, linkname: str = "") -> bytes:
    """A header, also one that no writer makes: with another text for the size."""
    found = TarInfo(name)
    found.type, found.linkname = kind, linkname
    block = bytearray(found.tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = (f"{size:011o}" if isinstance(size, int) else size).encode().ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def extension(facts: dict[str, str]) -> bytes:
    """A pax header."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member("x", 0, pax_headers=facts, mtime=0))
    return file.getvalue()[: 2 * tarfile.BLOCKSIZE]


def of_type(kind: bytes, **facts: object) -> bytes:
    return tar_with(member("x", 0, type=kind, **facts))


@pytest.mark.parametrize(
    "content",
    [
        of_type(tarfile.SYMTYPE, linkname="/etc"),
        of_type(tarfile.LNKTYPE, linkname="etc/passwd"),
        of_type(tarfile.CHRTYPE),
        of_type(tarfile.FIFOTYPE),
        of_type(tarfile.GNUTYPE_SPARSE),
        tar_with(member("x", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})),
        tar_with(member("x", pax_headers={"linkpath": "/etc"})),
        tar_with(member("../outside")),
        tar_with(member("a/../../b")),
        tar_with(member("/etc/passwd")),
        tar_with(member("l" * 5000)),
        header("folder", 512, tarfile.DIRTYPE) + tar_with(),
        extension({"path": "folder/"}) + header("x", 512) + tar_with(),
    ],
    ids=str,
)
def test_a_member_that_is_no_ordinary_file_of_the_folder_is_refused(content: bytes) -> None:
    with pytest.raises(UnsafeTarError):
        listed(content)


def test_a_global_header_is_refused() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", pax_headers={"path": "../x"}) as tar:
        tar.addfile(member("x", 0))
    with pytest.raises(UnsafeTarError):
        listed(file.getvalue())


def test_escape_sequences_in_a_name_are_shown_as_text() -> None:
    with pytest.raises(UnsafeTarError) as error:
        listed(tar_with(member("../\x1b[31mred\n")))
    assert str(error.value).isprintable() and "x1b[31mred" in str(error.value)


def huge_extension(kind: bytes) -> bytes:
    header = TarInfo("x")
    header.type, header.size = kind, 200_000_000
    return header.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_huge_extension_header_is_refused_before_it_is_read(kind: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(UnsafeTarError, match="an extension header of 200,000,000 bytes"):
        listed(huge_extension(kind) + bytes(1 << 20))
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_endless_extension_headers_of_one_member_are_refused() -> None:
    extension = member("x" * 101).tobuf(tarfile.GNU_FORMAT)[:1024]
    with pytest.raises(UnsafeTarError, match="too many extension headers"):
        listed(extension * 2000)


def test_too_many_members_are_refused() -> None:
    with pytest.raises(UnsafeTarError, match="more than 10 members"):
        listed(tar_with(*(member(str(number), 0) for number in range(11))), most=10)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:700],
        lambda content: content[:6000],
        lambda content: b"not a tar" + content[9:],
        lambda content: content.replace(b"path=", b"path?"),
        lambda content: content[:512] + b"999999 " + content[519:],
    ],
)
def test_a_damaged_tar_is_an_error_of_tar(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(tarfile.TarError):
        listed(damage(tar_with(member("x" * 150, 9000))))


LINK = header("link", kind=tarfile.SYMTYPE, linkname="/etc/hostname")
HIDDEN = {
    "a folder with a size": header("folder", 512, tarfile.DIRTYPE) + LINK,
    "a file with the name of a folder": header("folder/", 512) + LINK,
    "a folder's name in an extension header": extension({"path": "folder/"}) + header("x", 512) + LINK,
    "a folder's size in an extension header": extension({"size": "512"}) + header("folder", 0, tarfile.DIRTYPE) + LINK,
    "two extension headers": extension({"size": "512"}) + extension({"path": "a"}) + header("x") + LINK,
    "a size that begins with a zero byte": header("a", "\0" + "0002000") + header("b", 1024) + 2 * LINK,
    "a size as Python writes it": header("a", "0o1000") + LINK,
    "a size with an underscore": header("a", "1_000") + LINK,
    "a size after a control character": header("a", "\x1c1000") + LINK,
}
"""Tars in which GNU tar finds a link, where another reader finds the content of a file."""


@pytest.mark.parametrize("content", HIDDEN.values(), ids=HIDDEN)
def test_what_readers_disagree_about_never_becomes_a_link(content: bytes, tmp_path: Path) -> None:
    written = io.BytesIO()
    try:
        tars.rewrite(io.BytesIO(gzip.compress(content + header("b") + tars.END)), written.write)
    except (UnsafeTarError, tarfile.TarError):
        return
    subprocess.run(["tar", "-x", "-C", str(tmp_path)], input=written.getvalue(), check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_symlink()]


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_what_is_written_again_is_the_same_to_gnu_tar(format: int, tmp_path: Path) -> None:
    names = [*NAMES, "not UTF-8: \udcff"]
    folder = member("empty", 0, type=tarfile.DIRTYPE, mode=0)
    written = io.BytesIO()
    tars.rewrite(
        io.BytesIO(gzip.compress(tar_with(folder, *(member(name, len(name)) for name in names), format=format))),
        written.write,
    )
    subprocess.run(["tar", "-x", "-C", str(tmp_path)], input=written.getvalue(), check=True)
    assert [(tmp_path / name).read_text() for name in names] == ["x" * len(name) for name in names]
    assert list((tmp_path / "empty").iterdir()) == []

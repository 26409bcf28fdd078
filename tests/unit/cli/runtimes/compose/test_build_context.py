"""What Docker gets to build an image from: the same bytes from every checkout of the same commit."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from cli.programs import ROOT, output
from cli.runtimes.compose import build_context
from cli.runtimes.compose.dockerfiles import Dockerfile

FILES = {"Dockerfile": "FROM x:1\n", "app/main.py": "1\n", "app/deep/er/x": "2\n", "bin/run": "#!/bin/sh\n"}


def create(folder: Path, umask: int = 0o022, line_end: str = "\n") -> list[Path]:
    before = os.umask(umask)
    try:
        for name, text in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.replace("\n", line_end).encode())
    finally:
        os.umask(before)
    return [folder / name for name in FILES]


def members(tar: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return {member.name: member for member in opened}


def content(tar: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        file = opened.extractfile(name)
        assert file
        return file.read()


def test_every_user_of_an_image_can_use_its_files_whatever_the_umask_was(tmp_path: Path) -> None:
    files = create(tmp_path, umask=0o077)
    assert (tmp_path / "app").stat().st_mode & 0o077 == 0
    found = members(build_context.pack(build_context.read(files, tmp_path)))
    folders = {name for name, member in found.items() if member.isdir()}
    assert folders == {"app", "app/deep", "app/deep/er", "bin"}
    programs = {name for name, member in found.items() if member.mode == 0o755} - folders
    assert programs == {"bin/run"} and {found[name].mode for name in found.keys() - folders - programs} == {0o644}
    assert {(member.uid, member.gid, member.uname, member.gname) for member in found.values()} == {(0, 0, "", "")}


@pytest.mark.parametrize("umask", [0o077, 0o027, 0o002])
def test_another_checkout_of_the_same_files_gives_the_same_bytes_and_hash(tmp_path: Path, umask: int) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    first = build_context.read(create(here), here)
    files = create(there, umask)
    for number, file in enumerate(files):
        os.utime(file, (number, number))
        file.chmod(file.stat().st_mode | 0o100)  # as a file system without modes shows every file
    if os.geteuid() == 0:
        os.chown(files[-1], 1234, 1234)
    second = build_context.read(reversed(files), there)
    assert build_context.pack(first) == build_context.pack(second)
    assert build_context.digest(first) == build_context.digest(second)


def test_windows_line_ends_reach_neither_the_image_nor_its_hash(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    first = build_context.read(create(here), here)
    second = build_context.read(create(there, line_end="\r\n"), there)
    assert content(build_context.pack(second), "bin/run") == b"#!/bin/sh\n"
    assert build_context.digest(first) == build_context.digest(second)


def test_a_file_that_is_no_text_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\0\r\n")
    tar = build_context.pack(build_context.read([tmp_path / "image.png"], tmp_path))
    assert content(tar, "image.png") == b"\x89PNG\r\n\0\r\n"


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("bin/rün")
    read = build_context.read([tmp_path / "link"], tmp_path)
    found = members(build_context.pack(read))["link"]
    assert found.issym() and found.linkname == "bin/rün"
    (tmp_path / "link").unlink()
    (tmp_path / "link").write_text("bin/rün")
    assert build_context.digest(build_context.read([tmp_path / "link"], tmp_path)) != build_context.digest(read)


def test_what_git_says_is_a_program_is_one_in_an_image() -> None:
    """The modes of the checkout are not asked, so the content has to say it."""
    lines = output("git", "ls-files", "--stage").splitlines()
    programs = [ROOT / line.split("\t")[1] for line in lines if line.startswith("100755")]
    assert programs and {file for file in programs if not file.read_bytes().startswith(build_context.PROGRAMS)} == set()


def test_the_platform_s_own_dockerfiles_are_packed_completely() -> None:
    for file, context in ((ROOT / "services/base/Dockerfile", ROOT), (ROOT / "infra/postgres/Dockerfile", None)):
        folder = context or file.parent
        files = Dockerfile(file, folder, {"DEBIAN": "bookworm", "TAG": "1"}).files()
        found = members(build_context.pack(build_context.read(files, folder)))
        assert {name for name, member in found.items() if not member.isdir()} == {
            path.relative_to(folder).as_posix() for path in files
        }


@pytest.mark.parametrize("service", sorted(path.parent.name for path in ROOT.glob("services/*/__main__.py")))
def test_a_service_has_all_its_modules_in_its_image(service: str) -> None:
    modules = {file.relative_to(ROOT).as_posix() for file in ROOT.glob(f"services/{service}/**/*.py")}
    dockerfile = Dockerfile(ROOT / "services" / service / "Dockerfile", ROOT, {"TAG": "1"})
    assert modules <= {file.relative_to(ROOT).as_posix() for file in dockerfile.files()}

"""When an image is out of date, and in which order images are built."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import programs
from cli.runtimes.compose import build_context, images
from cli.runtimes.compose.compose import Compose
from cli.runtimes.compose.images import Image
from cli.settings.settings import Settings
from orionbox.errors import CommandError


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    monkeypatch.setattr(images, "ROOT", tmp_path)
    (tmp_path / "Dockerfile").write_text("ARG TAG\nFROM parent:${TAG}\nCOPY app *.txt /app/\nADD \\\n  x.sh /app/\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("1")
    (tmp_path / "notes.txt").write_text("1")
    (tmp_path / "x.sh").write_text("1")
    return Image("child:1", tmp_path, tmp_path / "Dockerfile", {"TAG": "7"})


def input_hash(image: Image, parent: str = "a") -> str:
    return images.input_hash(image, {"parent:7": parent})


def test_an_image_that_nothing_was_changed_of_is_up_to_date(image: Image) -> None:
    assert image.parents() == ["parent:7"]
    assert input_hash(image) == input_hash(image)


def test_an_image_is_out_of_date_when_its_parent_is(image: Image) -> None:
    assert input_hash(image, "a") != input_hash(image, "b")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file in a folder": lambda root: (root / "app/main.py").write_text("2"),
    "a new file in a folder": lambda root: (root / "app/new.py").write_text(""),
    "a file of a pattern": lambda root: (root / "notes.txt").write_text("2"),
    "a new file of a pattern": lambda root: (root / "more.txt").write_text("2"),
    "a file on a continued line of ADD": lambda root: (root / "x.sh").write_text("2"),
    "a file becomes executable": lambda root: (root / "x.sh").write_text("#!1"),
    "a file moves, and the bytes of both together stay": lambda root: (
        (root / "app/main.py").write_text(""),
        (root / "notes.txt").write_text("11"),
    ),
    "the Dockerfile": lambda root: (root / "Dockerfile").write_text("FROM parent:7\nCOPY app *.txt x.sh /app/\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_image_is_out_of_date_when_a_file_of_it_is_changed(image: Image, change: str) -> None:
    before = input_hash(image)
    CHANGES[change](image.context)
    assert input_hash(image) != before


@pytest.mark.parametrize("name", ["other.md", "app/__pycache__/main.pyc"])
def test_other_files_make_no_image_out_of_date(image: Image, name: str) -> None:
    before = input_hash(image)
    (image.context / name).parent.mkdir(exist_ok=True)
    (image.context / name).write_text("2")
    assert input_hash(image) == before


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_the_modes_of_a_checkout_do_not_count(image: Image, mode: int) -> None:
    before = input_hash(image)
    (image.context / "x.sh").chmod(mode)
    assert input_hash(image) == before


def test_an_image_is_found_in_a_checkout_with_a_dollar_in_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose prints two for each."""
    service = {"image": "child:1", "build": {"context": "/home/ada/a$$b$$$$c", "dockerfile": "Dockerfile"}}
    monkeypatch.setattr(programs, "output", lambda *_, **__: json.dumps({"services": {"child": service}}))
    found = Image.from_service(Compose(Settings.read({})).services()["child"])
    assert found.dockerfile == Path("/home/ada/a$b$$c/Dockerfile")


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a docker first on PATH, which keeps its standard input in the returned file, and then runs a line."""

    def create(line: str) -> Path:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/docker").write_text(f"#!/bin/sh\ncase $1 in build) cat > {tmp_path}/sent;; esac\n{line}\n")
        (tmp_path / "bin/docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        return tmp_path / "sent"

    return create


def test_a_build_gets_the_packed_files_and_nothing_else(image: Image, docker: Callable[[str], Path]) -> None:
    (image.context / "private.txt.old").write_text("a word that no image holds")
    sent = docker("echo 1000000")
    images._build(image, "hash")
    assert sent.read_bytes() == build_context.pack(image.entries())


def test_a_build_on_a_full_disk_says_what_takes_the_room(image: Image, docker: Callable[[str], Path]) -> None:
    docker("echo 'write /x: no space left on device'; exit 1")
    with pytest.raises(CommandError) as error:
        images._build(image, "hash")
    assert "no space left on device" in error.value.text and "docker system df" in error.value.fix


def test_a_machine_without_any_image_has_no_labels() -> None:
    assert images.parse_labels("\n") == {}
    assert images.parse_labels("a:1 b:1 \tabc\n\n") == {"a:1": "abc", "b:1": "abc"}


def test_the_certificates_of_a_bundle_stand_in_for_this_checkout_s(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a bundle is compared with this checkout before anything of it is taken."""
    own, theirs = tmp_path / "app", tmp_path / "theirs"
    monkeypatch.setattr(images, "CERTIFICATES", own)
    (own / "mine.crt").write_text("mine")
    theirs.mkdir()
    (theirs / "theirs.crt").write_text("theirs")
    expected = images.input_hash(image, {"parent:7": "a"}, theirs)
    assert expected != input_hash(image)
    assert "mine.crt" in "".join(entry.name for entry in image.entries()), "nothing was changed"
    monkeypatch.setattr(images, "FROM_BUNDLE", tmp_path / "mark")
    images.import_certificates(theirs)
    assert input_hash(image) == expected
    monkeypatch.setattr(images, "CERTIFICATES", tmp_path / "elsewhere")
    assert images.input_hash(image, {"parent:7": "a"}, theirs) == input_hash(image), "an image without certificates"

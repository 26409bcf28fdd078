"""`bundle`, as far as it needs no engine."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.archive.archive import MemberWriter
from cli.bundle import bundle
from cli.runtimes.compose.runtime import ComposeRuntime
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError


def test_a_runtime_without_images_has_no_bundle() -> None:
    with pytest.raises(BadInputError, match=r"needs Docker images, and RUNTIME=embedded has none; use RUNTIME=compose"):
        bundle.write_bundle(cast(Any, SimpleNamespace(name="embedded")))


def test_a_bundle_is_of_the_emulators_whatever_the_platform_uses(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []

    def build(runtime: ComposeRuntime) -> None:
        built.append(runtime.settings["CLOUD"])
        raise CommandError("far enough")

    monkeypatch.setattr(ComposeRuntime, "build", build)
    with pytest.raises(CommandError, match="far enough"):
        bundle.write_bundle(ComposeRuntime(settings.with_values(CLOUD="gcp")))
    assert built == ["emulators"]


def test_an_engine_that_cannot_save_an_image_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nprintf tar\necho no such image: $2 >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CommandError, match="docker save: exit 1\n    no such image: orionbox/flows:1"):
        bundle.save_images(["orionbox/flows:1"], MemberWriter(cast(Any, SimpleNamespace(write=len))))


def test_taxi_files_that_are_links_are_packed_with_their_content(tmp_path: Path) -> None:
    """A tar with links in it could not be loaded."""
    elsewhere, data, packed = tmp_path / "elsewhere", tmp_path / "data", io.BytesIO()
    elsewhere.write_bytes(b"month")
    data.mkdir()
    (data / "soft").symlink_to(elsewhere)
    (data / "hard").hardlink_to(elsewhere)
    (data / "twice").hardlink_to(elsewhere)
    member = MemberWriter(packed)
    bundle._pack(member, sorted(data.iterdir()), data)
    content = gzip.decompress(packed.getvalue())
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        found = {file.name: tar.extractfile(file).read() for file in tar if file.isreg()}  # type: ignore[union-attr]
    assert found == dict.fromkeys(["hard", "soft", "twice"], b"month")
    assert member.unpacked == len(content), "so a reader knows how much to expect"

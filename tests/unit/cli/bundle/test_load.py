"""`load`, with a container engine and a checkout that are fakes."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli import programs, taxi_files
from cli.archive.archive import BUNDLE, ArchiveWriter
from cli.bundle import load
from cli.bundle.bundle import CHECKOUT, DATA, IMAGES
from cli.runtimes.compose import images
from cli.runtimes.compose.runtime import ComposeRuntime
from cli.settings import env_file
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError
from orionbox.files import new_file
from orionbox.trips.schema import COLUMNS
from tests.tars import tar_of

MONTH = "green/green_tripdata_2021-01.csv.gz"
CERTIFICATE = "services/base/certificates/proxy.crt"


def a_bundle(path: Path, data: dict[str, bytes] | None = None, **facts: Any) -> Path:
    with new_file(path) as file:
        writer = ArchiveWriter(file, BUNDLE)
        writer.add_bytes(CHECKOUT, tar_of({f"orionbox/{CERTIFICATE}": b"theirs"}, "w:gz"))
        writer.add_bytes(
            DATA, tar_of(data or {MONTH: gzip.compress(f"{','.join(COLUMNS['green'])}\n1\n".encode())}, "w:gz")
        )
        writer.add_bytes(IMAGES, b"images")
        writer.finish({"orionbox": env_file.version(), "machine": "amd64", "images": ["a"], "bytes": 6, **facts})
    return path


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a certificate of its user, on a machine whose engine notes what it loads."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(f"#!/bin/sh\n[ $1 = version ] && echo amd64 || cat >>{tmp_path}/loaded\n")
    (tmp_path / "bin" / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    root = tmp_path / "orionbox"
    for folder in ("infra/certs", "services/base/certificates"):
        (root / folder).mkdir(parents=True)
    (root / "infra/certs/mine.crt").write_text("mine")
    (root / "services/base/certificates/mine.crt").write_text("mine")
    for module in (load, images, taxi_files, programs):
        monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(taxi_files, "DATA", root / "data")
    monkeypatch.setattr(images, "CERTIFICATES", root / "services/base/certificates")
    monkeypatch.setattr(images, "OWN_CERTIFICATES", root / "infra/certs")
    monkeypatch.setattr(images, "HOST_CERTIFICATES", tmp_path / "host")
    monkeypatch.setattr(images, "FROM_BUNDLE", root / ".from-bundle")
    return root


@pytest.fixture
def runtime(settings: Settings, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> ComposeRuntime:
    for name in ("prepare", "up"):
        monkeypatch.setattr(ComposeRuntime, name, lambda runtime: None)
    monkeypatch.setattr(images, "outdated", lambda compose: [])
    return ComposeRuntime(settings)


def test_images_taxi_files_and_certificates_are_imported(runtime: ComposeRuntime, checkout: Path) -> None:
    assert load.load(runtime, a_bundle(checkout / "all.tar")) == 0
    assert (checkout.parent / "loaded").read_text() == "images"
    assert (checkout / "data" / MONTH).is_file() and taxi_files.read_sources()[MONTH][:2] == ("excerpt", 1)
    assert (checkout / CERTIFICATE).read_text() == "theirs"
    assert [path.name for path in (checkout / "services/base/certificates").iterdir()] == ["proxy.crt"]
    assert not list(checkout.glob(".folder*"))


def test_the_user_s_own_certificates_stay_and_are_used_again_after_the_bundle(
    runtime: ComposeRuntime, checkout: Path
) -> None:
    load.load(runtime, a_bundle(checkout / "all.tar"))
    images.collect_certificates()
    assert (checkout / "infra/certs/mine.crt").read_text() == "mine"
    assert [path.name for path in (checkout / "services/base/certificates").iterdir()] == ["proxy.crt"]
    (checkout / ".from-bundle").unlink()
    images.collect_certificates()
    assert [path.name for path in (checkout / "services/base/certificates").iterdir()] == ["mine.crt"]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"machine": "arm64"}, "is for arm64 machines; this one is amd64"),
        ({"orionbox": "9.9.9"}, "9.9.9"),
    ],
)
def test_a_bundle_for_others_is_refused(
    facts: dict[str, Any], words: str, runtime: ComposeRuntime, checkout: Path
) -> None:
    with pytest.raises(BadInputError, match=f"{words}.*; nothing was changed"):
        load.load(runtime, a_bundle(checkout / "all.tar", **facts))
    assert not (checkout.parent / "loaded").exists()


def test_a_part_of_a_bundle_of_0_1_0_is_refused_with_the_way_to_use_it(runtime: ComposeRuntime) -> None:
    with pytest.raises(
        BadInputError, match=r"one part of a bundle of Orionbox 0\.1\.0; .*cat bundles/all\.tar\.\* \| tar"
    ):
        load.load(runtime, Path("bundles/all.tar.001"))


def test_without_a_name_it_says_how_to_name_one(runtime: ComposeRuntime) -> None:
    with pytest.raises(BadInputError, match=r"no bundle named; name one: make load FILE=bundles/NAME\.tar"):
        load.load(runtime, None)


def test_a_bundle_of_a_different_checkout_is_reported(
    runtime: ComposeRuntime, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "outdated", lambda compose: ["orionbox/flows:1"])
    with pytest.raises(
        CommandError, match="made from a different checkout; out of date here: orionbox/flows:1; use the"
    ):
        load.load(runtime, a_bundle(checkout / "all.tar"))


def fails(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("break_", "words"),
    [
        (lambda patch: patch.setattr(images, "import_certificates", fails), "no space left on the disk"),
        (lambda patch: None, "its name is too long"),
    ],
)
def test_an_error_of_the_disk_is_not_blamed_on_the_bundle(
    runtime: ComposeRuntime,
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_: Callable[[pytest.MonkeyPatch], None],
    words: str,
) -> None:
    break_(monkeypatch)
    file = a_bundle(checkout / "all.tar", data={"x" * 300: b""})
    with pytest.raises(CommandError, match=rf"all\.tar was not imported completely: .*{words}") as error:
        load.load(runtime, file)
    assert "is not a bundle" not in str(error.value) and "nothing was changed" not in str(error.value)
    assert not list(checkout.glob(".folder*"))


def test_an_engine_that_refuses_the_images_ends_it(runtime: ComposeRuntime, checkout: Path) -> None:
    answers = "case $1 in version) echo amd64 ;; load) exit 3 ;; esac"
    (checkout.parent / "bin" / "docker").write_text(f"#!/bin/sh\n{answers}\n")
    with pytest.raises(CommandError, match=r"docker load --quiet \.\.\.: exit 3"):
        load.load(runtime, a_bundle(checkout / "all.tar"))
    assert not (checkout / "data").exists()


def test_a_damaged_bundle_changes_nothing(runtime: ComposeRuntime, checkout: Path) -> None:
    file = a_bundle(checkout / "all.tar")
    content = file.read_bytes()
    file.write_bytes(content.replace(b"images\0", b"imagex\0"))
    with pytest.raises(BadInputError, match=r"the checksum of images\.tgz is wrong; nothing was changed"):
        load.load(runtime, file)
    assert not (checkout.parent / "loaded").exists()

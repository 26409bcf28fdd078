"""`load`, with a container engine and a checkout that are fakes."""

from __future__ import annotations

import errno
import gzip
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli import programs, taxi_files
from cli.archive import signature
from cli.archive.archive import BUNDLE, ArchiveWriter
from cli.bundle import load, replacement
from cli.bundle.bundle import CHECKOUT, DATA, IMAGES
from cli.runtimes.compose import images
from cli.runtimes.compose.runtime import ComposeRuntime
from cli.settings import env_file
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError
from orionbox.files import new_file, write
from orionbox.trips.schema import COLUMNS
from tests.tars import tar_of

MONTH, ZONES = "green/green_tripdata_2021-01.csv.gz", "misc/taxi_zone_lookup.csv"
CERTIFICATE = "services/base/certificates/proxy.crt"
ONE, TWO = "orionbox/one:1", "orionbox/two:1"
DOCKER = """#!/bin/sh
echo "$@" >>{0}/calls
case "$1 $2" in
    "version "*) echo amd64 ;;
    "info "*) cat {0}/info 2>/dev/null || echo /no/such/folder ;;
    "load "*) cat >{0}/loaded; [ ! -e {0}/load-fails ] || exit 3 ;;
    "image inspect") echo sha256:old ;;
    "tag orionbox-loading"*) [ ! -e {0}/tag-fails ] || [ "$3" != orionbox/two:1 ] || exit 1 ;;
esac
"""
"""An engine that notes its calls and what it loads, and has an image of every name."""


def month(*rows: str) -> bytes:
    return gzip.compress("\n".join([",".join(COLUMNS["green"]), *rows, ""]).encode(), mtime=0)


def saved(*names: str, label: str = "current") -> bytes:
    """What `docker save` writes, with one layer and configuration for all."""
    config, layer = f"{'a' * 64}.json", f"{'b' * 64}/layer.tar"
    listed = [{"Config": config, "RepoTags": [name], "Layers": [layer]} for name in names]
    labels = {"config": {"Labels": {images.LABEL: label}}}
    members = {config: json.dumps(labels).encode(), layer: b"layer", "manifest.json": json.dumps(listed).encode()}
    return tar_of(members, "w:gz")


def a_bundle(
    path: Path,
    data: dict[str, bytes] | None = None,
    packed: bytes = b"",
    tree: dict[str, bytes] | None = None,
    **facts: Any,
) -> Path:
    with new_file(path) as file:
        writer = ArchiveWriter(file, BUNDLE)
        tree = tree or {f"orionbox/{CERTIFICATE}": b"theirs", "orionbox/.env": b"theirs"}
        writer.add_bytes(CHECKOUT, tar_of(tree, "w:gz"))
        writer.add_bytes(DATA, tar_of(data or {MONTH: month("1"), ZONES: b"LocationID\n1\n"}, "w:gz"))
        writer.add_bytes(IMAGES, packed or saved(ONE, TWO))
        writer.finish({"orionbox": env_file.version(), "machine": "amd64", "images": ["a"], "bytes": 6, **facts})
    return path


class Checkout:
    """A checkout with a certificate, a month and a record of it, on a machine with the fake engine."""

    def __init__(self, base: Path) -> None:
        self.base, self.root = base, base / "orionbox"
        (base / "bin").mkdir()
        (base / "bin" / "docker").write_text(DOCKER.format(base))
        (base / "bin" / "docker").chmod(0o755)
        for name, content in {
            "infra/certs/mine.crt": b"mine",
            "services/base/certificates/mine.crt": b"mine",
            f"data/{MONTH}": month("mine", "mine"),
            "data/sources.json": b"{}",
        }.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(content)

    @property
    def calls(self) -> list[str]:
        """The calls of the engine that change something."""
        file = self.base / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if line.split()[0] in ("load", "tag")]

    def files(self) -> dict[str, bytes]:
        """Every file of the checkout but bundles and what every command creates."""
        found = (path for path in self.root.rglob("*") if path.is_file() and path.suffix != ".tar")
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    found = Checkout(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    for module in (load, images, taxi_files, programs, replacement):
        monkeypatch.setattr(module, "ROOT", found.root)
    monkeypatch.setattr(taxi_files, "DATA", found.root / "data")
    monkeypatch.setattr(images, "CERTIFICATES", found.root / "services/base/certificates")
    monkeypatch.setattr(images, "OWN_CERTIFICATES", found.root / "infra/certs")
    monkeypatch.setattr(images, "HOST_CERTIFICATES", tmp_path / "host")
    monkeypatch.setattr(images, "FROM_BUNDLE", found.root / ".from-bundle")
    return found


@pytest.fixture
def runtime(settings: Settings, checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> ComposeRuntime:
    for name in ("prepare", "require_own", "up"):
        monkeypatch.setattr(ComposeRuntime, name, lambda runtime: None)
    monkeypatch.setattr(images, "names", lambda compose: [ONE, TWO])
    monkeypatch.setattr(images, "expected_labels", lambda compose, certificates: dict.fromkeys([ONE, TWO], "current"))
    return ComposeRuntime(settings)


def test_images_taxi_files_and_certificates_are_imported(runtime: ComposeRuntime, checkout: Checkout) -> None:
    (checkout.root / "data" / MONTH).unlink()
    assert load.load(runtime, a_bundle(checkout.root / "all.tar"), False) == 0
    assert (checkout.root / "data" / MONTH).read_bytes() == month("1")
    assert taxi_files.read_sources()[MONTH][:2] == ("excerpt", 1)
    assert (checkout.root / CERTIFICATE).read_text() == "theirs"
    assert [path.name for path in (checkout.root / "services/base/certificates").iterdir()] == ["proxy.crt"]
    assert not list(checkout.root.glob(".folder*")) and not (checkout.root / ".env").exists()


def test_images_are_loaded_under_other_names_and_then_get_their_own(
    runtime: ComposeRuntime, checkout: Checkout
) -> None:
    load.load(runtime, a_bundle(checkout.root / "all.tar"), False)
    with tarfile.open(checkout.base / "loaded") as tar:
        file = tar.extractfile("manifest.json")
        assert file
        names = [entry["RepoTags"] for entry in json.loads(file.read())]
    loading = [replacement.loading_name(name) for name in (ONE, TWO)]
    assert names == [[name] for name in loading] and all(name.startswith("orionbox-loading/") for name in loading)
    assert checkout.calls == ["load --quiet", f"tag {loading[0]} {ONE}", f"tag {loading[1]} {TWO}"]
    assert (checkout.base / "calls").read_text().splitlines()[-1] == f"image rm {' '.join(loading)}"


def test_the_user_s_own_certificates_stay_and_are_used_again_after_the_bundle(
    runtime: ComposeRuntime, checkout: Checkout
) -> None:
    load.load(runtime, a_bundle(checkout.root / "all.tar"), False)
    images.collect_certificates()
    folder = checkout.root / "services/base/certificates"
    assert (checkout.root / "infra/certs/mine.crt").read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == ["proxy.crt"]
    (checkout.root / ".from-bundle").unlink()
    images.collect_certificates()
    assert [path.name for path in folder.iterdir()] == ["mine.crt"]


# --- refused, with nothing changed ---


def refused(runtime: ComposeRuntime, checkout: Checkout, file: Path, words: str, yes: bool = False) -> None:
    before = checkout.files()
    with pytest.raises(BadInputError, match=rf"(?s){words}.*nothing was changed"):
        load.load(runtime, file, yes)
    assert checkout.files() == before and checkout.calls == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"machine": "arm64"}, "is for arm64 machines; this one is amd64"),
        ({"orionbox": "9.9.9"}, "9.9.9"),
    ],
)
def test_a_bundle_for_others_is_refused(
    facts: dict[str, Any], words: str, runtime: ComposeRuntime, checkout: Checkout
) -> None:
    refused(runtime, checkout, a_bundle(checkout.root / "all.tar", **facts), words)


def test_a_bundle_of_a_different_checkout_is_refused(runtime: ComposeRuntime, checkout: Checkout) -> None:
    file = a_bundle(checkout.root / "all.tar", packed=saved(ONE, TWO, label="another"))
    refused(runtime, checkout, file, f"made from a different checkout; different here: {ONE}, {TWO}")


@pytest.mark.parametrize("name", ["debian:bookworm-slim", "orionbox/two:2", "other/program:latest"])
def test_a_bundle_that_brings_another_image_is_refused(name: str, runtime: ComposeRuntime, checkout: Checkout) -> None:
    file = a_bundle(checkout.root / "all.tar", packed=saved(ONE, TWO, name))
    refused(runtime, checkout, file, rf"all\.tar brings an image that is not of this checkout: {name}")


def test_a_bundle_that_lacks_an_image_is_refused(runtime: ComposeRuntime, checkout: Checkout) -> None:
    file = a_bundle(checkout.root / "all.tar", packed=saved(ONE))
    refused(runtime, checkout, file, f"lacks images of this checkout: {TWO}")


def test_a_bundle_of_a_stranger_needs_a_yes(
    runtime: ComposeRuntime, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_bundle(checkout.root / "all.tar")
    monkeypatch.setattr(signature, "is_own", lambda *_: False)
    refused(runtime, checkout, file, "was not made by this checkout.* brings programs that will run on this machine")
    assert load.load(runtime, file, True) == 0


def test_a_certificate_that_is_too_large_is_refused(runtime: ComposeRuntime, checkout: Checkout) -> None:
    file = a_bundle(checkout.root / "all.tar", tree={f"orionbox/{CERTIFICATE}": bytes(2 << 20)})
    refused(runtime, checkout, file, "is unsafe: proxy.crt in it is too large")


def test_a_damaged_bundle_is_refused(runtime: ComposeRuntime, checkout: Checkout) -> None:
    file = a_bundle(checkout.root / "all.tar", packed=b"images")
    content = file.read_bytes()
    file.write_bytes(content.replace(b"images\0", b"imagex\0"))
    refused(runtime, checkout, file, r"the checksum of images\.tgz is wrong")


def test_images_for_which_docker_s_disk_has_no_room_are_refused(runtime: ComposeRuntime, checkout: Checkout) -> None:
    (checkout.base / "info").write_text(f"{checkout.base}\n")
    with pytest.raises(CommandError, match=r"GB free, and the file may need 2000000\.0 GB"):
        load.load(runtime, a_bundle(checkout.root / "all.tar", bytes=10**15), False)
    assert checkout.calls == []


def test_a_part_of_a_bundle_of_0_1_0_is_refused_with_the_way_to_use_it(runtime: ComposeRuntime) -> None:
    with pytest.raises(
        BadInputError, match=r"one part of a bundle of Orionbox 0\.1\.0; .*cat bundles/all\.tar\.\* \| tar"
    ):
        load.load(runtime, Path("bundles/all.tar.001"), False)


def test_without_a_name_it_says_how_to_name_one(runtime: ComposeRuntime) -> None:
    with pytest.raises(BadInputError, match=r"no bundle named; name one: make load FILE=bundles/NAME\.tar"):
        load.load(runtime, None, False)


# --- failed halfway, and undone ---


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half_of_the_taxi_files(folder: Path, force: bool = False) -> None:
    """Replaces a month and its record, adds a file, and then fails."""
    for name in (MONTH, ZONES):
        (taxi_files.DATA / name).parent.mkdir(exist_ok=True)
        (taxi_files.DATA / name).unlink(missing_ok=True)
        (taxi_files.DATA / name).write_bytes((folder / name).read_bytes())
    write(taxi_files.DATA / taxi_files.SOURCES, "changed")
    no_room()


FAILURES: dict[str, Callable[[pytest.MonkeyPatch, Path], object]] = {
    "docker refuses the images": lambda patch, base: (base / "load-fails").touch(),
    "docker refuses a name": lambda patch, base: (base / "tag-fails").touch(),
    "no room for the certificates": lambda patch, base: patch.setattr(images, "import_certificates", no_room),
    "no room for the taxi files": lambda patch, base: patch.setattr(
        taxi_files, "import_folder", half_of_the_taxi_files
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_load_that_fails_halfway_leaves_everything_as_it_was(
    failure: str, runtime: ComposeRuntime, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    FAILURES[failure](monkeypatch, checkout.base)
    file, before = a_bundle(checkout.root / "all.tar"), checkout.files()
    with pytest.raises(CommandError) as error:
        load.load(runtime, file, False)
    assert "is not a bundle" not in str(error.value)
    assert checkout.files() == before
    tagged = [line for line in checkout.calls if line.startswith("tag orionbox-loading")]
    restored = [line for line in checkout.calls if line.startswith("tag sha256:old")]
    assert len(restored) == len(tagged), "each image that has got a name is taken from it again"
    loading = " ".join(replacement.loading_name(name) for name in (ONE, TWO))
    assert (checkout.base / "calls").read_text().splitlines()[-1] == f"image rm {loading}"


def test_an_error_of_the_disk_is_named(
    runtime: ComposeRuntime, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "import_certificates", no_room)
    file = a_bundle(checkout.root / "all.tar")
    with pytest.raises(CommandError, match=r"all\.tar was not imported, and nothing was changed: no space left"):
        load.load(runtime, file, False)

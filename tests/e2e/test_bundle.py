"""A bundle on a machine with an engine and nothing else: a second engine, in a network namespace without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.archive import signature
from cli.archive.archive import BUNDLE, ArchiveWriter
from cli.bundle.bundle import CHECKOUT, DATA, IMAGES, engine_machine
from cli.bundle.checkout_copy import copy_checkout
from cli.runtimes.compose import images
from cli.runtimes.compose.compose import Compose
from cli.settings import env_file
from cli.settings.settings import Settings
from dev.throwaway_platform import identity
from tests.conftest import Checkout
from tests.tars import tar_of

SECOND_ENGINE = """
set -eu
cd "$1"
ip link set lo up
mkdir -p engine/run
dockerd --data-root "$1/engine/data" --exec-root "$1/engine/exec" --pidfile "$1/engine/pid" \\
    --host "unix://$1/engine/run/docker.sock" >engine/log 2>&1 &
engine=$!
until docker --host "unix://$1/engine/run/docker.sock" version >/dev/null 2>&1; do
    kill -0 $engine || { cat engine/log; exit 1; }
    sleep 0.2
done
mount --bind engine/run/docker.sock /var/run/docker.sock
echo "ways out: $(ip route show default | wc -l), images: $(docker images --quiet | wc -l)"

tar -xf "$2"
cd orionbox-bundle
cat READ-ME-FIRST.txt
tar -xpzf orionbox.tar.gz
git clone --quiet history.git history
cd orionbox
echo mine >infra/certs/mine.crt
! make load FILE="$2" </dev/null >refused
grep "was not made by this checkout" refused
test "$(docker images --quiet | wc -l)" = 0
make load FILE="$2" YES=yes
test -f infra/certs/mine.crt
make run-etl COLOR=green YEAR=2021 MONTHS=1
make reset </dev/null
kill $engine
wait $engine || true
"""
"""Arguments: an empty folder, and the bundle. All that it starts ends with it."""


@pytest.fixture(scope="module")
def source(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with images, a month and a history, on which nothing runs."""
    source = Checkout(copy_checkout(tmp_path_factory.mktemp("bundle") / "orionbox"))
    source.env = {**identity("bundle"), "RUNTIME": "compose"}
    source.build()
    source.make("data", "COLOR=green", "YEAR=2021", "MONTHS=1")
    name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), (*name, "commit", "--quiet", "--message=All of it")):
        assert source.run("git", *command).returncode == 0
    return source


@pytest.fixture(scope="module")
def bundle(source: Checkout) -> Path:
    printed = source.make("bundle")
    (file,) = (source.root / "bundles").iterdir()
    assert file.name in printed
    return file


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty one with a short name: sockets lie in it, whose addresses may have 104 characters."""
    path = Path(tempfile.mkdtemp(prefix="orionbox-"))
    yield path
    shutil.rmtree(path)


def test_a_machine_without_network_runs_from_a_bundle(bundle: Path, source: Checkout, folder: Path) -> None:
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("a second engine in a network of its own needs root and util-linux' unshare")
    script = folder / "second-engine.sh"
    script.write_text(SECOND_ENGINE)
    alone = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    done = Checkout(folder).run(*alone, "sh", str(script), str(folder), str(bundle))
    assert done.returncode == 0, done.stdout
    assert "ways out: 0, images: 0" in done.stdout
    assert "building" not in done.stdout
    rows = f"{source.rows_in('green/green_tripdata_2021-01.csv.gz'):,}"
    assert re.search(rf"^total\s+{rows}\s+{rows}\s+{rows}\s+{rows}$", done.stdout, re.MULTILINE), done.stdout
    assert "Completed after" in done.stdout


@dataclass(frozen=True)
class State:
    """What a bundle replaces."""

    images: list[str]
    """Names and ids of those images that a bundle may have brought."""
    files: dict[str, bytes]
    """The certificates in the images, the taxi files, and the mark of images from a bundle."""

    @classmethod
    def of(cls, checkout: Checkout, names: list[str]) -> State:
        listed = checkout.run("docker", "image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
        theirs = (*names, "orionbox-loading/")
        folders = ("services/base/certificates/*", "data/**/*", ".from-bundle")
        found = (path for pattern in folders for path in checkout.root.glob(pattern) if path.is_file())
        kept = sorted(line for line in listed.stdout.splitlines() if line.startswith(theirs))
        return cls(kept, {str(path): path.read_bytes() for path in found})


def crafted(path: Path, names: list[str], label: str) -> Path:
    """A small bundle for this checkout and engine, whose images have these names and this label."""
    config, layer = f"{'a' * 64}.json", f"{'b' * 64}/layer.tar"
    listed = [{"Config": config, "RepoTags": [name], "Layers": [layer]} for name in names]
    labels = {"architecture": "amd64", "os": "linux", "config": {"Labels": {images.LABEL: label}}}
    lists = {config: json.dumps(labels).encode(), "manifest.json": json.dumps(listed).encode()}
    with path.open("w+b") as file:
        writer = ArchiveWriter(file, BUNDLE)
        writer.add_bytes(CHECKOUT, tar_of({"orionbox/services/base/certificates/theirs.crt": b"theirs"}, "w:gz"))
        writer.add_bytes(DATA, tar_of({}, "w:gz"))
        writer.add_bytes(IMAGES, tar_of({**lists, layer: tar_of({"x": b""})}, "w:gz"))
        writer.finish({"orionbox": env_file.version(), "machine": engine_machine(), "images": names, "bytes": 1000})
    return path


@pytest.mark.parametrize(
    ("foreign", "words"),
    [
        (["debian:bookworm-slim"], "brings an image that is not of this checkout: debian:bookworm-slim"),
        (["somebody/else:latest"], "brings an image that is not of this checkout: somebody/else:latest"),
        ([], "was made from a different checkout"),
    ],
)
def test_a_crafted_bundle_changes_no_image_and_no_file(
    foreign: list[str], words: str, source: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signature, "KEY", tmp_path / "a-stranger-s.key")
    names = [*images.names(Compose(Settings.read({}))), *foreign]
    file, before = crafted(tmp_path / "crafted.tar", names, "theirs"), State.of(source, names)
    assert "was not made by this checkout" in source.make_fails("load", f"FILE={file}")
    refusal = source.make_fails("load", f"FILE={file}", "YES=yes")
    assert words in refusal and "nothing was changed" in refusal
    assert State.of(source, names) == before


def test_a_bundle_that_was_damaged_on_the_way_changes_nothing(bundle: Path, source: Checkout) -> None:
    with bundle.open("r+b") as file:
        file.seek(-100_000, os.SEEK_END)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    refusal = source.make_fails("load", f"FILE={bundle}")
    assert "is damaged: the checksum of images.tgz is wrong; nothing was changed" in refusal
    os.truncate(bundle, bundle.stat().st_size // 2)
    assert "; nothing was changed" in source.make_fails("load", f"FILE={bundle}")

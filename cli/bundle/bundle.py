"""`make bundle` and `make load`: the whole of Orionbox in one file, for machines without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import zlib
from pathlib import Path
from typing import IO, Any, cast

from cli import taxi_files
from cli.archive import archive, split_files
from cli.archive.archive import BUNDLE, Sink
from cli.bundle import checkout_copy
from cli.programs import ROOT, last_lines, output, say
from cli.runtimes.compose import images
from cli.runtimes.runtime import Runtime
from cli.settings.env_file import version
from orionbox.errors import BadInputError, CommandError

READ_ME, TREE, HISTORY, DATA = "READ-ME-FIRST.txt", "orionbox.tar.gz", "history.git", "data.tar.gz"
IMAGES = "images.tgz"
"""As `docker load` takes them; no archive of ours, whose names are looked at."""
MEGABYTE = 1_000_000
LEVEL = 1
"""Of gzip: the quickest; the images are compressed to nearly the same size by slower ones."""
TEXT = """\
This is Orionbox {version}: a data platform for the Data Engineering Zoomcamp's week 2, whole, for {machine} machines
with a Docker engine and Python 3.9 or newer. No network is needed. In the folder that this text lies in:

    tar -xzf orionbox.tar.gz
    cd orionbox
    make load FILE={file}        (of a bundle in parts, the first one: {file}.001)

That checks every byte of the file, takes over its images and taxi files, and starts the platform. Then open
http://localhost:4200, and type: make run-etl COLOR=green

The project's history, if there is a history.git:  git clone history.git
"""


def make(runtime: Runtime) -> int:
    """Writes a bundle of this checkout, its images and its taxi files.

    Raises:
        BadInputError: SPLIT is no number of megabytes.
        CommandError: there is no Docker engine, or no room.
    """
    size = _part_size()
    _require_docker(runtime)
    os.environ["CLOUD"] = "emulators"  # where it goes there is no network, and so no other cloud
    runtime.build()
    start, facts = time.monotonic(), _facts()
    archive.require_space(BUNDLE, facts["bytes"] + sum(path.stat().st_size for path in taxi_files.taxi_files()))
    file = BUNDLE.path / f"orionbox-{facts['orionbox']}-{facts['machine']}.tar"
    with archive.new_file(file) as target:
        _write(archive.Writer(target, BUNDLE), file.name, facts)
    for part in split_files.split(file, size) if size else [file]:
        say(f"{part.relative_to(ROOT)}: {part.stat().st_size / MEGABYTE:,.0f} MB")
    say(f"made in {time.monotonic() - start:.0f} s; what to do with it: {READ_ME} in it, or docs/offline.md")
    return 0


def _part_size() -> int:
    """Bytes of a part; 0 for one file."""
    text = os.environ.get("SPLIT", "")
    if text and not (text.isdecimal() and int(text)):
        raise BadInputError(f"SPLIT={text}: say how many megabytes a part may have; FAT32 takes SPLIT=4000")
    return int(text or 0) * MEGABYTE


def _require_docker(runtime: Runtime) -> None:
    if runtime.NAME != "compose":
        raise BadInputError(f"a bundle is of Docker images, and this is RUNTIME={runtime.NAME}: start a Docker engine")


def _facts() -> dict[str, Any]:
    names = images.names()
    return {"orionbox": version(), "machine": _engine_machine(), "images": names, "bytes": images.size(names)}


def _engine_machine() -> str:
    return output("docker", "version", "--format", "{{.Server.Arch}}").strip()


def _write(writer: archive.Writer, file: str, facts: dict[str, Any]) -> None:
    text = TEXT.format(version=facts["orionbox"], machine=facts["machine"], file=f"../../{file}")
    writer.add(READ_ME, lambda sink: sink.write(text.encode()))
    with tempfile.TemporaryDirectory() as folder:
        tree = checkout_copy.copy_of_the_tree(Path(folder) / "orionbox")
        writer.add(TREE, lambda sink: _pack(sink, [tree], tree.parent))
        if checkout_copy.has_history():
            writer.add(HISTORY, lambda sink: _put_file(sink, _history(Path(folder))))
    writer.add(DATA, lambda sink: _pack(sink, taxi_files.taxi_files(), taxi_files.DATA))
    writer.add(IMAGES, lambda sink: _save(facts["images"], sink))
    writer.finish(facts)


def _pack(sink: Sink, paths: list[Path], top: Path) -> None:
    """A tar.gz of files and folders, named from `top` on."""
    with tarfile.open(fileobj=cast("IO[bytes]", sink), mode="w|gz") as tar:
        for path in paths:
            tar.add(path, path.relative_to(top).as_posix())


def _history(folder: Path) -> Path:
    file = folder / HISTORY
    output("git", "bundle", "create", "--quiet", str(file), "HEAD")
    return file


def _put_file(sink: Sink, path: Path) -> None:
    with path.open("rb") as file:
        shutil.copyfileobj(file, sink, archive.PIECE)


def _save(names: list[str], sink: Sink) -> None:
    """The images, each layer once, as `docker load` takes them."""
    packer = zlib.compressobj(LEVEL, wbits=zlib.MAX_WBITS | 16)  # with gzip's header
    with subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as saving:
        assert saving.stdout and saving.stderr
        for piece in archive.pieces(saving.stdout):
            sink.write(packer.compress(piece))
        said = saving.stderr.read().decode()
    if saving.returncode:
        raise CommandError(f"docker save: exit {saving.returncode}\n{last_lines(said)}")
    sink.write(packer.flush())


# --- the way back ---

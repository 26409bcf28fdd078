"""`bundle`: writes all of Orionbox into one file, for machines without a network."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, cast

from cli import taxi_files
from cli.archive.archive import BUNDLE, ArchiveWriter, MemberWriter, read_chunks, require_space
from cli.bundle import checkout_copy
from cli.environments import inherited
from cli.programs import CHUNK, ROOT, last_lines, output, say
from cli.runtimes.compose import images
from cli.runtimes.compose.compose import Compose
from cli.runtimes.compose.runtime import ComposeRuntime
from cli.runtimes.runtime import Runtime
from cli.settings import env_file
from cli.waiting import waiting_for
from orionbox.errors import BadInputError, CommandError
from orionbox.files import new_file, report_file_errors

READ_ME, CHECKOUT, HISTORY, DATA = "READ-ME-FIRST.txt", "orionbox.tar.gz", "history.git", "data.tar.gz"
IMAGES = "images.tgz"
"""As `docker load` reads them. The name does not end in `.tar.gz`, so the paths in it are not checked."""
FASTEST = 1
"""Level of gzip: slower ones compress images to nearly the same size."""
TEXT = """\
This is Orionbox {version}: a data platform for the Data Engineering Zoomcamp's week 2, complete, for {machine} machines
with a Docker engine and Python 3.9 or newer. You need no network. In the folder of this text, type:

    tar -xpzf orionbox.tar.gz
    cd orionbox
    make load FILE={file}

That checks every byte of the file, asks whether you trust whoever gave it to you, imports its images and taxi files,
and starts the platform. Then open http://localhost:4200, and type: make run-etl COLOR=green

If there is a history.git, you get the project's history with: git clone history.git
"""


def write_bundle(runtime: Runtime) -> int:
    """Writes a bundle of this checkout, its images and its taxi files.

    Raises:
        BadInputError: the runtime has no images.
        CommandError: the disk has no room, or Docker fails.
    """
    # Machines without a network use the emulators
    platform = require_compose(runtime).with_values(CLOUD="emulators")
    platform.build()
    start, facts = time.monotonic(), _facts(platform.compose)
    require_space(
        BUNDLE.create_folder(), facts["bytes"] + sum(path.stat().st_size for path in taxi_files.list_taxi_files())
    )
    file = BUNDLE.path / f"orionbox-{facts['orionbox']}-{facts['machine']}.tar"
    with report_file_errors("no bundle was made"), new_file(file) as target:
        with waiting_for(f"the images, which go into {file.name}"):
            _write(ArchiveWriter(target, BUNDLE), file.name, facts)
    say(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1e6:,.0f} MB, made in {time.monotonic() - start:.0f} s")
    say(f"how to use it: {READ_ME} in it, or docs/classroom.md")
    return 0


def require_compose(runtime: Runtime) -> ComposeRuntime:
    """Returns the runtime if it has Docker images."""
    if isinstance(runtime, ComposeRuntime):
        return runtime
    raise BadInputError(
        f"a bundle needs Docker images, and RUNTIME={runtime.name} has none", "use RUNTIME=compose, with Docker running"
    )


def _facts(compose: Compose) -> dict[str, Any]:
    names = images.names(compose)
    size = images.size(compose, names)
    return {"orionbox": env_file.version(), "machine": engine_machine(), "images": names, "bytes": size}


def engine_machine() -> str:
    """Returns the kind of machine that the container engine runs on, for example `amd64`."""
    return output("docker", "version", "--format", "{{.Server.Arch}}").strip()


def _write(writer: ArchiveWriter, file: str, facts: dict[str, Any]) -> None:
    text = TEXT.format(version=facts["orionbox"], machine=facts["machine"], file=f"../../{file}")
    writer.add_bytes(READ_ME, text.encode())
    with tempfile.TemporaryDirectory() as folder:
        checkout = checkout_copy.copy_checkout(Path(folder) / "orionbox")
        writer.add(CHECKOUT, lambda member: _pack(member, [checkout], checkout.parent))
        if checkout_copy.has_history():
            writer.add(HISTORY, lambda member: _copy(_write_history(Path(folder)), member))
    writer.add(DATA, lambda member: _pack(member, taxi_files.list_taxi_files(), taxi_files.DATA))
    writer.add(IMAGES, lambda member: save_images(facts["images"], member))
    writer.finish(facts)


class _Packer:
    """Compresses what is written into a member with gzip, and counts its bytes before that."""

    def __init__(self, member: MemberWriter) -> None:
        self._member, self._size = member, 0
        self._gzip = zlib.compressobj(FASTEST, wbits=zlib.MAX_WBITS | 16)  # 16: with gzip's header

    def write(self, chunk: bytes) -> int:
        """Writes all of the chunk."""
        self._size += len(chunk)
        self._member.write(self._gzip.compress(chunk))
        return len(chunk)

    def finish(self) -> None:
        """Writes the end, and tells the member its size when it is unpacked."""
        self._member.write(self._gzip.flush())
        self._member.unpacked = self._size


def _pack(member: MemberWriter, paths: Iterable[Path], top: Path) -> None:
    """Writes a tar.gz of files and folders, with names relative to `top`; of a link, what it leads to."""
    packer = _Packer(member)
    with tarfile.open(fileobj=cast("IO[bytes]", packer), mode="w|", dereference=True) as tar:
        for path in paths:
            tar.add(path, path.relative_to(top).as_posix())
    packer.finish()


def _write_history(folder: Path) -> Path:
    """Writes the commits of this checkout to a file that `git clone` reads."""
    file = folder / HISTORY
    output("git", "bundle", "create", "--quiet", str(file), "HEAD")
    return file


def _copy(path: Path, member: MemberWriter) -> None:
    with path.open("rb") as file:
        shutil.copyfileobj(file, member, CHUNK)


def save_images(names: list[str], member: MemberWriter) -> None:
    """Writes the images, each layer once, compressed with gzip."""
    packer = _Packer(member)
    with tempfile.TemporaryFile() as errors:
        command, environment = ["docker", "save", *names], inherited.for_tools()
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors) as saving:
            assert saving.stdout
            for chunk in read_chunks(saving.stdout):
                packer.write(chunk)
        if saving.returncode:
            errors.seek(0)
            raise CommandError(f"docker save: exit {saving.returncode}\n{last_lines(errors.read().decode())}")
    packer.finish()

"""`load`: imports a bundle and starts the platform."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from cli import taxi_files
from cli.archive import archive
from cli.archive.archive import BUNDLE, Archive
from cli.bundle.bundle import DATA, IMAGES, TREE, _engine_machine, _require_docker
from cli.programs import ROOT, environment, last_lines, say
from cli.runtimes.compose import images
from cli.runtimes.runtime import Runtime
from cli.settings.env_file import version
from orionbox.errors import BadInputError, CommandError


def load(runtime: Runtime) -> int:
    """Takes over what is in the bundle FILE, and starts the platform.

    Raises:
        BadInputError: it is no whole bundle, or one for another version or kind of machine; nothing has changed then.
        CommandError: there is no room, or Docker refuses.
    """
    with archive.opened(_file(), BUNDLE) as bundle:
        _require_docker(runtime)
        _require_fit(bundle)
        runtime.prepare()
        start = time.monotonic()
        say(f"loading {len(bundle.manifest['images'])} images, {bundle.manifest['bytes'] / 1e9:.1f} GB")
        _load_images(bundle)
        with tempfile.TemporaryDirectory(dir=ROOT) as folder:
            _unpack(bundle, TREE, Path(folder))
            images.take_certificates(Path(folder) / "orionbox")
            _unpack(bundle, DATA, Path(folder) / "data")
            taxi_files.take_over(Path(folder) / "data")
    if stale := images.outdated():
        raise CommandError(
            f"{bundle.path.name} was made from other sources than this checkout's: {', '.join(stale)} would have to be "
            f"built anew. Take the checkout in it: {TREE} in {BUNDLE.folder}/, then load there"
        )
    say(f"loaded in {time.monotonic() - start:.0f} s")
    return runtime.up()


def _file() -> Path:
    if name := os.environ.get("FILE", ""):
        return Path(name).expanduser()
    raise BadInputError(f"say which bundle: make load FILE={BUNDLE.home}/name.tar, or its first part, name.tar.001")


def _require_fit(bundle: Archive) -> None:
    made_for, here = bundle.manifest["machine"], _engine_machine()
    if made_for != here:
        raise BadInputError(f"{bundle.path.name} is for {made_for} machines, and this engine's is {here}")
    if bundle.manifest["orionbox"] != version():
        raise BadInputError(
            f"{bundle.path.name} is of Orionbox {bundle.manifest['orionbox']}, and this checkout is {version()}: "
            f"take the checkout in it, {BUNDLE.folder}/{TREE}"
        )


def _load_images(bundle: Archive) -> None:
    command = ["docker", "load", "--quiet"]
    with tempfile.TemporaryFile() as errors:
        loading = subprocess.Popen(
            command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors
        )
        assert loading.stdin
        try:
            shutil.copyfileobj(bundle.stream(IMAGES), loading.stdin, archive.PIECE)
            loading.stdin.close()
        except BrokenPipeError:
            pass  # it says why below
        if loading.wait():
            errors.seek(0)
            raise CommandError(f"docker load: exit {loading.returncode}\n{last_lines(errors.read().decode())}")


def _unpack(bundle: Archive, name: str, folder: Path) -> None:
    """Its names have been looked at: none leads out of the folder."""
    with tarfile.open(fileobj=bundle.stream(name), mode="r|gz") as tar:
        safely: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(folder, **safely)

"""Replaces a checkout's images, certificates and taxi files by those of a bundle: all of them, or none.

Each step first says how to undo it. What takes long or may fail (unpacking, `docker load`) is done before, beside the
things that are in use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from cli import taxi_files
from cli.bundle import saved_images
from cli.bundle.saved_images import SavedImage
from cli.environments import inherited
from cli.programs import ROOT, feed, output
from cli.runtimes.compose import images
from orionbox.errors import CommandError
from orionbox.trips.taxi_file import release_path

LOADING = "orionbox-loading"
"""The first word of the names under which images are loaded. They get their own when everything else is there, too."""


@contextmanager
def all_or_none() -> Iterator[ExitStack]:
    """Runs a block that replaces things; if it fails, undoes its steps, the last one first.

    Yields:
        Takes a callback for each step, before the step.
    """
    with ExitStack() as undo:
        yield undo
        undo.pop_all()


# --- images ---


def loading_name(name: str) -> str:
    """Returns the name under which an image of this checkout is loaded."""
    return f"{LOADING}/{hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]}/{name.partition('/')[2]}"


@contextmanager
def loaded_images(saved: Sequence[SavedImage], packed: Callable[[], IO[bytes]]) -> Iterator[None]:
    """Loads images under other names; removes these names at the end, and with them what has got no other name.

    Args:
        saved: the images.
        packed: opens the tar that they are in.

    Raises:
        CommandError: Docker refuses them.
    """
    names = [loading_name(image.name) for image in saved]
    _remove(names)  # left by a load that was killed
    try:
        feed(
            ["docker", "load", "--quiet"],
            lambda docker: saved_images.copy(packed(), saved, docker.write, loading_name),
            is_quiet=True,
        )
        yield
    finally:
        _remove(names)


def replace_images(saved: Sequence[SavedImage], undo: ExitStack) -> None:
    """Gives the loaded images their names."""
    for image in saved:
        undo.callback(_restore_image, image.name, _image_id(image.name))
        output("docker", "tag", loading_name(image.name), image.name)


def _image_id(name: str) -> str:
    """Returns the id of the image of that name; empty if there is none."""
    found = _ask("docker", "image", "inspect", "--format", "{{.Id}}", name)
    return found.stdout.strip() if found.returncode == 0 else ""


def _restore_image(name: str, old: str) -> None:
    with suppress(CommandError):  # the engine may be what has failed
        output("docker", "tag", old, name) if old else _remove([name])


def _remove(names: Sequence[str]) -> None:
    _ask("docker", "image", "rm", *names)


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=inherited.for_tools(), capture_output=True, text=True, errors="replace")


# --- certificates and taxi files ---


def replace_certificates(folder: Path, undo: ExitStack) -> None:
    """Replaces the certificates in the images' sources by those in the folder."""
    old = {file: file.read_bytes() for file in images.CERTIFICATES.glob("*.crt")}
    if not images.FROM_BUNDLE.exists():
        undo.callback(images.FROM_BUNDLE.unlink, missing_ok=True)
    undo.callback(_restore_certificates, old)
    images.import_certificates(folder)


def _restore_certificates(old: dict[Path, bytes]) -> None:
    for file in images.CERTIFICATES.glob("*.crt"):
        file.unlink()
    for file, content in old.items():
        file.write_bytes(content)


def replace_taxi_files(folder: Path, kept: Path, undo: ExitStack) -> None:
    """Imports the taxi files of a folder.

    Args:
        folder: where they are.
        kept: an empty folder on the checkout's disk, for those that they replace.
        undo: takes the steps.
    """
    names = [name for path in sorted(folder.rglob("*")) if (name := release_path(path))]
    for number, name in enumerate((*names, taxi_files.SOURCES)):
        undo.callback(_restore_file, taxi_files.DATA / name, _keep(taxi_files.DATA / name, kept / str(number)))
    taxi_files.import_folder(folder)


def _keep(path: Path, copy: Path) -> Path | None:
    """Gives a file a second name, or where that is not possible a copy; returns it, or None if there is no file."""
    if not os.path.lexists(path):
        return None
    try:
        os.link(path, copy, follow_symlinks=False)
    except (OSError, NotImplementedError):  # another disk, or a file system without such links
        shutil.copy2(path, copy, follow_symlinks=False)
    return copy


def _restore_file(path: Path, old: Path | None) -> None:
    if old:
        shutil.move(str(old), str(path))
    else:
        path.unlink(missing_ok=True)

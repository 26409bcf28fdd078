"""`load`: imports a bundle and starts the platform."""

from __future__ import annotations

import re
import tarfile
import time
from pathlib import Path
from typing import Any

from cli import taxi_files
from cli.archive import archive
from cli.archive.archive import BUNDLE, Archive
from cli.bundle.bundle import CHECKOUT, DATA, IMAGES, engine_machine, require_compose
from cli.programs import ROOT, run_with_input, say
from cli.runtimes.compose import images
from cli.runtimes.runtime import Runtime
from cli.settings import env_file
from orionbox.errors import BadInputError, CommandError
from orionbox.files import report_file_errors, temporary_folder


def load(runtime: Runtime, file: Path | None) -> int:
    """Imports the images, certificates and taxi files of a bundle, and starts the platform.

    Raises:
        BadInputError: the file is not a bundle for this checkout and machine; nothing has changed then.
        CommandError: the disk has no room, or Docker fails. A bundle can be loaded again.
    """
    with archive.open_archive(_require_file(file), BUNDLE) as bundle:
        platform = require_compose(runtime)
        _require_compatible(bundle)
        platform.prepare()
        platform.require_own()
        start = time.monotonic()
        say(f"loading {len(bundle.manifest['images'])} images, {bundle.manifest['bytes'] / 1e9:.1f} GB")
        run_with_input(["docker", "load", "--quiet"], bundle.stream(IMAGES))
        with report_file_errors(f"{bundle.path.name} was not imported completely"):
            _import_files(bundle)
        if outdated := images.outdated(platform.compose):
            raise CommandError(
                f"{bundle.path.name} was made from a different checkout; out of date here: {', '.join(outdated)}",
                f"use the checkout in it: unpack {BUNDLE.top_level}/{CHECKOUT}, and load there",
            )
        say(f"loaded in {time.monotonic() - start:.0f} s")
    platform.up()
    return 0


def _require_file(file: Path | None) -> Path:
    if not file:
        raise BadInputError("no bundle named", f"name one: make load FILE={BUNDLE.directory}/NAME.tar")
    if re.fullmatch(r"\.\d{3}", file.suffix):
        raise BadInputError(
            f"{file} is one part of a bundle of Orionbox 0.1.0",
            f"unpack the parts with: cat {file.with_suffix('')}.* | tar -xf - ; then do as {BUNDLE.top_level}/"
            "READ-ME-FIRST.txt says",
        )
    return ROOT / file


def _require_compatible(bundle: Archive) -> None:
    name, made_for, made_by = bundle.path.name, bundle.manifest["machine"], bundle.manifest["orionbox"]
    if made_for != engine_machine():
        raise BadInputError(
            f"{name} is for {made_for} machines; this one is {engine_machine()}; nothing was changed",
            f"make a bundle on a machine of this kind: {engine_machine()}",
        )
    if made_by != env_file.version():
        raise BadInputError(
            f"{name} was made by Orionbox {made_by}; this is {env_file.version()}; nothing was changed",
            f"use the checkout in it: unpack {BUNDLE.top_level}/{CHECKOUT}, and load there",
        )


def _import_files(bundle: Archive) -> None:
    """Imports the certificates in the images, and the taxi files."""
    with temporary_folder(ROOT) as folder:
        _unpack(bundle, CHECKOUT, folder)
        images.import_certificates(folder / "orionbox")
        _unpack(bundle, DATA, folder / "data")
        taxi_files.import_folder(folder / "data")


def _unpack(bundle: Archive, name: str, folder: Path) -> None:
    """Unpacks a member; its paths were verified when the bundle was opened."""
    with tarfile.open(fileobj=bundle.stream(name), mode="r|gz") as tar:
        safely: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(folder, **safely)

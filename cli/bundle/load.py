"""`load`: imports a bundle and starts the platform."""

from __future__ import annotations

import re
import shlex
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

from cli import messages
from cli.archive import archive
from cli.archive.archive import BUNDLE, Archive, require_space
from cli.bundle import replacement, saved_images
from cli.bundle.bundle import CHECKOUT, DATA, IMAGES, engine_machine, require_compose
from cli.bundle.saved_images import SavedImage
from cli.programs import CHUNK, ROOT, output, say
from cli.runtimes.compose import images
from cli.runtimes.compose.compose import Compose
from cli.runtimes.compose.runtime import ComposeRuntime
from cli.runtimes.runtime import Runtime
from cli.settings import env_file
from cli.waiting import waiting_for
from orionbox.errors import BadInputError
from orionbox.files import exclusive, report_file_errors, temporary_folder
from orionbox.trips.taxi_file import release_path

CERTIFICATE = re.compile(r"orionbox/services/base/certificates/([^/\0]+\.crt)")
"""The members of CHECKOUT that a load needs: the certificates in the images."""
LARGEST_CERTIFICATE = 1 << 20
"""Bytes."""
MEMBERS = {CHECKOUT, DATA, IMAGES}
"""The members that a load needs."""
NOTHING_CHANGED = "nothing was changed"


def load(runtime: Runtime, file: Path | None, is_confirmed: bool) -> int:
    """Imports the images, certificates and taxi files of a bundle, all of them or none, and starts the platform.

    Args:
        runtime: the platform.
        file: the bundle.
        is_confirmed: whether the user trusts whoever made the bundle.

    Raises:
        BadInputError: the file is not a bundle for this checkout and machine; nothing has changed then.
        CommandError: the disk has no room, or Docker fails; nothing has changed then, either.
    """

    def check(bundle: Archive) -> None:
        _require_compatible(bundle)
        messages.confirm_stranger(bundle, is_confirmed, "brings programs that will run on this machine", _typed(path))
        _require_engine_space(bundle.manifest)

    path, platform = _require_file(file), require_compose(runtime)
    with exclusive(Path(__file__)), archive.open_archive(path, BUNDLE, check) as bundle:
        platform.prepare()
        platform.require_own()
        start = time.monotonic()
        with report_file_errors(f"{bundle.shown_name} was not imported, and {NOTHING_CHANGED}"):
            _import(bundle, platform)
        say(f"loaded in {time.monotonic() - start:.0f} s")
    platform.up()
    return 0


def _typed(path: Path) -> str:
    return f"make load FILE={shlex.quote(str(path))}"


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


# --- checks, which change nothing ---


def _require_compatible(bundle: Archive) -> None:
    name, facts = bundle.shown_name, bundle.manifest
    if missing := {"machine", "orionbox", "bytes", "members"} - facts.keys() | MEMBERS - facts["members"].keys():
        text = f"{name} is damaged: it lacks {', '.join(sorted(missing))}; {NOTHING_CHANGED}"
        raise BadInputError(text, "make the bundle again")
    if facts["machine"] != engine_machine():
        raise BadInputError(
            f"{name} is for {facts['machine']} machines; this one is {engine_machine()}; {NOTHING_CHANGED}",
            f"make a bundle on a machine of this kind: {engine_machine()}",
        )
    if facts["orionbox"] != env_file.version():
        raise BadInputError(
            f"{name} was made by Orionbox {facts['orionbox']}; this is {env_file.version()}; {NOTHING_CHANGED}",
            _own_checkout(),
        )


def _own_checkout() -> str:
    return f"use the checkout in it: unpack {BUNDLE.top_level}/{CHECKOUT}, and load there"


def _require_engine_space(facts: dict[str, Any]) -> None:
    """Refuses images for which the engine's disk has no room; that of a virtual machine cannot be measured here."""
    size = max(facts["bytes"], facts["members"][IMAGES].get("unpacked", 0))
    folder = Path(output("docker", "info", "--format", "{{.DockerRootDir}}").strip())
    if folder.is_dir():
        require_space(folder, 2 * size)  # Docker unpacks the tar, and then each layer from it


def _require_same_checkout(bundle: Archive, saved: list[SavedImage], compose: Compose, certificates: Path) -> None:
    """Compares what the images were built from with this checkout."""
    expected = images.expected_labels(compose, certificates)
    if outdated := [image.name for image in saved if image.labels.get(images.LABEL) != expected[image.name]]:
        raise BadInputError(
            f"{bundle.shown_name} was made from a different checkout; different here: {', '.join(outdated)}; "
            f"{NOTHING_CHANGED}",
            _own_checkout(),
        )


def _read_images(bundle: Archive, compose: Compose) -> list[SavedImage]:
    try:
        with waiting_for(f"the check of {IMAGES}"):
            return saved_images.read(bundle.stream(IMAGES), images.names(compose), bundle.unpacked(IMAGES))
    except BadInputError as error:
        raise BadInputError(f"{bundle.shown_name} {error.text}; {NOTHING_CHANGED}", error.fix) from error


# --- the import ---


def _import(bundle: Archive, platform: ComposeRuntime) -> None:
    """Checks everything that is in the bundle, and then replaces what it replaces."""
    size = bundle.manifest["bytes"]
    with temporary_folder(ROOT) as folder:
        certificates, data, kept = (folder / name for name in ("certificates", "data", "kept"))
        for new in (certificates, data, kept):
            new.mkdir()
        _unpack(bundle, CHECKOUT, _certificate, certificates, LARGEST_CERTIFICATE)
        saved = _read_images(bundle, platform.compose)
        _require_same_checkout(bundle, saved, platform.compose, certificates)
        _unpack(bundle, DATA, _taxi_file, data)
        say(f"loading {len(saved)} images, {size / 1e9:.1f} GB")
        with replacement.loaded_images(saved, lambda: bundle.stream(IMAGES)), replacement.all_or_none() as undo:
            replacement.replace_certificates(certificates, undo)
            replacement.replace_taxi_files(data, kept, undo)
            replacement.replace_images(saved, undo)


def _certificate(name: str) -> str:
    match = CERTIFICATE.fullmatch(name)
    return match[1] if match else ""


def _taxi_file(name: str) -> str:
    return name if release_path(Path(name)) == name else ""


def _unpack(
    bundle: Archive, member: str, place: Callable[[str], str], folder: Path, largest: int | None = None
) -> None:
    """Unpacks the files of a tar in the bundle that are needed.

    Args:
        bundle: the bundle; the names in its tars were verified when it was opened.
        member: the name of the tar.
        place: returns a file's path in `folder` from its name in the tar; empty for one that is not needed.
        folder: where they go.
        largest: bytes that one may have.
    """
    with tarfile.open(fileobj=bundle.stream(member), mode="r|gz") as tar:
        for file in tar:
            cast(Any, tar).members = []  # else it keeps them all
            if file.isreg() and (name := place(file.name)):
                if largest and file.size > largest:
                    raise BadInputError(f"{bundle.shown_name} is unsafe: {name} in it is too large; {NOTHING_CHANGED}")
                require_space(folder, 2 * file.size)  # here, and in its own place
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(cast("IO[bytes]", tar.extractfile(file)), target)


def _copy(content: IO[bytes], target: Path) -> None:
    with target.open("wb") as file:
        while chunk := content.read(CHUNK):
            file.write(chunk)

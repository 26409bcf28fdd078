"""The platform's images: builds those that are missing or whose sources have changed since."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cli.environments import inherited, proxies
from cli.programs import ROOT, last_lines, output, run, say
from cli.runtimes.compose import build_context
from cli.runtimes.compose.compose import ALL_PROFILES, Compose
from cli.runtimes.compose.dockerfiles import Dockerfile
from cli.waiting import waiting_for
from orionbox.errors import CommandError
from orionbox.files import new_file

LABEL = "orionbox.inputs"
"""The label that holds the hash of what an image was built from."""
HOST_CERTIFICATES = Path("/usr/local/share/ca-certificates")
OWN_CERTIFICATES = ROOT / "infra" / "certs"
CERTIFICATES = ROOT / "services" / "base" / "certificates"
"""The certificates in the images; `make up` writes them."""
DISK_FULL = "no space left on device"
FROM_BUNDLE = ROOT / ".from-bundle"
"""Exists if the images came from a bundle, certificates included."""


@dataclass(frozen=True)
class Image:
    """An image as compose describes it."""

    name: str
    context: Path
    dockerfile: Path
    args: dict[str, str]

    @classmethod
    def from_service(cls, service: dict[str, Any]) -> Image:
        """Creates an image from one service of `docker compose config`."""
        build, context = service["build"], Path(service["build"]["context"])
        return cls(service["image"], context, context / build.get("dockerfile", "Dockerfile"), build.get("args") or {})

    def parents(self) -> list[str]:
        """Returns the images that it is built from."""
        return self._read().parents()

    def entries(self, certificates: Path | None = None) -> list[build_context.Entry]:
        """Reads every file that goes into it.

        Args:
            certificates: a folder whose certificates stand in for those in CERTIFICATES.
        """
        found = build_context.read(self._read().files(), self.context)
        return _exchange_certificates(found, self.context, certificates) if certificates else found

    def _read(self) -> Dockerfile:
        return Dockerfile(self.dockerfile, self.context, self.args)


def collect_certificates() -> None:
    """Copies the trusted certificates into the base image's folder: those of this machine, and the user's own.

    If the images come from a bundle, theirs stay: otherwise all images would be out of date at once.
    """
    if not FROM_BUNDLE.exists():
        _replace_certificates([*HOST_CERTIFICATES.glob("*.crt"), *OWN_CERTIFICATES.glob("*.crt")])


def import_certificates(folder: Path) -> None:
    """Copies the certificates in the folder, with which images were built that this checkout uses from now on."""
    _replace_certificates(folder.glob("*.crt"))
    FROM_BUNDLE.touch()


def _replace_certificates(files: Iterable[Path]) -> None:
    contents = {file.name: file.read_bytes() for file in files}
    for old in CERTIFICATES.glob("*.crt"):
        if old.name not in contents:
            old.unlink()
    for name, content in contents.items():
        target = CERTIFICATES / name
        if not target.is_file() or target.read_bytes() != content:
            with new_file(target, 0o644) as file:
                file.write(content)


def _exchange_certificates(
    entries: Iterable[build_context.Entry], context: Path, folder: Path
) -> list[build_context.Entry]:
    """Returns the entries of an image; if it takes CERTIFICATES, with those of another folder in place of them."""
    own = [context / entry.name for entry in entries if (context / entry.name).parent == CERTIFICATES]
    files = [*folder.glob("*.crt")] if own else []
    place = CERTIFICATES.relative_to(context).as_posix() if own else ""
    new = [replace(entry, name=f"{place}/{entry.name}") for entry in build_context.read(files, folder)]
    kept = [entry for entry in entries if not (context / entry.name in own and entry.name.endswith(".crt"))]
    return sorted([*kept, *new], key=lambda entry: entry.name)


def ensure(compose: Compose, *only: str) -> bool:
    """Builds what is missing or out of date, parents first; True if anything was built.

    Args:
        compose: the platform's.
        only: names of services; all if none is given.
    """
    collect_certificates()
    services = compose.services(*ALL_PROFILES)
    images = _images(services)
    needed = [services[service]["image"] for service in only] or list(images)
    hashes, present = _hashes(images), _labels(list(images))
    stale = [name for name in _with_parents(needed, images) if present.get(name) != hashes[name]]
    for problem in proxies.for_containers(os.environ).problems if stale else ():
        say(problem)
    for name in stale:
        for parent in images[name].parents():
            if parent.startswith("debian:"):
                _make_base(parent)
        _build(images[name], hashes[name])
    return bool(stale)


def _images(services: dict[str, Any]) -> dict[str, Image]:
    return {image.name: image for image in map(Image.from_service, filter(_is_built, services.values()))}


def names(compose: Compose) -> list[str]:
    """Returns the names of all images, including parents."""
    return list(_images(compose.services(*ALL_PROFILES)))


def size(compose: Compose, names: list[str]) -> int:
    """Returns the bytes of all these images together, each layer counted once."""
    images = _images(compose.services(*ALL_PROFILES))
    found = output("docker", "image", "inspect", "--format", "{{.Size}}", *names).split()
    sizes = dict(zip(names, map(int, found)))
    return sum(size - sizes.get(images[name].parents()[-1], 0) for name, size in sizes.items())


def expected_labels(compose: Compose, certificates: Path) -> dict[str, str]:
    """Returns the label that each image of this checkout has if it was built with the certificates in that folder."""
    return _hashes(_images(compose.services(*ALL_PROFILES)), certificates)


def _is_built(service: dict[str, Any]) -> bool:
    return "build" in service


def _with_parents(names: Iterable[str], images: dict[str, Image]) -> list[str]:
    """Returns these images and all that they are built from, each once, and after its parents."""
    found: dict[str, None] = {}
    for name in names:
        parents = [parent for parent in images[name].parents() if parent in images]
        found.update(dict.fromkeys([*_with_parents(parents, images), name]))
    return list(found)


def _hashes(images: dict[str, Image], certificates: Path | None = None) -> dict[str, str]:
    """Returns the hash of each image's sources and of its parents' sources."""
    hashes: dict[str, str] = {}
    for name in _with_parents(images, images):
        hashes[name] = input_hash(images[name], hashes, certificates)
    return hashes


def input_hash(image: Image, parents: dict[str, str], certificates: Path | None = None) -> str:
    """Returns a hash of all that the image is built from.

    Args:
        image: the image.
        parents: the hashes of those parents that are built here.
        certificates: a folder whose certificates stand in for those in CERTIFICATES.
    """
    content = build_context.digest(image.entries(certificates))
    made_of = [image.args, [parents.get(name, name) for name in image.parents()], content]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def module_command(
    compose: Compose, service: str, module: str, *arguments: str, options: Sequence[str] = ()
) -> list[str]:
    """Returns the command that runs a Python module in a service's image, as `program_command` does."""
    return program_command(compose, service, "python", "-m", module, *arguments, options=options)


def program_command(compose: Compose, service: str, *command: str, options: Sequence[str] = ()) -> list[str]:
    """Returns the command that runs a program in a service's image, without any network; Docker keeps no log of it.

    Args:
        compose: the platform's.
        service: whose image.
        command: the program.
        options: of `docker run`.
    """
    image = compose.services(*ALL_PROFILES)[service]["image"]
    # Docker gives a container the proxies of its config.json
    without_proxies = [f"--env={name}=" for name in proxies.NAMES]
    isolated = ("--rm", "--log-driver=none", "--network=none", *without_proxies)
    return ["docker", "run", *isolated, *options, image, *command]


def _labels(names: list[str]) -> dict[str, str]:
    """Returns the input hash of each image that exists."""
    template = f'{{{{range .RepoTags}}}}{{{{.}}}} {{{{end}}}}\t{{{{index .Config.Labels "{LABEL}"}}}}'
    command = ["docker", "image", "inspect", "--format", template, *names]
    with waiting_for("docker image inspect"):
        done = subprocess.run(command, env=inherited.for_tools(), capture_output=True, text=True)
    return parse_labels(done.stdout)


def parse_labels(text: str) -> dict[str, str]:
    """Returns the label by tag from lines `tag [tag...]<tab>label`; Docker prints an empty line if it has none."""
    lines = (line.split("\t") for line in text.splitlines() if "\t" in line)
    return {tag: label for tags, label in lines for tag in tags.split()}


def _make_base(name: str) -> None:
    command = ["docker", "image", "inspect", name]
    if subprocess.run(command, env=inherited.for_tools(), capture_output=True).returncode == 0:
        return
    suite = name.removeprefix("debian:").removesuffix("-slim")
    if run("sh", "infra/debian/make.sh", suite):
        raise CommandError(f"{name} is neither in a registry nor could it be built here; see the lines above")


def _build(image: Image, inputs: str) -> None:
    say(f"image {image.name}: building")
    start = time.monotonic()
    args = [word for key, value in image.args.items() for word in ("--build-arg", f"{key}={value}")]
    args += inherited.BUILD_ARGUMENTS
    command = ["docker", "build", "--progress=plain", "--label", f"{LABEL}={inputs}", "--tag", image.name, *args]
    command += ["--file", image.dockerfile.relative_to(image.context).as_posix(), "-"]
    env, context = inherited.for_builds(), build_context.pack(image.entries())
    with waiting_for(f"docker build of {image.name}"):
        done = subprocess.run(command, env=env, input=context, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        lines = done.stdout.decode(errors="replace")
        fix = (
            "make room on Docker's disk; this shows what takes it: docker system df"
            if DISK_FULL in lines.lower()
            else ""
        )
        raise CommandError(f"image {image.name}: the build failed; its last lines:\n{last_lines(lines, 40)}", fix)
    megabytes = int(output("docker", "image", "inspect", "--format", "{{.Size}}", image.name)) / 1e6
    say(f"image {image.name}: built in {time.monotonic() - start:.0f} s, {megabytes:.0f} MB")

"""The platform's images: builds those that are missing or whose sources have changed since."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctl.shell import ROOT, CommandError, environment, last_lines, output, run, say

LABEL = "orionbox.inputs"
"""The label that holds the hash of what an image was built from."""
HOST_CERTIFICATES = Path("/usr/local/share/ca-certificates")


@dataclass(frozen=True)
class Image:
    """An image as compose describes it."""

    name: str
    context: Path
    dockerfile: Path
    args: dict[str, str]

    @classmethod
    def from_service(cls, service: dict[str, Any]) -> Image:
        """From one service of `docker compose config`."""
        build, context = service["build"], Path(service["build"]["context"])
        return cls(service["image"], context, context / build.get("dockerfile", "Dockerfile"), build.get("args") or {})

    def instructions(self, name: str) -> list[list[str]]:
        """The arguments of each such instruction in the Dockerfile, with its ARGs put in."""
        text = self.dockerfile.read_text(encoding="utf-8")
        for key, value in self.args.items():
            text = text.replace(f"${{{key}}}", value)
        return [line.split() for line in re.findall(rf"^{name} (.*)$", text, re.MULTILINE)]

    def parents(self) -> list[str]:
        """The images that it is built from."""
        return [words[0] for words in self.instructions("FROM") if ":" in words[0]]

    def files(self) -> list[Path]:
        """Every file that goes into it."""
        sources = [
            self.context / source
            for words in self.instructions("COPY")
            if not words[0].startswith("--from")
            for source in words[:-1]
        ]
        found = {file for source in sources for file in (source.rglob("*") if source.is_dir() else [source])}
        return sorted(file for file in found | {self.dockerfile} if file.is_file() and "__pycache__" not in file.parts)


def collect_certificates() -> None:
    """Copies the host's own extra authorities to infra/certs/, from where every image takes them."""
    for certificate in HOST_CERTIFICATES.glob("*.crt"):
        shutil.copyfile(certificate, ROOT / "infra" / "certs" / certificate.name)


def ensure(*only: str) -> bool:
    """Builds what is missing or out of date, parents first; True if anything was built.

    Args:
        only: names of services; all where none is given.
    """
    collect_certificates()
    services = json.loads(output("docker", "compose", "--profile", "*", "config", "--format", "json"))["services"]
    images = {image.name: image for image in map(Image.from_service, filter(_is_built, services.values()))}
    wanted = [services[service]["image"] for service in only] or list(images)
    built: dict[str, str] = {}
    present = _labels(list(images))
    return any([_ensure(images[name], images, present, built) for name in wanted])


def _is_built(service: dict[str, Any]) -> bool:
    return "build" in service


def _ensure(image: Image, images: dict[str, Image], present: dict[str, str], hashes: dict[str, str]) -> bool:
    if image.name in hashes:
        return False
    for parent in image.parents():
        if parent in images:
            _ensure(images[parent], images, present, hashes)
    hashes[image.name] = _hash(image, hashes)
    if present.get(image.name) == hashes[image.name]:
        return False
    for parent in image.parents():
        if parent.startswith("debian:"):
            _make_base(parent)
    _build(image, hashes[image.name])
    return True


def _hash(image: Image, parents: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps([image.args, [parents.get(name, name) for name in image.parents()]]).encode())
    for file in image.files():
        executable = os.access(file, os.X_OK)
        digest.update(f"\0{file.relative_to(ROOT)}\0{executable}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def flows_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of the flows image, cut off from all networks, and leaves no log of its output."""
    services = json.loads(output("docker", "compose", "--profile", "*", "config", "--format", "json"))["services"]
    run_image = ["docker", "run", "--rm", "--log-driver=none", "--network=none", services["flows"]["image"]]
    return [*run_image, "python", "-m", module, *arguments]


def _labels(names: list[str]) -> dict[str, str]:
    """The input hash of each image that there is."""
    template = f'{{{{range .RepoTags}}}}{{{{.}}}} {{{{end}}}}\t{{{{index .Config.Labels "{LABEL}"}}}}'
    command = ["docker", "image", "inspect", "--format", template, *names]
    return parse_labels(subprocess.run(command, capture_output=True, text=True).stdout)


def parse_labels(text: str) -> dict[str, str]:
    """Tag and label of each line `tag [tag...]<tab>label`; an empty line is what Docker prints when it has none."""
    lines = (line.split("\t") for line in text.splitlines() if "\t" in line)
    return {tag: label for tags, label in lines for tag in tags.split()}


def _make_base(name: str) -> None:
    if subprocess.run(["docker", "image", "inspect", name], capture_output=True).returncode == 0:
        return
    suite = name.removeprefix("debian:").removesuffix("-slim")
    if run("sh", "infra/base/make.sh", suite):
        raise CommandError(f"{name} is neither in a registry nor could it be made here; see the lines above")


def _build(image: Image, inputs: str) -> None:
    say(f"image {image.name}: building")
    start = time.monotonic()
    args = [word for key, value in image.args.items() for word in ("--build-arg", f"{key}={value}")]
    command = ["docker", "build", "--progress=plain", "--label", f"{LABEL}={inputs}", "--tag", image.name, *args]
    command += ["--file", str(image.dockerfile), str(image.context)]
    env = {**environment(), "DOCKER_BUILDKIT": "1"}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise CommandError(f"image {image.name}: the build failed; its last lines:\n{last_lines(done.stdout, 40)}")
    megabytes = int(output("docker", "image", "inspect", "--format", "{{.Size}}", image.name)) / 1e6
    say(f"image {image.name}: built in {time.monotonic() - start:.0f} s, {megabytes:.0f} MB")

"""The images of a bundle, in the tar that `docker save` writes: checked, and copied without anything else.

Docker takes names from three places in such a tar, and reads JSON and the headers of a tar more leniently than Python.
So `docker load` never gets the file as it is. `read` checks what is in it, and `copy` writes a new tar, with a new
list of names and only the files that this list needs. Both read the file as a stream and keep little of it in memory.

The two forms of the tar: https://github.com/moby/docker-image-spec/blob/main/spec.md (before Docker 25), and
https://github.com/opencontainers/image-spec/blob/main/image-layout.md (from Docker 25 on), which adds `blobs/`.
"""

from __future__ import annotations

import json
import re
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from tarfile import TarInfo
from typing import IO, Any

from cli.archive import tars
from orionbox.errors import BadInputError, printable

LIST, INDEX, OLD_LIST = "manifest.json", "index.json", "repositories"
"""The three places in which Docker's versions look for names."""
ID = "[0-9a-f]{64}"
KNOWN = re.compile(
    rf"{ID}(/(json|VERSION|layer\.tar)?)?|{ID}\.json|blobs/?|blobs/sha256/?|blobs/sha256/{ID}"
    r"|manifest\.json|repositories|index\.json|oci-layout"
)
"""Every name that either form has; those of folders may end in a slash."""
LAYER_LINK = re.compile(rf"\.\./({ID}/layer\.tar)")
"""Where the link of a repeated layer leads, in the form before Docker 25."""
LARGEST_JSON = 4 << 20
"""Bytes of a list or of an image's configuration; ours have a few thousand."""
MOST_JSON = 64 << 20
"""Bytes of all such files together, which are kept in memory."""
MOST_FILES = 10_000


@dataclass(frozen=True)
class SavedImage:
    """An image in the tar."""

    name: str
    config: str
    """The name of its configuration in the tar."""
    layers: tuple[str, ...]
    """The names of its layers in the tar, the lowest first."""
    labels: Mapping[str, str]


@dataclass
class _Found:
    """What a tar holds."""

    files: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    """Repeated layers, with the layer that each is."""
    texts: dict[str, bytes] = field(default_factory=dict)
    """The content of each small file that may be JSON."""


def read(packed: IO[bytes], names: Collection[str], largest: int) -> list[SavedImage]:
    """Reads a tar of images to its end, and checks that it holds these images and nothing else.

    Args:
        packed: the tar, compressed with gzip.
        names: the only names that its images may have, and all of them.
        largest: bytes that it may have when it is unpacked.

    Raises:
        BadInputError: it is damaged, larger, or holds something else. The text continues the name of the bundle.
    """
    with _refusing_damage():
        found = _collect(packed, largest)
        listed = [_image(entry, found) for entry in _json(found, LIST, list)]
        foreign = _names(found) - set(names)
    if foreign:
        raise BadInputError(f"brings an image that is not of this checkout: {printable(min(foreign))}")
    if missing := set(names) - {image.name for image in listed}:
        raise BadInputError(f"lacks images of this checkout: {', '.join(sorted(missing))}")
    return listed


def copy(
    packed: IO[bytes], images: Sequence[SavedImage], write: Callable[[bytes], object], new_name: Callable[[str], str]
) -> None:
    """Writes a tar of these images, under other names, from the tar that `read` has checked.

    Args:
        packed: that tar, from its start.
        images: what `read` has returned.
        write: takes the next bytes of the new tar.
        new_name: returns the name that an image gets.
    """
    content = [
        {"Config": image.config, "RepoTags": [new_name(image.name)], "Layers": list(image.layers)} for image in images
    ]
    tars.write_member(write, LIST, json.dumps(content).encode())
    needed = {image.config for image in images}.union(*(image.layers for image in images))
    for member, chunks in tars.unpack(packed, is_harmless=_is_repeated_layer):
        if member.name in needed:
            tars.copy_member(write, member, chunks)
    write(tars.END)


def _is_repeated_layer(member: TarInfo) -> bool:
    return member.issym() and bool(KNOWN.fullmatch(member.name) and LAYER_LINK.fullmatch(member.linkname))


@contextmanager
def _refusing_damage() -> Iterator[None]:
    try:
        yield
    except tars.UnsafeTarError as error:
        raise BadInputError(f"is unsafe: its images hold {error}", "do not use this file") from error
    except (
        tarfile.TarError,
        EOFError,
        OSError,
        zlib.error,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        if isinstance(error, BadInputError):
            raise
        raise BadInputError(f"is damaged: its images cannot be read ({printable(str(error))})") from error


# --- what is in the tar ---


def _collect(packed: IO[bytes], largest: int) -> _Found:
    """Reads the tar to its end; refuses members that `docker save` does not write."""
    found, kept = _Found(), 0
    for member, chunks in tars.unpack(packed, largest, MOST_FILES, _is_repeated_layer):
        name = member.name.rstrip("/") if member.isdir() else member.name
        if not KNOWN.fullmatch(name):
            raise BadInputError(f"is unsafe: its images hold {printable(member.name)}", "do not use this file")
        if name in found.files or name in found.links:
            raise BadInputError(f"is unsafe: its images hold {name} twice", "do not use this file")
        if member.isdir():
            continue
        if target := member.issym() and LAYER_LINK.fullmatch(member.linkname):
            found.links[name] = target[1]
            continue
        found.files.add(name)
        if member.size <= LARGEST_JSON and kept <= MOST_JSON and not name.endswith("/layer.tar"):
            content = b"".join(chunks())
            if content[:1] in (b"{", b"["):
                found.texts[name] = content
                kept += len(content)
    return found


def _json(found: _Found, name: str, type_: type) -> Any:
    """Returns the content of a JSON file in the tar.

    Raises:
        ValueError: the tar does not have it, or it is of another type.
    """
    content = json.loads(found.texts.get(name, b""))
    if not isinstance(content, type_):
        raise ValueError(f"{name} is not what docker save writes")
    return content


def _image(entry: Any, found: _Found) -> SavedImage:
    """Reads an entry of the list.

    Raises:
        ValueError, KeyError, TypeError: it is not as `docker save` writes it, or a file of it is missing.
    """
    config, (name,) = entry["Config"], entry["RepoTags"]
    layers = tuple(found.links.get(layer, layer) for layer in entry["Layers"])
    if not {config, *layers} <= found.files:
        raise ValueError(f"files of {name} are missing")
    labels = _json(found, config, dict)["config"].get("Labels") or {}
    return SavedImage(str(name), config, layers, {str(key): str(value) for key, value in labels.items()})


def _names(found: _Found) -> set[str]:
    """Returns every name in the tar, wherever a version of Docker would find it."""
    names = {str(name) for entry in _json(found, LIST, list) for name in entry["RepoTags"]}
    if OLD_LIST in found.files:
        tags_by_image = _json(found, OLD_LIST, dict).items()
        names |= {f"{image}:{tag}" for image, tags in tags_by_image for tag in tags}
    if INDEX in found.files:
        for entry in _json(found, INDEX, dict)["manifests"]:
            notes = entry.get("annotations") or {}
            # containerd writes the whole name, with the registry that Docker leaves out; the other one is a tag
            full, short = notes.get("io.containerd.image.name"), notes.get("org.opencontainers.image.ref.name")
            names |= {str(name).replace("docker.io/", "", 1) for name in (full, short) if name and ":" in str(name)}
    return names


# --- a new tar ---

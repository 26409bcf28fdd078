"""What a bundle's tar of images may hold, and what of it Docker gets to see."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cli.archive import tars
from cli.bundle import saved_images
from cli.programs import CHUNK
from orionbox.errors import BadInputError

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
NAMES = ["orionbox/base:1", "orionbox/flows:1"]
LARGE = 1 << 30
Content = bytes | object
"""Bytes, a string for the target of a link, None for a folder, or what is written as JSON."""


def packed(members: Mapping[str, Content] | Sequence[tuple[str, Content]], **options: Any) -> io.BytesIO:
    """A compressed tar; a value that is no bytes becomes JSON, a link or a folder."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", **options) as tar:
        for name, content in members.items() if isinstance(members, Mapping) else members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    file.seek(0)
    return file


def config(label: str) -> dict[str, Any]:
    return {"config": {"Labels": {"orionbox.inputs": label}}, "rootfs": {"type": "layers", "diff_ids": ["sha256:0"]}}


def before_docker_25() -> dict[str, Content]:
    """The form of Docker 20.10: a folder a layer, and a link for a layer that repeats."""
    return {
        f"{C}/": None,
        f"{C}/VERSION": b"1.0",
        f"{C}/json": {"id": C},
        f"{C}/layer.tar": b"lower",
        f"{D}/": None,
        f"{D}/layer.tar": f"../{C}/layer.tar",
        f"{A}.json": config("one"),
        f"{B}.json": config("two"),
        "manifest.json": [
            {"Config": f"{A}.json", "RepoTags": ["orionbox/base:1"], "Layers": [f"{C}/layer.tar"]},
            {"Config": f"{B}.json", "RepoTags": ["orionbox/flows:1"], "Layers": [f"{C}/layer.tar", f"{D}/layer.tar"]},
        ],
        "repositories": {"orionbox/base": {"1": C}, "orionbox/flows": {"1": D}},
    }


def from_docker_25() -> dict[str, Content]:
    """The form that adds an OCI layout."""
    blob = "blobs/sha256/"

    def named(digest: str, name: str) -> dict[str, Any]:
        tag = name.partition(":")[2]
        notes = {"io.containerd.image.name": f"docker.io/{name}", "org.opencontainers.image.ref.name": tag}
        return {"digest": f"sha256:{digest}", "annotations": notes}

    return {
        "blobs/": None,
        "blobs/sha256/": None,
        blob + A: config("one"),
        blob + B: config("two"),
        blob + C: b"lower",
        "index.json": {"manifests": [named(A, "orionbox/base:1"), named(B, "orionbox/flows:1")]},
        "manifest.json": [
            {"Config": blob + A, "RepoTags": ["orionbox/base:1"], "Layers": [blob + C], "LayerSources": {}},
            {"Config": blob + B, "RepoTags": ["orionbox/flows:1"], "Layers": [blob + C]},
        ],
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "repositories": {"orionbox/base": {"1": A}, "orionbox/flows": {"1": B}},
    }


FORMS = pytest.mark.parametrize("form", [before_docker_25, from_docker_25])


def refusal(members: Any, largest: int = LARGE, **options: Any) -> str:
    with pytest.raises(BadInputError) as error:
        saved_images.read(packed(members, **options), NAMES, largest)
    return str(error.value)


@FORMS
def test_images_of_this_checkout_are_read(form: Any) -> None:
    base, flows = saved_images.read(packed(form()), NAMES, LARGE)
    assert (base.name, flows.name) == ("orionbox/base:1", "orionbox/flows:1")
    assert (base.labels, flows.labels) == ({"orionbox.inputs": "one"}, {"orionbox.inputs": "two"})


@FORMS
def test_docker_gets_a_list_of_our_own_and_only_the_files_in_it(form: Any) -> None:
    images, written = saved_images.read(packed(form()), NAMES, LARGE), io.BytesIO()
    saved_images.copy(packed(form()), images, written.write, lambda name: f"loading/{name}")
    written.seek(0)
    with tarfile.open(fileobj=written) as tar:
        content = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        assert all(member.isreg() for member in tar)
    listed = json.loads(content.pop("manifest.json"))
    assert [entry["RepoTags"] for entry in listed] == [["loading/orionbox/base:1"], ["loading/orionbox/flows:1"]]
    assert {key for entry in listed for key in entry} == {"Config", "RepoTags", "Layers"}
    assert set(content) == {name for entry in listed for name in (entry["Config"], *entry["Layers"])}
    assert all(content[layer] == b"lower" for entry in listed for layer in entry["Layers"])
    assert not content.keys() & {"repositories", "index.json", "oci-layout"}


FOREIGN = ("debian:bookworm-slim", "orionbox/flows:2", "orionbox/other:1", "127.0.0.1/orionbox/flows:1", "x\x1b[2J:1")


@FORMS
@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("place", ["manifest.json", "second name", "repositories", "index.json"])
def test_an_image_that_is_not_of_this_checkout_is_refused(form: Any, name: str, place: str) -> None:
    members = form()
    if place == "manifest.json":
        members[place] = [*members[place], {**members[place][0], "RepoTags": [name]}]
    elif place == "second name":
        members["manifest.json"][0]["RepoTags"].append(name)
    elif place == "repositories":
        image, _, tag = name.rpartition(":")
        members[place][image] = {**members[place].get(image, {}), tag: C}
    else:
        members[place] = {"manifests": [{"annotations": {"io.containerd.image.name": f"docker.io/{name}"}}]}
    said = refusal(members)
    assert "not of this checkout" in said or "cannot be read" in said
    assert "\x1b" not in said


def test_a_name_in_other_letters_is_not_passed_on() -> None:
    """Docker reads `repotags` as `RepoTags`, and takes the last one."""
    members = from_docker_25()
    entries: Any = members["manifest.json"]
    entries[0]["repotags"] = ["debian:bookworm-slim"]
    images, written = saved_images.read(packed(members), NAMES, LARGE), io.BytesIO()
    saved_images.copy(packed(members), images, written.write, lambda name: name)
    assert b"debian" not in written.getvalue()


def test_an_image_without_a_name_and_a_missing_one_are_refused() -> None:
    members: Any = from_docker_25()
    members["manifest.json"][1]["RepoTags"] = None
    assert "cannot be read" in refusal(members)
    members = from_docker_25()
    del members["manifest.json"][1]
    assert "lacks images of this checkout: orionbox/flows:1" in refusal(members)


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "x", f"{A}/../x", f"{A}/VERSION/x", "blobs/sha512/x", f"blobs/sha256/{A}/x", "\x1b[2J"],
)
def test_an_odd_path_is_refused(name: str) -> None:
    said = refusal({**from_docker_25(), name: b""})
    assert "is unsafe: its images hold " in said and "\x1b" not in said


@pytest.mark.parametrize("type_", [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, b"S"])
def test_what_is_no_file_is_refused(type_: bytes) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        member = tarfile.TarInfo(f"{A}/layer.tar")
        member.type, member.linkname = type_, "/etc/shadow"
        tar.addfile(member)
    file.seek(0)
    with pytest.raises(BadInputError, match="is unsafe: its images hold the member|is damaged"):
        saved_images.read(file, NAMES, LARGE)


def test_a_file_that_comes_twice_is_refused() -> None:
    members = [*from_docker_25().items(), ("manifest.json", [])]
    assert "hold manifest.json twice" in refusal(members)


def test_links_that_lead_elsewhere_are_refused() -> None:
    members = before_docker_25()
    members[f"{D}/layer.tar"] = "../../etc/shadow"
    assert "is unsafe: its images hold the member" in refusal(members)
    members[f"{D}/layer.tar"] = f"../{B}/layer.tar"
    assert "files of orionbox/flows:1 are missing" in refusal(members)


@pytest.mark.parametrize("content", [b"[", b"{}", b"[1]", b'[{"Config": 1}]', b"[" * 100_000, b"\xff"])
def test_a_list_that_docker_does_not_write_is_refused(content: bytes) -> None:
    assert "cannot be read" in refusal({**from_docker_25(), "manifest.json": content})


# --- bombs: refused without being held in memory ---


def bomb(header: tarfile.TarInfo, size: int) -> io.BytesIO:
    """A compressed tar that begins with a header, and `size` zeros after it."""
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=9) as content:
        content.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(size >> 20):
            content.write(bytes(1 << 20))
    file.seek(0)
    return file


@pytest.mark.parametrize("type_", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
@pytest.mark.parametrize("size", [16 << 20, 1 << 40])
def test_a_bomb_is_refused_before_it_is_held_in_memory(
    type_: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    original = tars.LimitedReader.read

    def read(self: tars.LimitedReader, size: int) -> bytes:
        sizes.append(size)
        return original(self, size)

    monkeypatch.setattr(tars.LimitedReader, "read", read)
    header = tarfile.TarInfo("manifest.json")
    header.type, header.size = type_, size
    with pytest.raises(BadInputError, match="is unsafe: its images hold|is damaged"):
        saved_images.read(bomb(header, 8 << 20), NAMES, 4 << 20)
    assert max(sizes) <= CHUNK


def test_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_images, "MOST_FILES", 20)
    assert "more than 20 members" in refusal({f"{number:064x}/": None for number in range(30)})


def test_an_extended_header_does_not_hide_a_name() -> None:
    """What Docker gets has none: the name that was checked stands in the member's own header."""
    members = packed({"manifest.json": []}, format=tarfile.PAX_FORMAT, pax_headers={"path": "x"})
    with pytest.raises(BadInputError):
        saved_images.read(members, NAMES, LARGE)


@pytest.mark.parametrize("cut", [100, 600])
def test_a_tar_that_is_cut_off_is_refused(cut: int) -> None:
    whole = packed(from_docker_25()).getvalue()
    with pytest.raises(BadInputError, match="is damaged: its images cannot be read"):
        saved_images.read(io.BytesIO(whole[: len(whole) - cut]), NAMES, LARGE)


def test_a_negative_size_is_refused() -> None:
    header = bytearray(tarfile.TarInfo("manifest.json").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 12  # -1, in base 256
    header[148:156] = b" " * 8
    header[148:155] = b"%06o\0" % sum(header)
    with pytest.raises(BadInputError, match="is damaged"):
        saved_images.read(io.BytesIO(gzip.compress(bytes(header))), NAMES, LARGE)

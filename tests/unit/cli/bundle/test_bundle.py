from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any, cast

import pytest

from cli.archive import archive, split_files
from cli.archive.archive import BUNDLE, Archive
from cli.bundle import bundle, load
from cli.settings.env_file import version
from orionbox.errors import BadInputError

CONTENT = random.Random(7).randbytes(10_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "all.tar"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(("size", "count"), [(11, 910), (3_000, 4), (5_000, 2), (9_999, 2)])
def test_a_file_is_cut_into_parts_which_together_are_the_file(file: Path, size: int, count: int) -> None:
    made = split_files.split(file, size)
    assert len(made) == count
    assert b"".join(part.read_bytes() for part in made) == CONTENT
    assert not file.exists()
    with split_files.opened(made[0]) as whole:
        assert whole.read() == CONTENT


def test_what_fits_stays_in_one_piece(file: Path) -> None:
    assert split_files.split(file, len(CONTENT)) == [file]
    with split_files.opened(file) as whole:
        assert whole.read() == CONTENT


def test_any_place_in_the_parts_can_be_read(file: Path) -> None:
    first = split_files.split(file, 3_000)[0]
    with split_files.opened(first) as whole:
        for start, size in ((2_990, 20), (0, 1), (9_990, 50), (5_999, 2), (3_000, 3_000)):
            assert whole.seek(start) == start
            assert whole.read(size) == CONTENT[start : start + size]
        assert whole.seek(-5, os.SEEK_END) == len(CONTENT) - 5
        assert whole.read() == CONTENT[-5:]


def of(**facts: Any) -> Archive:
    manifest = {"orionbox": version(), "machine": "amd64", **facts}
    return Archive(Path("mine.tar"), cast(Any, None), manifest, BUNDLE)


@pytest.mark.parametrize(
    ("facts", "said"),
    [({"machine": "arm64"}, "is for arm64 machines, and this engine's is amd64"), ({"orionbox": "9.9.9"}, "9.9.9")],
)
def test_a_bundle_for_others_is_refused(facts: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_engine_machine", lambda: "amd64")
    load._require_fit(of())
    with pytest.raises(BadInputError, match=said):
        load._require_fit(of(**facts))


@pytest.mark.parametrize("size", ["0", "-1", "4GB", "4.5"])
def test_a_part_s_size_is_a_number_of_megabytes(size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLIT", size)
    with pytest.raises(BadInputError, match=f"SPLIT={size}: say how many megabytes"):
        bundle._part_size()


def test_a_backup_is_no_bundle(tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    with archive.new_file(file) as target:
        writer = archive.Writer(target)
        writer.add("orion.dump", lambda sink: sink.write(b"rows"))
        writer.finish({})
    with pytest.raises(BadInputError, match=r"backup\.tar is not a bundle of Orionbox; nothing was changed"):
        with archive.opened(file, BUNDLE):
            pass

"""Whose a block is: the platform's, which follows the settings, or a student's, which stays."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what Prefect imports
    from prefect.blocks.system import JSON, Secret
    from prefect.testing.utilities import prefect_test_harness

    from services.bootstrap.blocks import Written, save

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", autouse=True)
def orion() -> Iterator[None]:
    """An Orion of the tests' own, inside this process."""
    with prefect_test_harness():
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "blocks.json"


def value(name: str) -> str:
    return str(Secret.load(name).get())


def test_a_new_password_reaches_every_name_of_one_block(file: Path) -> None:
    for password in ("old", "new"):
        block, written = Secret(value=password), Written(file)
        for name in ("postgres", "warehouse"):
            save(block, name, written)
        assert [value(name) for name in ("postgres", "warehouse")] == [password] * 2


def test_a_student_s_block_stays_and_comes_back_as_the_platform_s_when_it_is_deleted(file: Path) -> None:
    save(Secret(value="ours"), "both", Written(file))
    Secret(value="theirs").save("both", overwrite=True)
    for later in ("ours", "ours, of the next start"):
        save(Secret(value=later), "both", Written(file))
        assert value("both") == "theirs"
    Secret.delete("both")
    save(Secret(value="ours"), "both", Written(file))
    assert value("both") == "ours"
    save(Secret(value="ours, later"), "both", Written(file))
    assert value("both") == "ours, later"


def test_a_block_that_a_student_deleted_and_made_anew_is_the_student_s(file: Path) -> None:
    save(Secret(value="ours"), "anew", Written(file))
    Secret.delete("anew")
    Secret(value="theirs").save("anew")
    save(Secret(value="ours, later"), "anew", Written(file))
    assert value("anew") == "theirs"


def test_a_student_s_block_with_the_platform_s_content_is_the_platform_s(file: Path) -> None:
    save(Secret(value="ours"), "same", Written(file))
    Secret(value="ours").save("same", overwrite=True)
    save(Secret(value="ours"), "same", Written(file))
    save(Secret(value="ours, later"), "same", Written(file))
    assert value("same") == "ours, later"


@pytest.mark.parametrize("content", ["", "{", "of another Orion"])
def test_without_a_record_every_block_is_the_platform_s(file: Path, content: str) -> None:
    JSON(value={"n": 1}).save("first", overwrite=True)
    if content == "of another Orion":
        file.write_text('{"00000000-0000-0000-0000-000000000000/first": "2023-01-01"}')
    elif content:
        file.write_text(content)
    save(JSON(value={"n": 2}), "first", Written(file))
    assert JSON.load("first").value == {"n": 2}

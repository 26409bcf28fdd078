"""docs/licences.md lists what the locks and Dockerfiles say, and what the licences' script makes of it."""

from __future__ import annotations

import re
from email.message import Message
from importlib.metadata import Distribution
from typing import Any, cast

import pytest
from packaging.markers import Marker
from packaging.utils import canonicalize_name

from dev import licences, licences_inside
from tests.conftest import ROOT
from tests.tracked import files_named

LOCKS = {folder: ROOT / folder / "requirements.lock" for folder in (*licences.DOCKERFILES, "cli/runtimes/embedded")}
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>.*?))? \\$", re.MULTILINE)
ROW = re.compile(
    r"^\| (?P<name>\S+) \| (?P<version>\S+) \| (?P<licence>[^|]*\S) \| (?P<places>[^|]+) \|$", re.MULTILINE
)
DEVELOPMENT = {"tests", "dev/bench", ".devcontainer"}
"""What no image of the platform has."""
LINUX = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux", "platform_system": "Linux"}


def listed() -> set[tuple[str, str]]:
    """Name and version of each row."""
    rows = ROW.finditer(licences.PAGE.read_text())
    return {(canonicalize_name(row["name"]), row["version"]) for row in rows}


def locked(folder: str) -> set[tuple[str, str]]:
    """What the folder's lock installs in an image."""
    environment = cast(Any, {**LINUX, "platform_machine": "x86_64"})
    pins = [pin for pin in PIN.finditer(LOCKS[folder].read_text())]
    return {
        (canonicalize_name(pin["name"]), pin["version"])
        for pin in pins
        if not pin["marker"] or Marker(pin["marker"]).evaluate(environment)
    }


@pytest.mark.parametrize("folder", [folder for folder, lock in LOCKS.items() if lock.exists()])
def test_every_locked_package_is_listed_with_its_version(folder: str) -> None:
    assert locked(folder), "the lock was read"
    assert locked(folder) - listed() == set(), "run: make up, then: make licences"


def test_every_image_s_lock_is_looked_at() -> None:
    found = {lock.parent.relative_to(ROOT).as_posix() for lock in files_named("requirements.lock")}
    assert found - DEVELOPMENT == {folder for folder, lock in LOCKS.items() if lock.exists()}


def test_every_debian_package_that_an_image_adds_is_listed() -> None:
    packages = licences.debian_packages()
    assert {"nginx", "postgresql-15", "git", "python3"} <= packages
    assert packages - {name for name, _ in listed()} == set(), "run: make up, then: make licences"


def test_every_dockerfile_is_looked_at() -> None:
    found = {file.parent.relative_to(ROOT).as_posix() for file in files_named("Dockerfile")}
    assert found - DEVELOPMENT == set(licences.DOCKERFILES)


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        ({"License-Expression": "MIT", "License": "other"}, "MIT"),
        ({"License": "BSD-3-Clause"}, "BSD-3-Clause"),
        (
            {"License": "Copyright 2026\nPermission is ...", "Classifier": "License :: OSI Approved :: ISC License"},
            "ISC License",
        ),
        ({"License": "UNKNOWN", "Classifier": "License :: OSI Approved"}, ""),
    ],
)
def test_a_package_s_licence_is_its_name_wherever_that_stands(said: dict[str, str], licence: str) -> None:
    class Package:
        version = "1.0"

        @property
        def metadata(self) -> Message:
            message = Message()
            for name, value in {"Name": "thing", **said}.items():
                message[name] = value
            return message

    assert licences_inside.python_package(cast(Distribution, Package())) == ["thing", "1.0", licence]


def test_of_debian_s_copyright_file_the_main_part_counts() -> None:
    text = "Format: 1.0\n\nFiles: debian/*\nLicense: GPL-2\n\nFiles: *\nCopyright: somebody\nLicense: MIT\n text\n"
    assert licences_inside.main_licence(text) == "MIT"
    assert licences_inside.main_licence("This is free software.\nLicense: see elsewhere\n") == ""

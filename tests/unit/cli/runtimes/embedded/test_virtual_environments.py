"""Virtual environments: built once, rebuilt if incomplete or outdated, and refused with a reason."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.runtimes.embedded import virtual_environments
from orionbox.errors import CommandError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a virtual environment that does not exist yet."""
    folder = tmp_path / "flows"
    monkeypatch.setattr(virtual_environments, "ROOT", tmp_path)
    monkeypatch.setattr(virtual_environments, "LOCKS", {folder: ("services/flows",)})
    for name in ("services/flows/requirements.lock", *virtual_environments.ALSO_BUILT_FROM):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    return folder


def installed(folder: Path) -> bool:
    """Ensures it; whether anything was installed."""
    calls = []

    def install(folder: Path, interpreter: str) -> None:
        folder.mkdir()
        calls.append(interpreter)

    virtual_environments.ensure_one(folder, sys.executable, install)
    return bool(calls)


def test_a_virtual_environment_is_made_once(folder: Path) -> None:
    assert installed(folder)
    assert not installed(folder)


@pytest.mark.parametrize("changed", ["services/flows/requirements.lock", "pyproject.toml", "flows/.complete"])
def test_one_that_is_incomplete_or_outdated_is_made_again(changed: str, folder: Path) -> None:
    installed(folder)
    (folder / "half a program").touch()
    (folder.parent / changed).write_text("two")
    assert installed(folder)
    assert not (folder / "half a program").exists()


def test_an_installation_that_fails_leaves_no_mark(folder: Path) -> None:
    def fail(folder: Path, interpreter: str) -> None:
        folder.mkdir()
        raise CommandError("no space left on device")

    with pytest.raises(CommandError):
        virtual_environments.ensure_one(folder, sys.executable, fail)
    assert installed(folder)


def test_an_old_python_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 9, 18, "final", 0))
    with pytest.raises(CommandError, match=r"Python 3\.11 or newer is needed; python3 is 3\.9") as error:
        virtual_environments.ensure()
    assert error.value.fix


def test_without_python_3_13_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_environments, "BIGQUERY_VERSION", "3.99")
    with pytest.raises(CommandError, match=r"needs Python 3\.99; there is none on PATH") as error:
        virtual_environments.python_for_bigquery()
    assert error.value.fix.endswith("python install 3.99")

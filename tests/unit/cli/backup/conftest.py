"""What the tests of backup and restore start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.archive import archive, dumps
from cli.backup import backup, block_key, check_backup
from cli.runtimes import ports
from cli.settings.settings import Settings
from tests.unit.cli.backup.fake_runtime import FakeRuntime, fake_dump
from tests.unit.fake_api import FakeApi


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the folders secrets/ and backups/."""
    for module in (archive, backup, check_backup):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(block_key, "FOLDER", tmp_path / "secrets")
    monkeypatch.setattr(dumps, "dump", fake_dump)
    monkeypatch.setattr(ports, "FOLDER", tmp_path / ".ports")
    for folder in ("secrets", "backups"):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """Orion and the emulators."""
    with FakeApi().serving() as api:
        yield api


@pytest.fixture
def runtime(checkout: Path, api: FakeApi, settings: Settings) -> FakeRuntime:
    """An empty platform with Google's stores, so without emulators."""
    return FakeRuntime(checkout / "platform", api, settings.with_values(CLOUD="gcp"))


@pytest.fixture
def with_emulators(runtime: FakeRuntime) -> FakeRuntime:
    """An empty platform with emulators."""
    runtime.settings = replace(runtime.settings, values={**runtime.settings.values, "CLOUD": "emulators"})
    return runtime

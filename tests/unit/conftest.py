"""What several unit tests start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.archive import signature
from cli.settings import env_file
from cli.settings.settings import Settings


@pytest.fixture
def settings() -> Settings:
    """The settings of a new checkout, where the user has typed nothing."""
    return Settings(env_file.fill_in(env_file.parse(env_file.EXAMPLE)))


@pytest.fixture(autouse=True)
def signing_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key with which this test's checkout signs its archives; the tree's own stays as it is."""
    monkeypatch.setattr(signature, "KEY", tmp_path / "secrets/archive.key")
    return tmp_path / "secrets/archive.key"

"""What several unit tests start from."""

from __future__ import annotations

import pytest

from cli.settings import env_file
from tests.conftest import ROOT


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings in force, those of the example until a test changes them."""
    example = env_file.parse(ROOT / ".env.example")
    monkeypatch.setattr(env_file, "load", lambda: example)
    monkeypatch.setenv("COMPOSE_PROFILES", "")
    return example

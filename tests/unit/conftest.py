"""What several unit tests start from."""

from __future__ import annotations

import pytest

from ctl import dotenv
from tests.conftest import ROOT


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings in force, those of the example until a test changes them."""
    example = dotenv.parse(ROOT / ".env.example")
    monkeypatch.setattr(dotenv, "load", lambda: example)
    monkeypatch.setenv("COMPOSE_PROFILES", "")
    return example

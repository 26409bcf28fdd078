"""What several unit tests start from."""

from __future__ import annotations

import pytest

from cli.settings import env_file
from cli.settings.settings import Settings


@pytest.fixture
def settings() -> Settings:
    """The settings of a new checkout, where the user has typed nothing."""
    return Settings(env_file.fill_in(env_file.parse(env_file.EXAMPLE)))

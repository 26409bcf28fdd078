"""A platform's folder in which nothing is running."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.runtimes.embedded import start, variables, virtual_environments
from cli.settings.settings import Settings


@pytest.fixture
def embedded(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a platform whose folder is in `tmp_path`."""
    monkeypatch.setattr(virtual_environments, "FOLDER", tmp_path)
    platform = settings.with_values(
        COMPOSE_PROJECT_NAME="unit-test", INTERNET_PORT="8090", WAREHOUSE_DB_PASSWORD="word"
    )
    for name in start.FOLDERS:
        (variables.folder(platform) / name).mkdir(parents=True)
    return platform

"""The emulator's backup, as far as it needs no emulator; tests of the whole are in tests/integration/embedded."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def backup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module; the emulator itself lives in another environment, on another Python."""
    needed: dict[str, dict[str, Any]] = {
        "duckdb": {"DuckDBPyConnection": object},
        "fastapi": {"FastAPI": object},
        "fastapi.responses": {"StreamingResponse": object},
        "local_bigquery": {},
        "local_bigquery.catalog": {"metadata": SimpleNamespace()},
        "local_bigquery.models": dict.fromkeys(("Dataset", "Model", "Routine"), object),
        "local_bigquery.engine": {"database": SimpleNamespace(_attach=None)},
        "local_bigquery.settings": {"settings": SimpleNamespace(data_dir=tmp_path)},
    }
    for name, members in needed.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "services.bigquery.local_bigquery.backup", raising=False)
    return importlib.import_module("services.bigquery.local_bigquery.backup")


def test_a_start_deletes_the_leftovers_of_a_killed_backup(backup: Any, tmp_path: Path) -> None:
    (tmp_path / ".backup-x7d2" / "copies").mkdir(parents=True)
    (tmp_path / "project").mkdir()
    backup.install(SimpleNamespace(add_api_route=lambda *arguments, **options: None))
    assert [path.name for path in tmp_path.iterdir()] == ["project"]

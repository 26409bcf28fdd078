"""Which old versions of tables go; DuckLake itself is in another environment, on another Python."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def sql(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the emulator's database was asked; its answer is always one file."""
    asked: list[str] = []

    @contextmanager
    def cursor() -> Any:
        def execute(text: str) -> Any:
            asked.append(text)
            return SimpleNamespace(fetchall=lambda: [("local/d/t/old.parquet",)])

        yield SimpleNamespace(execute=execute)

    needed: dict[str, dict[str, Any]] = {
        "duckdb": {"DuckDBPyConnection": object},
        "fastapi": {"FastAPI": object},
        "fastapi.responses": {"StreamingResponse": object},
        "local_bigquery": {},
        "local_bigquery.catalog": {"metadata": SimpleNamespace()},
        "local_bigquery.models": dict.fromkeys(("Dataset", "Model", "Routine"), object),
        "local_bigquery.engine": {"database": SimpleNamespace(cursor=cursor, projects=lambda: ["local"], _attach=None)},
        "local_bigquery.settings": {"settings": SimpleNamespace(data_dir=tmp_path)},
    }
    for name, members in needed.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("backup", "old_versions"):
        monkeypatch.delitem(sys.modules, f"services.bigquery.{name}", raising=False)
    (tmp_path / "local/d/t").mkdir(parents=True)
    (tmp_path / "local/d/t/old.parquet").write_bytes(b"12345")
    return asked


def prune(**options: Any) -> Any:
    return importlib.import_module("services.bigquery.local_bigquery.old_versions").prune(**options)


def test_versions_go_in_one_transaction_and_their_files_after_it(sql: list[str]) -> None:
    assert prune(days=2) == {"files": 1, "bytes": 5}
    assert sql == [
        "BEGIN",
        "CALL ducklake_expire_snapshots('local', older_than => now() - INTERVAL 2880 MINUTE)",
        "COMMIT",
        "CALL ducklake_cleanup_old_files('local', cleanup_all => true, dry_run => False)",
    ]


def test_a_dry_run_takes_everything_back(sql: list[str]) -> None:
    assert prune(days=2, dry_run=True) == {"files": 1, "bytes": 5}
    assert sql[-2:] == [
        "CALL ducklake_cleanup_old_files('local', cleanup_all => true, dry_run => True)",
        "ROLLBACK",
    ]


def test_versions_that_a_running_query_may_read_stay(sql: list[str]) -> None:
    prune(days=0)
    assert "INTERVAL 60 MINUTE" in sql[1]


def test_nothing_goes_while_a_backup_reads_the_files(sql: list[str], tmp_path: Path) -> None:
    (tmp_path / ".backup-x7d2").mkdir()
    assert prune(days=0) == {"files": 0, "bytes": 0}
    assert sql == []

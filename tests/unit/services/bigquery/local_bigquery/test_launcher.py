import importlib
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

REPLACE = "BEGIN TRANSACTION; DELETE FROM t WHERE source_file = 'x'; INSERT INTO t SELECT * FROM s; COMMIT TRANSACTION;"


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The launcher's module; the emulator itself is in another virtual environment, on another Python."""
    for name in ("local_bigquery", "local_bigquery.jobs"):
        module = ModuleType(name)
        module.__dict__.update(cli=None, query=None)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "services.bigquery.local_bigquery.launcher", raising=False)
    return importlib.import_module("services.bigquery.local_bigquery.launcher")


@pytest.fixture
def serialize(launcher: ModuleType) -> Callable[..., Callable[..., Any]]:
    found: Callable[..., Callable[..., Any]] = launcher.serialize_transactions
    return found


class Engine:
    """Counts how many jobs are inside it at once."""

    def __init__(self) -> None:
        self.inside = self.most = 0

    def execute(self, cursor: object, project_id: str, job_id: str | None, config: object, **_: object) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.02)
        self.inside -= 1


def run_together(serialize: Callable[..., Callable[..., Any]], sql: str) -> int:
    """Return how many of four jobs with the same text ran at the same time."""
    engine = Engine()
    execute = serialize(engine.execute)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: execute(None, "p", f"job-{n}", SimpleNamespace(query=sql)), range(4)))
    return engine.most


@pytest.mark.parametrize("sql", [REPLACE, REPLACE.lower(), "BEGIN; COMMIT;"])
def test_transactions_run_one_after_another(serialize: Callable[..., Callable[..., Any]], sql: str) -> None:
    assert run_together(serialize, sql) == 1


@pytest.mark.parametrize("sql", ["SELECT count(*) FROM t", "BEGIN SELECT 1; END;"])
def test_queries_without_a_transaction_do_not_wait(serialize: Callable[..., Callable[..., Any]], sql: str) -> None:
    assert run_together(serialize, sql) > 1


def test_the_launcher_works_in_its_data_folder(
    launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB spills into the working directory what exceeds its memory, and no character of the path is in any SQL."""
    (tmp_path / "it's data").mkdir()
    monkeypatch.chdir(tmp_path)
    found = launcher.enter_data_folder(["--port", "9050", "--data-dir", "it's data", "--host", "0.0.0.0"])
    assert Path.cwd() == tmp_path / "it's data"
    assert found == ["--port", "9050", "--host", "0.0.0.0", "--data-dir", "."]


def test_a_grpc_port_is_never_shared_with_another_platform(launcher: ModuleType) -> None:
    grpc = SimpleNamespace(server=lambda pool, options: (pool, options))
    launcher.refuse_shared_ports(grpc)
    assert grpc.server("pool") == ("pool", [("grpc.so_reuseport", 0)])

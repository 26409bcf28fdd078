"""How tasks get to a Dask cluster, tested without a cluster."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import warnings
from contextlib import AsyncExitStack
from pathlib import Path

import cloudpickle
import pytest

with warnings.catch_warnings():
    # Prefect's own imports warn
    warnings.simplefilter("ignore")
    from orionbox.prefect2.dask import (
        ClusterTaskRunner,
        NoClusterError,
        pickle_uninstalled_modules,
        uninstalled_modules,
    )


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module beside a flow."""
    (tmp_path / "helper_of_a_flow.py").write_text("TRIPS = 42\n\n\ndef trips():\n    return TRIPS\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "helper_of_a_flow"


def test_a_flow_s_modules_are_its_own_and_libraries_are_not(helper: str) -> None:
    __import__(helper)
    own = set(uninstalled_modules())
    assert helper in own
    assert not own & {"json", "prefect", "prefect.engine", "pyarrow", "distributed"}


def test_the_code_of_a_flow_s_modules_travels_with_its_tasks(helper: str) -> None:
    trips = __import__(helper).trips
    pickle_uninstalled_modules()
    program = "import sys, cloudpickle; print(cloudpickle.load(sys.stdin.buffer)())"
    done = subprocess.run([sys.executable, "-c", program], cwd="/", input=cloudpickle.dumps(trips), capture_output=True)
    assert done.stdout == b"42\n", done.stderr


def test_without_a_scheduler_the_error_says_where_it_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://127.0.0.1:9")
    runner = ClusterTaskRunner(client_kwargs={"timeout": "1s"})

    async def start() -> None:
        async with AsyncExitStack() as stack:
            await runner._start(stack)

    with pytest.raises(NoClusterError, match=r"answers at tcp://127\.0\.0\.1:9; .*: make up TASK_RUNNER=dask$"):
        asyncio.run(start())

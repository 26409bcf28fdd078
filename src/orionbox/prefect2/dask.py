"""Runs a flow's tasks on a Dask cluster, whose workers share only the platform's services with the flow run.

    from orionbox.prefect2.dask import ClusterTaskRunner

    @flow(task_runner=ClusterTaskRunner())

`DASK_SCHEDULER_ADDRESS` says where the cluster is. If a worker dies, another one repeats its task. With `KEEP_RESULTS`
in the deployment, the bucket holds the results of finished tasks.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import cloudpickle
from distributed.client import FutureCancelledError
from prefect.states import State, exception_to_crashed_state
from prefect_dask.task_runners import DaskTaskRunner

from orionbox.flow_settings import FlowSettings
from orionbox.orion import names

TIMEOUT = "15s"
"""How long the scheduler may take to answer."""
KEEP_RESULTS = {
    "env.PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
    "env.PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": f"gcs-bucket/{names.RESULTS}",
}
"""Deployment settings that keep task results in the bucket, so that they survive the worker."""


class NoClusterError(RuntimeError):
    """No Dask scheduler answers. The text says at which address, and what to do."""


class ClusterTaskRunner(DaskTaskRunner):
    """Runs tasks on the platform's cluster, or on another one whose address it gets."""

    async def _start(self, exit_stack: AsyncExitStack) -> None:
        """Connects to the scheduler.

        Raises:
            NoClusterError: no scheduler answers.
        """
        self.address = self.address or FlowSettings.from_environment().dask_scheduler
        self.client_kwargs.setdefault("timeout", TIMEOUT)
        pickle_uninstalled_modules()
        try:
            await super()._start(exit_stack)
        except OSError as error:
            raise NoClusterError(
                f"no Dask scheduler answers at {self.address}; start the platform's with: make up TASK_RUNNER=dask"
            ) from error

    async def wait(self, key: UUID, timeout: float | None = None) -> State[Any] | None:
        """Returns the task's final state, or None if it is not ready in time.

        If the scheduler is gone, the state is crashed, and explains that.
        """
        state: State[Any] | None = await super().wait(key, timeout)  # type: ignore[arg-type]
        if state and state.is_crashed():
            error = await state.result(raise_on_failure=False, fetch=True)
            if isinstance(error, FutureCancelledError) and error.reason == "scheduler-connection-lost":
                text = f"the Dask scheduler at {self.address} is gone, and the run's tasks with it; start the run again"
                return await exception_to_crashed_state(NoClusterError(text))
        return state


def pickle_uninstalled_modules() -> None:
    """Sends the code of modules that are not installed along with the tasks.

    So workers need no copy of the flows, and run each flow as it was when its run began.
    """
    for module in uninstalled_modules():
        cloudpickle.register_pickle_by_value(sys.modules[module])


def uninstalled_modules() -> Iterator[str]:
    """Yields the names of imported modules outside the Python environment, as flows are."""
    installed = {Path(path) for path in sysconfig.get_paths().values()} | {
        Path(sys.prefix),
        Path(sys.base_prefix, "lib"),
    }
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and name != "__main__" and not installed.intersection(Path(file).parents):
            yield name

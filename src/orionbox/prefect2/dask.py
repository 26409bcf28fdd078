"""A flow's tasks on a Dask cluster, whose workers share nothing with the flow run but the platform's services.

    from orionbox.prefect2.dask import ClusterTaskRunner

    @flow(task_runner=ClusterTaskRunner())

Where the cluster is, `DASK_SCHEDULER_ADDRESS` says. A task that is lost with its worker is run again by another one;
what finished tasks have returned is kept in the bucket if the deployment has `KEEP_RESULTS`.
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
from orionbox.stores import clients

PATIENCE = "15s"
"""How long the scheduler may take to answer."""
KEEP_RESULTS = {
    "env.PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
    "env.PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": f"gcs-bucket/{clients.RESULTS}",
}
"""For a deployment: what its tasks return lies where every worker finds it, whichever has gone since."""


class NoClusterError(RuntimeError):
    """No Dask scheduler answers, or none any more. The text says where it was, and what to do."""


class ClusterTaskRunner(DaskTaskRunner):
    """prefect-dask's task runner on the platform's cluster, or on another one that is named to it."""

    async def _start(self, exit_stack: AsyncExitStack) -> None:
        """Connects.

        Raises:
            NoClusterError: there is nothing to connect to.
        """
        self.address = self.address or FlowSettings.from_environment().dask_scheduler
        self.client_kwargs.setdefault("timeout", PATIENCE)
        send_own_modules()
        try:
            await super()._start(exit_stack)
        except OSError as error:
            raise NoClusterError(
                f"no Dask scheduler answers at {self.address}; start the platform's with: make up TASK_RUNNER=dask"
            ) from error

    async def wait(self, key: UUID, timeout: float | None = None) -> State[Any] | None:
        """The task's final state, or None where it is not ready in time; a lost scheduler is named in plain words."""
        state: State[Any] | None = await super().wait(key, timeout)  # type: ignore[arg-type]
        if state and state.is_crashed():
            error = await state.result(raise_on_failure=False, fetch=True)
            if isinstance(error, FutureCancelledError) and error.reason == "scheduler-connection-lost":
                text = f"the Dask scheduler at {self.address} is gone, and the run's tasks with it; start the run again"
                return await exception_to_crashed_state(NoClusterError(text))
        return state


def send_own_modules() -> None:
    """Makes the code of modules that are not installed travel with the tasks.

    Workers need no copy of the flows then, and run each as it was when its run began.
    """
    for module in own_modules():
        cloudpickle.register_pickle_by_value(sys.modules[module])


def own_modules() -> Iterator[str]:
    """The names of the imported modules that lie outside the Python environment, as flows do."""
    installed = {Path(path) for path in sysconfig.get_paths().values()} | {
        Path(sys.prefix),
        Path(sys.base_prefix, "lib"),
    }
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and name != "__main__" and not installed.intersection(Path(file).parents):
            yield name

"""Marks orphan runs as crashed, and removes orphan containers and tables.

When an agent is killed, its runs are unsupervised. If a run's container is killed with it, the run stays Running for
ever. Every few seconds the sweeper compares Orion's runs with the processes and containers that exist. Anything
orphaned for GRACE seconds is cleaned up.

The sweeper judges only what this platform's agent has started: containers behind this docker-proxy, and processes of
the agent. It leaves alone a flow that a student runs by hand, or with another agent.

It also deletes old results of tasks: `old_results`.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from orionbox.flow_settings import FlowSettings
from orionbox.orion.client import ONE_TRY, Json, JsonApi, Orion
from orionbox.orion.states import ACTIVE, ENDED
from orionbox.stores.staging_tables import run_id_from_name
from services.agent import old_results
from services.agent.bootstrapped import wait_until_bootstrapped
from services.agent.lock import running_agent
from services.agent.orphans import Container, Infrastructure, Watchlist, idle_containers

PAUSE, FIRST_PAUSE = 5, 0.2
"""Seconds between two sweeps, and before the first success."""
GRACE = 20
"""Seconds for which something must look like an orphan."""
RUN_LABEL = "prefect.io/flow-run-id"
"""The label by which Prefect names a container's run."""
MESSAGE = "Its {missing} disappeared (killed from outside, or out of memory). Start the run again."
PARENT_ENDED = "Its flow run has ended."
log = logging.getLogger("sweeper")


class Sweeper:
    """The sweeper of one platform.

    Args:
        environment: the variables that say where Orion, Docker, BigQuery and the agent's lock are.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.orion = Orion(environment["PREFECT_API_URL"], ONE_TRY)
        docker = environment.get("DOCKER_HOST", "")
        self.docker = JsonApi(docker.replace("tcp://", "http://")) if docker.startswith("tcp://") else None
        self.agent_lock = Path(environment["AGENT_LOCK"])
        self.agent_host = environment.get("AGENT_HOST", "")
        settings = FlowSettings.from_environment(environment)
        # With CLOUD=gcp the sweeper has no key; the bootstrap removes staging tables
        emulator = environment.get("BIGQUERY_EMULATOR_HOST")
        dataset = f"bigquery/v2/projects/{settings.project}/datasets/{settings.dataset}"
        self.dataset = None if emulator is None else JsonApi(f"{emulator}/{dataset}")
        self.runs, self.ended_runs = Watchlist(GRACE), Watchlist(GRACE)
        self.containers, self.tables = Watchlist(GRACE), Watchlist(GRACE)

    def sweep(self) -> None:
        """Checks all runs and containers once and cleans up orphans.

        Raises:
            OSError: a service does not answer. Nothing is changed then.
        """
        active = self.orion.list_objects("flow_runs", flow_runs={"state": {"type": {"any_": ACTIVE}}})
        containers = self._containers()
        docker = self.docker.url if self.docker else ""
        infrastructure = Infrastructure(docker, containers, self.agent_host, running_agent(self.agent_lock))
        orphans = {run["id"]: (run, missing) for run in active if (missing := infrastructure.lost_infrastructure(run))}
        for run_id in self.runs.update(orphans, time.monotonic()):
            self._crash(*orphans[run_id])
        for run_id in self.ended_runs.update(self._ended_runs_with_active_tasks(), time.monotonic()):
            self._crash_children(run_id, PARENT_ENDED)
            log.warning("flow run %s: marked what was still Running in it as Crashed", run_id)
        for container_id in self.containers.update(
            idle_containers(containers or {}, self._has_ended), time.monotonic()
        ):
            self._remove(container_id)

    def sweep_tables(self) -> None:
        """Checks BigQuery's staging tables once and deletes those of killed loads."""
        if self.dataset is None:
            return
        listed = self.dataset.call("tables?maxResults=1000").get("tables") or []
        loads = {name: run_id_from_name(name) for name in (table["tableReference"]["tableId"] for table in listed)}
        orphans = [name for name, run_id in loads.items() if run_id and self._has_ended(run_id)]
        for name in self.tables.update(orphans, time.monotonic()):
            self.dataset.call(f"tables/{name}", method="DELETE")
            log.warning("table %s: removed, as its run %s has ended", name, loads[name])

    def _containers(self) -> dict[str, Container] | None:
        if self.docker is None:
            return None
        listed = self.docker.call("containers/json?all=1")
        return {
            container["Id"]: Container(container["State"], _run_id((container["Labels"] or {}).get(RUN_LABEL, "")))
            for container in listed
        }

    def _has_ended(self, run_id: str) -> bool:
        """Returns whether the run has ended or was deleted."""
        found = self.orion.call("flow_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
        return not found or found[0]["state_type"] in ENDED

    def _ended_runs_with_active_tasks(self) -> list[str]:
        """Returns the ids of flow runs that have ended, perhaps only for the agent, while their tasks have not."""
        states = {"task_runs": ACTIVE, "flow_runs": ENDED}
        chosen = {objects: {"state": {"type": {"any_": names}}} for objects, names in states.items()}
        return sorted({task["flow_run_id"] for task in self.orion.list_objects("task_runs", **chosen)})

    def _crash(self, run: Json, missing: str) -> None:
        """Marks the run, and what is running within it, as crashed, unless the run has moved on since."""
        if self.orion.run(run["id"])["state"]["id"] != run["state"]["id"]:
            return
        message = MESSAGE.format(missing=missing)
        self._crash_children(run["id"], message)
        self._set_crashed(f"flow_runs/{run['id']}", message)
        log.warning("flow run %s (%s): marked as Crashed, as its %s is gone", run["name"], run["id"], missing)

    def _crash_children(self, run_id: str, message: str) -> None:
        """Marks the run's tasks and sub-flows as crashed, and what is running within those."""
        chosen = {"state": {"type": {"any_": ACTIVE}}}
        for child in self.orion.list_objects(
            "flow_runs", flow_runs={**chosen, "parent_flow_run_id": {"any_": [run_id]}}
        ):
            self._crash_children(child["id"], message)
            self._set_crashed(f"flow_runs/{child['id']}", message)
        for task in self.orion.list_objects("task_runs", flow_runs={"id": {"any_": [run_id]}}, task_runs=chosen):
            self._set_crashed(f"task_runs/{task['id']}", message)

    def _set_crashed(self, path: str, message: str) -> None:
        self.orion.call(f"{path}/set_state", {"state": {"type": "CRASHED", "message": message}, "force": True})

    def _remove(self, container_id: str) -> None:
        assert self.docker, "only Docker's containers are removed"
        self.docker.call(f"containers/{container_id}?force=1&v=1", method="DELETE")
        log.warning("container %s: removed, as no run needs it", container_id[:12])


def _run_id(label: str) -> str:
    """Returns the label if it is the id of a run; else an empty text, as of a container without one."""
    return label if re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", label) else ""


def main() -> None:
    """Sweeps for ever; records each sweep in the file SWEPT, which the health check reads."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    wait_until_bootstrapped()
    # Beside the sweeps, because it may take long
    threading.Thread(target=old_results.prune_for_ever, daemon=True).start()
    sweeper, swept, last_error = Sweeper(), Path(os.environ["SWEPT"]), ""
    while True:
        try:
            sweeper.sweep()
            swept.write_text(str(time.monotonic()))
            sweeper.sweep_tables()
        except (OSError, ValueError) as error:
            if str(error) != last_error:
                log.warning("sweep failed: %s", error)
            last_error = str(error)
        time.sleep(PAUSE if swept.exists() else FIRST_PAUSE)


def is_healthy() -> bool:
    """Returns whether the last sweep is recent, by the clock that all processes share and nobody can set."""
    swept = Path(os.environ["SWEPT"])
    # Empty while it is being written
    return swept.exists() and time.monotonic() - float(swept.read_text() or "inf") < 4 * PAUSE


if __name__ == "__main__":
    sys.exit(0 if is_healthy() else 1) if sys.argv[1:] == ["health"] else main()

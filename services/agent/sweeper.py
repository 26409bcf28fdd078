"""Ends flow runs that nothing works on any more, and removes containers and tables that nothing works on either.

When an agent is killed, nobody watches what it has started; when a run's container is killed with it, Orion waits for
news of the run for ever. This looks every few seconds at what Orion believes and at what there is. What does not fit
for longer than GRACE is swept: before that, its agent, if it lives, may still have its say.

It judges only what this platform's agent has started: containers behind this docker-proxy, and processes of the agent.
A flow that a student runs by hand, or with an agent elsewhere, bears no such mark and is left alone.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from orionbox.flow_settings import FlowSettings
from orionbox.orion.client import ONE_TRY, Json, JsonApi, Orion
from orionbox.orion.states import ACTIVE, ENDED
from orionbox.stores.staging_tables import run_of
from services.agent.lock import living
from services.agent.orphans import INTERVAL, START, Patience, Surroundings, idle

RUN_LABEL = "prefect.io/flow-run-id"
"""The label by which Prefect names a container's run."""
MESSAGE = "Its {what} has gone, killed from outside or out of memory, and nothing works on it any more. Start it again."
LEFT_BEHIND = "Its flow run has ended, and nothing works on it any more."
log = logging.getLogger("sweeper")


class Sweeper:
    """What is swept, and how; one for a platform."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.orion = Orion(environment["PREFECT_API_URL"], ONE_TRY)
        host = environment.get("DOCKER_HOST", "")
        self.docker = JsonApi(host.replace("tcp://", "http://")) if host.startswith("tcp://") else None
        self.agent_lock = Path(environment["AGENT_LOCK"])
        self.agent_host = environment.get("AGENT_HOST", "")
        settings = FlowSettings.from_environment(environment)
        # Google answers nobody without a key, and this has none: there the bootstrap looks
        emulator = environment.get("BIGQUERY_EMULATOR_HOST")
        dataset = f"bigquery/v2/projects/{settings.project}/datasets/{settings.dataset}"
        self.dataset = None if emulator is None else JsonApi(f"{emulator}/{dataset}")
        self.runs, self.insides, self.containers, self.tables = Patience(), Patience(), Patience(), Patience()

    def look(self) -> None:
        """One look, and what follows from it. An error means that nobody knows, so nothing is swept."""
        active = self.orion.all("flow_runs", flow_runs={"state": {"type": {"any_": ACTIVE}}})
        found = self._containers()
        docker = self.docker.url if self.docker else ""
        around = Surroundings(docker, found, self.agent_host, living(self.agent_lock))
        lost = {run["id"]: (run, what) for run in active if (what := around.lost(run))}
        for run_id in self.runs.exhausted(lost, time.monotonic()):
            self._crash(*lost[run_id])
        for run_id in self.insides.exhausted(self._with_unfinished_business(), time.monotonic()):
            self._crash_inside(run_id, LEFT_BEHIND)
            log.warning("flow run %s: what was left Running in it is Crashed", run_id)
        for name in self.containers.exhausted(idle(found or {}, self._has_ended), time.monotonic()):
            self._remove(name)

    def look_into_bigquery(self) -> None:
        """The same for tables in which a month was to wait, and which a killed load has left behind."""
        if self.dataset is None:
            return
        listed = self.dataset.call("tables?maxResults=1000").get("tables") or []
        loads = {name: run_of(name) for name in (table["tableReference"]["tableId"] for table in listed)}
        orphans = [name for name, run_id in loads.items() if run_id and self._has_ended(run_id)]
        for name in self.tables.exhausted(orphans, time.monotonic()):
            self.dataset.call(f"tables/{name}", method="DELETE")
            log.warning("table %s: removed, as its run %s has ended", name, loads[name])

    def _containers(self) -> dict[str, tuple[str, str]] | None:
        if self.docker is None:
            return None
        listed = self.docker.call("containers/json?all=1")
        return {found["Id"]: (found["State"], (found["Labels"] or {}).get(RUN_LABEL, "")) for found in listed}

    def _has_ended(self, run_id: str) -> bool:
        """Whether the run has ended or was deleted."""
        found = self.orion.call("flow_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
        return not found or found[0]["state_type"] in ENDED

    def _with_unfinished_business(self) -> list[str]:
        """The flow runs that have ended, as the agent may have said of them, while tasks of theirs have not."""
        states = {"task_runs": ACTIVE, "flow_runs": ENDED}
        chosen = {kind: {"state": {"type": {"any_": names}}} for kind, names in states.items()}
        return sorted({task["flow_run_id"] for task in self.orion.all("task_runs", **chosen)})

    def _crash(self, run: Json, what: str) -> None:
        """Ends the run, unless it has moved on since, and what was running within it."""
        if self.orion.call(f"flow_runs/{run['id']}")["state"]["id"] != run["state"]["id"]:
            return
        message = MESSAGE.format(what=what)
        self._crash_inside(run["id"], message)
        self._set_crashed(f"flow_runs/{run['id']}", message)
        log.warning("flow run %s (%s): Crashed, as its %s has gone", run["name"], run["id"], what)

    def _crash_inside(self, run_id: str, message: str) -> None:
        """Ends the run's tasks and sub-flows, and what is in those."""
        chosen = {"state": {"type": {"any_": ACTIVE}}}
        for child in self.orion.all("flow_runs", flow_runs={**chosen, "parent_flow_run_id": {"any_": [run_id]}}):
            self._crash_inside(child["id"], message)
            self._set_crashed(f"flow_runs/{child['id']}", message)
        for task in self.orion.all("task_runs", flow_runs={"id": {"any_": [run_id]}}, task_runs=chosen):
            self._set_crashed(f"task_runs/{task['id']}", message)

    def _set_crashed(self, path: str, message: str) -> None:
        self.orion.call(f"{path}/set_state", {"state": {"type": "CRASHED", "message": message}, "force": True})

    def _remove(self, name: str) -> None:
        assert self.docker, "where there are containers, there is a Docker"
        self.docker.call(f"containers/{name}?force=1&v=1", method="DELETE")
        log.warning("container %s: removed, as nothing works in it", name[:12])


def main() -> None:
    """Looks again and again; notes each look in the file SWEPT, by which its health is known."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sweeper, swept, said = Sweeper(), Path(os.environ["SWEPT"]), ""
    while True:
        try:
            sweeper.look()
            swept.write_text(str(time.monotonic()))
            sweeper.look_into_bigquery()
        except (OSError, ValueError) as error:
            if str(error) != said:
                log.warning("cannot look: %s", error)
            said = str(error)
        time.sleep(INTERVAL if swept.exists() else START)


def is_healthy() -> bool:
    """Whether the last look was not long ago, by the clock that all processes share and nobody can set."""
    swept = Path(os.environ["SWEPT"])
    # Empty while it is just being written
    return swept.exists() and time.monotonic() - float(swept.read_text() or "inf") < 4 * INTERVAL


if __name__ == "__main__":
    sys.exit(0 if is_healthy() else 1) if sys.argv[1:] == ["health"] else main()

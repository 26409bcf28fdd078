"""A small client of Orion's API (https://docs-2.prefect.io/latest/api-ref/rest-api/)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from orionbox.errors import CommandError

TIMEOUT = 10
"""Seconds for one answer."""
BUSY, BUSY_PAUSE = 503, 0.2
"""What Orion answers when its database is busy, having done nothing; and seconds until another try."""


class Orion:
    """Orion at `url`, for example http://localhost:4200."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, path: str, body: object = None, tries: int = 10, method: str | None = None) -> Any:
        """GETs, or POSTs `body` as JSON, or does what `method` says; the answer's JSON, None where it is empty.

        Raises:
            CommandError: Orion does not answer, or refuses.
        """
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/api/{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=TIMEOUT) as response:
                return json.loads(response.read() or "null")
        except HTTPError as error:
            if error.code == BUSY and tries > 1:
                time.sleep(BUSY_PAUSE)
                return self.call(path, body, tries - 1, method)
            answer = error.read(500).decode(errors="replace")
            raise CommandError(f"Orion refuses {path}: {error.code} {answer}") from error
        except (URLError, OSError) as error:
            raise CommandError(f"Orion does not answer at {self.url} ({error}); look at: make status") from error

    def start_run(self, deployment: str, parameters: dict[str, Any]) -> str:
        """Starts a run of `flow/deployment` at once; its id."""
        found = self.call(f"deployments/name/{quote(deployment)}")
        request = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        run = self.call(f"deployments/{found['id']}/create_flow_run", request)
        return str(run["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """The flow run."""
        run: dict[str, Any] = self.call(f"flow_runs/{run_id}")
        return run

    def run_url(self, run_id: str) -> str:
        """The run's page."""
        return f"{self.url}/flow-runs/flow-run/{run_id}"

    def with_subflows(self, run_id: str) -> list[str]:
        """The run's id and those of the runs that it has started."""
        chosen = {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}}
        return [run_id, *(str(run["id"]) for run in self.call("flow_runs/filter", chosen))]

    def logs(self, run_id: str, seen: set[str]) -> Iterator[tuple[str, int, str]]:
        """Log lines that are not in `seen` yet, sub-flows' too, oldest first: time, level, message."""
        chosen = {"logs": {"flow_run_id": {"any_": self.with_subflows(run_id)}}, "sort": "TIMESTAMP_ASC", "limit": 200}
        offset = 0
        while page := self.call("logs/filter", {**chosen, "offset": offset}):
            offset += len(page)
            for line in page:
                if line["id"] not in seen:
                    seen.add(line["id"])
                    yield line["timestamp"], line["level"], line["message"]
            if len(page) < 200:
                return

    def table_artifact(self, run_id: str, key: str) -> list[dict[str, Any]]:
        """The rows of the run's newest table artifact of that name; none where it left none."""
        chosen = {"flow_run_id": {"any_": [run_id]}, "key": {"any_": [key]}}
        found = self.call("artifacts/filter", {"artifacts": chosen, "sort": "UPDATED_DESC", "limit": 1})
        return json.loads(found[0]["data"]) if found else []

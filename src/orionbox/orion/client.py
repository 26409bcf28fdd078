"""Orion's API (https://docs-2.prefect.io/latest/api-ref/rest-api/), for programs that do not import Prefect.

Prefect's own client takes seconds to import. This one needs the standard library of Python 3.9 only.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, build_opener
from uuid import uuid4

from orionbox.errors import CommandError
from orionbox.loopback import WITHOUT_PROXY, link

Json = dict[str, Any]

TIMEOUT = 10.0
"""Seconds for one answer."""
PAGE_SIZE = 200
"""Objects in one answer, the most that Orion sends."""
STATUS_HINT = "look at the services with: make status"


class ApiError(CommandError, OSError):
    """An API does not answer, or refuses a request."""


class NoAnswerError(ApiError):
    """No answer came, an error of the server (5xx), or something that is not JSON: retrying may help."""


class RefusedError(ApiError):
    """The API refuses this request, and would refuse it again.

    Args:
        text: what was refused, and why.
        fix: what to do next.
        status: the HTTP status, from 300 to 499.
    """

    def __init__(self, text: str, fix: str = "", status: int = 0) -> None:
        super().__init__(text, fix)
        self.status = status


@dataclass(frozen=True)
class Retries:
    """How long to retry a call that gets no answer.

    Args:
        seconds: the limit; 0 for a single try.
        first_pause: seconds before the second try. Each pause is twice as long as the one before.
        longest_pause: the most, in seconds.
        on_silence: called after each failed try, with the seconds that the silence has lasted.
        on_answer: called when an answer comes after a failed try.
    """

    seconds: float = 30
    first_pause: float = 0.2
    longest_pause: float = 5
    on_silence: Callable[[float], None] = lambda seconds: None
    on_answer: Callable[[], None] = lambda: None

    def pauses(self) -> Iterator[float]:
        """Yields the seconds to wait after each failed try, without end."""
        pause = self.first_pause
        while True:
            yield pause
            pause = min(2 * pause, self.longest_pause)


ONE_TRY, SOME_TIME = Retries(0), Retries()
"""ONE_TRY for callers with their own retries; SOME_TIME for all others."""


class JsonApi:
    """A JSON API over HTTP.

    Args:
        url: what all paths start with.
        retries: how long to repeat a call that gets no answer.
        timeout: seconds for one answer.
        headers: sent with each request.
        uses_proxy: whether the proxy of the environment applies. The platform's own services are never behind it.
    """

    name = "the API"
    """What messages call it."""

    def __init__(
        self,
        url: str,
        retries: Retries = ONE_TRY,
        timeout: float = TIMEOUT,
        headers: Mapping[str, str] = MappingProxyType({}),
        uses_proxy: bool = False,
    ) -> None:
        self.url, self.retries, self.timeout, self.headers = url, retries, timeout, headers
        self._opener = build_opener() if uses_proxy else WITHOUT_PROXY

    def call(self, path: str, body: object = None, method: str = "") -> Any:
        """Sends a request: GET, POST if there is a `body`, or `method`; returns the JSON answer, None if it is empty.

        Raises:
            NoAnswerError: no answer came before the retries ran out. Only safe POSTs are retried.
            RefusedError: the API refuses the request.
        """
        start, failed = time.monotonic(), False
        seconds = self.retries.seconds if _is_repeatable(path, body, method) else 0
        for pause in self.retries.pauses():
            try:
                answer = self._call_once(path, body, method)
            except NoAnswerError:
                if time.monotonic() + pause - start > seconds:
                    raise
                failed = True
                self.retries.on_silence(time.monotonic() - start)
                time.sleep(pause)
            else:
                if failed:
                    self.retries.on_answer()
                return answer
        raise AssertionError("the pauses have no end")

    def _call_once(self, path: str, body: object, method: str) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        request = Request(f"{self.url}/{path}", data, headers, method=method or None)
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                return _parse(response.read())
        except HTTPError as error:
            with error:
                raise self._error(path, error) from error
        except URLError as error:
            raise self._no_answer(error.reason) from error
        except (OSError, HTTPException, ValueError) as error:
            raise self._no_answer(f"{type(error).__name__}: {error}") from error

    def _error(self, path: str, error: HTTPError) -> ApiError:
        if error.code >= 500:
            return self._no_answer(f"{error.code} {error.reason}")
        answer = error.read(500).decode(errors="replace")
        return RefusedError(f"{self.name} refuses {path}: {error.code} {answer}", status=error.code)

    def _no_answer(self, reason: object) -> NoAnswerError:
        return NoAnswerError(f"{self.name} does not answer at {self.url} ({reason})", STATUS_HINT)


def _parse(answer: bytes) -> Any:
    try:
        return json.loads(answer or b"null")
    except ValueError as error:
        raise ValueError(f"not JSON but {answer[:40]!r}") from error


def _is_repeatable(path: str, body: object, method: str) -> bool:
    """Returns whether the request is idempotent."""
    is_post = method == "POST" or (not method and body is not None)
    has_key = isinstance(body, dict) and "idempotency_key" in body
    return not is_post or has_key or path.endswith(("/filter", "/count", "/set_state"))


class Orion(JsonApi):
    """Orion's API.

    Args:
        url: Orion's address, for example http://127.0.0.1:4200, with or without `/api`.
        retries: how long to repeat a call that gets no answer.
        timeout: seconds for one answer.
    """

    name = "Orion"

    def __init__(self, url: str, retries: Retries = SOME_TIME, timeout: float = TIMEOUT) -> None:
        self.site = url.rstrip("/").removesuffix("/api")
        super().__init__(f"{self.site}/api", retries, timeout)

    def start_run(self, deployment: str, parameters: Json) -> str:
        """Starts a run of `flow/deployment` at once; returns its id. Retries do not create a second run.

        Raises:
            RefusedError: there is no such deployment.
        """
        found = self.deployment(deployment)
        request = {"parameters": parameters, "state": {"type": "SCHEDULED"}, "idempotency_key": str(uuid4())}
        return str(self.call(f"deployments/{found['id']}/create_flow_run", request)["id"])

    def deployment(self, name: str) -> Json:
        """Returns the deployment `flow/name`.

        Raises:
            RefusedError: there is no such deployment.
        """
        try:
            found: Json = self.call(f"deployments/name/{quote(name)}")
        except RefusedError as error:
            raise RefusedError(f"Orion has no deployment {name}", "create it with: make up", error.status) from error
        return found

    def cancel_run(self, run_id: str) -> str:
        """Cancels a run, which its agent then stops; returns the run's current state."""
        answer = self.call(f"flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})
        return str(answer["state"]["type"]) if answer.get("state") else str(self.run(run_id)["state_type"])

    def run(self, run_id: str) -> Json:
        """Returns the flow run."""
        run: Json = self.call(f"flow_runs/{run_id}")
        return run

    def run_url(self, run_id: str) -> str:
        """Returns the address of the run's page for a browser on this machine."""
        return f"{link(self.site)}/flow-runs/flow-run/{run_id}"

    def list_objects(self, objects: str, **filters: Any) -> list[Json]:
        """Returns every object, for example of the `flow_runs`, that matches the filters. Reads page by page."""
        return list(self.each_object(objects, **filters))

    def each_object(self, objects: str, **filters: Any) -> Iterator[Json]:
        """Yields what `list_objects` returns, with one page in memory at a time."""
        count = 0
        while page := self.call(f"{objects}/filter", {**filters, "limit": PAGE_SIZE, "offset": count}):
            yield from page
            count += len(page)
            if len(page) < PAGE_SIZE:
                break

    def with_subflows(self, run_id: str) -> list[str]:
        """Returns the run's id and those of the runs that it has started."""
        chosen = {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}}
        return [run_id, *(str(run["id"]) for run in self.call("flow_runs/filter", chosen))]

    def logs(self, run_id: str, seen: set[str]) -> Iterator[tuple[str, int, str]]:
        """Yields log lines that are not in `seen` yet, oldest first, those of sub-flows, too: time, level, message."""
        chosen = {"flow_run_id": {"any_": self.with_subflows(run_id)}}
        for line in self.list_objects("logs", logs=chosen, sort="TIMESTAMP_ASC"):
            if line["id"] not in seen:
                seen.add(line["id"])
                yield line["timestamp"], line["level"], line["message"]

    def table_artifact(self, run_id: str, key: str) -> list[Json]:
        """Returns the rows of the run's newest table artifact of that name; none if it left none, or no table."""
        chosen = {"flow_run_id": {"any_": [run_id]}, "key": {"any_": [key]}}
        found = self.call("artifacts/filter", {"artifacts": chosen, "sort": "UPDATED_DESC", "limit": 1})
        return as_table(found[0]["data"]) if found else []


def as_table(data: object) -> list[Any]:
    """Returns the rows of a table artifact's data; none if these are no list, which a flow may leave there."""
    try:
        rows = json.loads(data) if isinstance(data, str) else data
    except (ValueError, RecursionError):
        return []
    return rows if isinstance(rows, list) else []

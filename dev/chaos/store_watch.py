"""Watches Postgres and BigQuery: counts the rows of each month all the time, and records impossible counts."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping
from http.client import HTTPException
from typing import Optional
from urllib.request import Request

from dev.chaos.months import MONTHS
from dev.throwaway_platform import ThrowawayPlatform
from orionbox.loopback import open_url

TABLE = MONTHS[0].table
PAUSE = 0.25
"""Seconds between two counts."""
TIMEOUT = 20
"""Seconds for BigQuery's answer."""
END = "--"

Counts = dict[str, int]
Counter = Callable[[], Optional[Counts]]


def wrong_counts(counts: Mapping[str, int], allowed: Mapping[str, Collection[int]]) -> list[str]:
    """Returns a line for each month that has neither the rows of the old month nor those of the new one."""
    return [
        f"{name} with {counts.get(name, 0):,} rows"
        for name, sizes in allowed.items()
        if counts.get(name, 0) not in sizes
    ]


class Psql:
    """A session of psql in the container of Postgres; a broken one is opened again."""

    def __init__(self, platform: ThrowawayPlatform) -> None:
        self._container = f"{platform.name}-postgres-1"
        self._session: subprocess.Popen[str] | None = None

    def rows(self, sql: str) -> list[list[str]] | None:
        """Returns the rows of a query; None if Postgres does not answer, in a new session either."""
        is_old = self._session is not None
        rows = self._ask(sql)
        return self._ask(sql) if rows is None and is_old else rows

    def rows_by_file(self) -> Counts | None:
        """Returns the number of rows by source file; None if Postgres does not answer."""
        rows = self.rows(f"SELECT source_file, count(*) FROM {TABLE} GROUP BY 1")
        return None if rows is None else {name: int(count) for name, count in rows}

    def _ask(self, sql: str) -> list[list[str]] | None:
        session = self._session or self._open()
        assert session.stdin and session.stdout
        try:
            session.stdin.write(f"{sql};\n\\echo {END}\n")
            session.stdin.flush()
        except OSError:
            self.close()
            return None
        lines: list[list[str]] = []
        while line := session.stdout.readline():
            if line.rstrip("\n") == END:
                return lines
            lines.append(line.rstrip("\n").split("|"))
        self.close()
        return None

    def _open(self) -> subprocess.Popen[str]:
        # An error ends the session: it must not look like an empty answer
        program = ("psql", "--username=ny_taxi", "--no-psqlrc", "-At", "--set=ON_ERROR_STOP=1", "ny_taxi")
        self._session = subprocess.Popen(
            ["docker", "exec", "--interactive", self._container, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self._session

    def close(self) -> None:
        """Ends the session."""
        if self._session:
            self._session.kill()
            self._session.communicate()
            self._session = None


class BigQuery:
    """BigQuery's REST API."""

    def __init__(self, platform: ThrowawayPlatform) -> None:
        self._url = f"http://127.0.0.1:{platform.env['BIGQUERY_PORT']}/bigquery/v2/projects/orionbox-local"

    def call(self, path: str, body: object = None) -> dict[str, object]:
        """Returns the JSON of an answer.

        Raises:
            OSError: it does not answer, or refuses.
        """
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self._url}/{path}", data, {"Content-Type": "application/json"})
        with open_url(request, TIMEOUT) as response:
            answer: dict[str, object] = json.load(response)
            return answer

    def rows(self, sql: str) -> list[list[str]]:
        """Returns the rows of a query.

        Raises:
            OSError: it does not answer, or is not done within its time.
        """
        answer = self.call("queries", {"query": sql, "useLegacySql": False})
        if not answer["jobComplete"]:
            raise TimeoutError("the query is not done")
        rows = answer.get("rows", [])
        assert isinstance(rows, list)
        return [[cell["v"] for cell in row["f"]] for row in rows]

    def tables(self) -> list[str]:
        """Returns the names of the dataset's tables."""
        tables = self.call("datasets/trips_data_all/tables").get("tables", [])
        assert isinstance(tables, list)
        return [table["tableReference"]["tableId"] for table in tables]


class StoreWatch:
    """Counts the rows in both stores, in a thread for each store."""

    def __init__(self, platform: ThrowawayPlatform) -> None:
        self.postgres, self.bigquery = Psql(platform), BigQuery(platform)
        self._allowed: dict[str, set[int]] = {}
        self.wrong: list[str] = []
        """Counts that were not allowed."""
        self.answers: dict[str, int] = {}
        """The number of answers of each store."""
        self._end = threading.Event()
        counts: dict[str, Counter] = {"Postgres": self.in_postgres, "BigQuery": self.in_bigquery}
        self._threads = [threading.Thread(target=self._watch, args=item) for item in counts.items()]
        for thread in self._threads:
            thread.start()

    def allow(self, allowed: dict[str, set[int]]) -> None:
        """Allows these numbers of rows from now on, and forgets what was seen before."""
        self._allowed, self.wrong, self.answers = allowed, [], {}

    def close(self) -> None:
        """Stops watching."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        self.postgres.close()

    def in_postgres(self) -> Counts | None:
        """Returns the rows by source file that Postgres has; None if it does not answer."""
        return self.postgres.rows_by_file()

    def in_bigquery(self) -> Counts | None:
        """Returns the rows by source file that BigQuery has; None if it does not answer."""
        try:
            rows = self.bigquery.rows(f"SELECT source_file, count(*) FROM trips_data_all.{TABLE} GROUP BY 1")
        except (OSError, ValueError, HTTPException):
            return None
        return {name: int(count) for name, count in rows}

    def _watch(self, store: str, count: Counter) -> None:
        while not self._end.is_set():
            allowed = self._allowed
            counts = count()
            if counts is not None and allowed is self._allowed:
                self.answers[store] = self.answers.get(store, 0) + 1
                self.wrong += [f"{store}: {line}" for line in wrong_counts(counts, allowed)]
            time.sleep(PAUSE)

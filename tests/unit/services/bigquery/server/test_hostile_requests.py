"""Whatever is sent to the BigQuery server has an answer, costs no memory, stops nobody, and stays in its folder."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.googlesql import MODULE_FOLDER, pool
from tests.unit.services.bigquery.server.hostile_requests import ENDLESS, HUNGRY, PROJECT, all_requests, post, query

MOST_GROWTH = 150_000
"""Kilobytes that the process may grow between two rounds of the same requests.

An instance of the SQL module may grow to 192 MiB before it is replaced.
"""
LIMITS = {"BIGQUERY_MEMORY": "1G", "BIGQUERY_SECONDS": "2", "BIGQUERY_SPILL": "50M", "BIGQUERY_RESULT": "200M"}


@dataclass(frozen=True)
class Server:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are; return all that comes back until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=300) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            found = b""
            while piece := connection.recv(65536):
                found += piece
        return found

    def ask(self, request: bytes) -> dict[str, Any]:
        """Send a request; return the answer's document."""
        found: dict[str, Any] = json.loads(self.raw(request).partition(b"\r\n\r\n")[2])
        return found

    def facts(self) -> tuple[int, int]:
        """Return the kilobytes of memory and the open files; 0 where the system does not tell."""
        folder = Path(f"/proc/{self.process.pid}")
        if not folder.exists():
            return 0, 0
        found = re.search(r"RssAnon:\s+(\d+)", (folder / "status").read_text())
        return int(found[1]) if found else 0, len(list((folder / "fd").iterdir()))


def _read_on(log: Iterable[str], lines: list[str]) -> None:
    with suppress(ValueError):  # closed
        lines.extend(log)


@contextmanager
def running(folder: Path, **limits: str) -> Iterator[Server]:
    """Start a server with these limits instead of the tight ones; end it with SIGTERM."""
    pool()  # compiles the module, if it has not been
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        grpc = other.getsockname()[1]
    command = [sys.executable, "-m", "services.bigquery", "--port", "0", "--grpc-port", str(grpc)]
    command += ["--data-dir", str(folder), "--module-dir", str(MODULE_FOLDER), "--bucket-dir", str(folder / "bucket")]
    environment = {**os.environ, **LIMITS, **limits}
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"http://[\d.]+:(\d+)", line):
                break
        else:
            raise AssertionError("".join(lines))
        threading.Thread(target=_read_on, args=(process.stderr, lines), daemon=True).start()
        try:
            yield Server(process, int(found[1]))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            finally:
                process.kill()


def send_all(server: Server) -> list[str]:
    """Send every request; return those without an answer, or with one that says that the server has failed."""
    wrong = []
    for number, request in enumerate(all_requests()):
        answer = server.raw(request)
        status = re.match(rb"HTTP/1\.[01] ([1-5]\d\d)", answer)
        if not status or status[1] == b"500" or b"failed at this request" in answer or b"Traceback" in answer:
            wrong.append(f"{number}: {request[:400]!r}: {answer[-400:]!r}")
    return wrong


def test_hostile_requests_have_answers_and_leave_nothing(tmp_path: Path) -> None:
    assert len(all_requests()) >= 250
    (tmp_path / "outside.txt").write_text("of somebody else")
    with running(tmp_path / "deep/er/bigquery") as server:
        server.ask(post(f"{PROJECT}/datasets", {"datasetReference": {"datasetId": "d"}}))
        server.ask(query("CREATE TABLE d.t AS SELECT 1 AS x"))
        assert (wrong := send_all(server)) == [], "\n".join(wrong)
        memory, files = server.facts()
        assert (wrong := send_all(server)) == [], "\n".join(wrong)
        assert server.facts()[0] - memory < MOST_GROWTH
        assert server.facts()[1] - files < 20
        assert server.ask(query("SELECT x FROM d.t"))["rows"] == [{"f": [{"v": "1"}]}]
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    outside = {path for path in found if not path.startswith("deep/er/bigquery/")}
    assert outside == {"outside.txt", "deep", "deep/er", "deep/er/bigquery"}
    assert not [path for path in found if "escape" in path]


def test_the_server_ends_although_statements_do_not(tmp_path: Path) -> None:
    threads = list[threading.Thread]()
    with running(tmp_path / "bigquery", BIGQUERY_SECONDS="600") as server:
        server.ask(query("SELECT 1"))
        for sql in ENDLESS:
            threads.append(threading.Thread(target=_ask_in_vain, args=(server, sql), daemon=True))
            threads[-1].start()
        while server.ask(query(_RUNNING)).get("rows") != [{"f": [{"v": str(len(ENDLESS))}]}]:
            assert all(thread.is_alive() for thread in threads)
    # uvicorn ends by the signal itself, once it has shut down
    assert server.process.returncode in (0, -signal.SIGTERM)
    for thread in threads:
        thread.join()


def _ask_in_vain(server: Server, sql: str) -> None:
    with suppress(OSError):
        server.raw(query(sql))


_RUNNING = (
    "SELECT COUNT(*) FROM INFORMATION_SCHEMA.JOBS WHERE state != 'DONE' AND parent_job_id IS NULL AND "
    "query NOT LIKE '%INFORMATION_SCHEMA%'"
)


def test_statements_that_never_end_or_want_all_memory_are_refused_and_stop_nobody(tmp_path: Path) -> None:
    answers, others = dict[str, dict[str, Any]](), list[Any]()
    with running(tmp_path / "bigquery") as server:
        done = threading.Event()

        def somebody_else() -> None:
            while not done.wait(0.2):
                others.append(server.ask(query("SELECT COUNT(*) AS n FROM UNNEST([1, 2, 3])")).get("rows"))

        while "rows" not in server.ask(query("SELECT COUNT(*) AS n FROM UNNEST([1, 2, 3])")):
            pass  # the first statement loads the SQL module, which may take longer than the limit
        thread = threading.Thread(target=somebody_else)
        thread.start()
        try:
            for sql in (*ENDLESS, *HUNGRY):
                answers[sql] = server.ask(query(sql))
            together = [threading.Thread(target=server.ask, args=(query(sql),)) for sql in HUNGRY[:3] * 2]
            for one in together:
                one.start()
            for one in together:
                one.join()
        finally:
            done.set()
            thread.join()
        assert server.process.poll() is None
    allowed = {"timeout", "resourcesExceeded", "responseTooLarge", "invalidQuery", "stopped"}
    reasons = {sql: answer.get("error", {}).get("errors", [{}])[0].get("reason") for sql, answer in answers.items()}
    assert {sql: answers[sql] for sql, reason in reasons.items() if reason not in allowed} == {}
    assert len(others) > 10 and all(rows == [{"f": [{"v": "3"}]}] for rows in others), others

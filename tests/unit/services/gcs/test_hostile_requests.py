"""Whatever is sent to the Cloud Storage server has an answer, costs no memory, and reaches nothing but its folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

pytest.importorskip("httptools")

from tests.conformance.storage.server import Server, running
from tests.unit.services.gcs.hostile_requests import all_requests
from tests.unit.services.gcs.test_server import files_without_a_row, raw

OURS = {"catalogue.sqlite", "catalogue.sqlite-shm", "catalogue.sqlite-wal", "objects", "incoming", ".cloudstorage"}
MOST_GROWTH = 8_000
"""Kilobytes that the process may grow between two rounds of the same requests."""


def memory(server: Server) -> int:
    """Return the memory of a process in kilobytes; 0 where the system does not tell."""
    status = Path(f"/proc/{server.process.pid}/status")
    found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) if found else 0


def open_files(server: Server) -> int:
    """Return the number of files that a process has open; 0 where the system does not tell."""
    folder = Path(f"/proc/{server.process.pid}/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def send_all(server: Server) -> list[str]:
    """Send every request; return those without an answer, or with one that says that the server has failed."""
    wrong = []
    for number, request in enumerate(all_requests()):
        answer = raw(server, request)
        status = re.match(rb"HTTP/1\.[01] ([1-5]\d\d)", answer)
        if not status or status[1] == b"500":
            wrong.append(f"{number}: {request[:200]!r}: {answer[:200]!r}")
    return wrong


def test_hostile_requests_have_answers_and_leave_nothing(tmp_path: Path) -> None:
    assert len(all_requests()) >= 200
    outside = tmp_path / "outside.txt"
    outside.write_text("of somebody else")
    with running(tmp_path / "deep/er/gcs", RETRY_TESTS="yes") as server:
        server.make_bucket()
        server.make_bucket("taxi-shapes")
        server.upload("a", b"0123456789" * 20_000)
        assert (wrong := send_all(server)) == [], "\n".join(wrong)
        before, files = memory(server), open_files(server)
        assert (wrong := send_all(server)) == [], "\n".join(wrong)
        assert memory(server) - before < MOST_GROWTH
        assert open_files(server) - files < 10
        assert server.ask("/") == (200, b"OK")
        assert server.content("a") == b"0123456789" * 20_000
        assert files_without_a_row(server.folder) == set()
        assert set(os.listdir(server.folder)) == OURS
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert {path for path in found if not path.startswith("deep/er/gcs/")} == {
        "outside.txt",
        "deep",
        "deep/er",
        "deep/er/gcs",
    }
    assert not [path for path in found if path.endswith("escape") and ".cloudstorage/taxi" not in path]
    assert outside.read_text() == "of somebody else"

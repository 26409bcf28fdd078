"""Starts a Cloud Storage server of its own, for tests."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Server:
    """A running server: its address and process, and its data folder."""

    url: str
    process: subprocess.Popen[str]
    folder: Path

    def ask(self, path: str, body: bytes | None = None, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        """Send a request; return status and body."""
        if body is not None and path.startswith("/storage/v1/"):
            headers.setdefault("Content-Type", "application/json")
        try:
            with urlopen(Request(self.url + path, body, headers, method=method), timeout=60) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()

    def make_bucket(self, name: str = "taxi", **fields: object) -> None:
        """Create a bucket."""
        body = json.dumps({"name": name, **fields}).encode()
        status, answer = self.ask("/storage/v1/b?project=p", body, "POST", **{"Content-Type": "application/json"})
        assert status == 200, answer

    def upload(self, name: str, content: bytes, bucket: str = "taxi") -> int:
        """Store an object; return the status."""
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}"
        return self.ask(path, content, "POST", **{"Content-Type": "text/csv"})[0]

    def content(self, name: str, bucket: str = "taxi") -> bytes:
        """Return an object's content."""
        status, found = self.ask(f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media")
        assert status == 200, found
        return found

    def names(self, bucket: str = "taxi") -> list[str]:
        """Return the names of a bucket's objects."""
        return [item["name"] for item in json.loads(self.ask(f"/storage/v1/b/{bucket}/o")[1]).get("items", [])]


@contextmanager
def running(folder: Path, end: signal.Signals = signal.SIGTERM, **variables: str) -> Iterator[Server]:
    """Start a server on a free port; end it with the given signal."""
    command = [sys.executable, "-m", "services.gcs", "--port", "0", "--data-dir", str(folder)]
    environment = {**os.environ, **variables}
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        url = next((found[0] for line in process.stderr if (found := re.search(r"http://\S+", line))), "")
        assert url, "the server did not start"
        try:
            yield Server(url, process, folder)
        finally:
            process.send_signal(end)

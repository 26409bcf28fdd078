"""Serves the taxi files over HTTP, under the paths of the course's release and of the TLC's servers.

    python -m orionbox.release.server ADDRESS PORT MADE FOLDER...

MADE is the folder of files that are made here; real files are looked up in each FOLDER. A month that is not there is
generated when it is first asked for: that request waits.
"""

from __future__ import annotations

import email.utils
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orionbox.release import urls
from orionbox.release.store import Found, Refusal, TaxiFiles
from orionbox.trips.kinds import HEADER, header_value

HEALTH, FETCHED = "/healthz", "/orionbox/fetched.json"
MOST_FETCHED = 50
CHUNK = 1 << 20


class Fetched:
    """The taxi files that were fetched last, for the start page."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, found: Found) -> None:
        """Remembers that a file was fetched."""
        if found.contents:
            when = datetime.now(timezone.utc).isoformat(timespec="seconds")
            entry = {"file": name, "kind": found.contents.kind, "rows": found.contents.rows, "when": when}
            with self._lock:
                self._files.pop(name, None)
                self._files[name] = entry
                while len(self._files) > MOST_FETCHED:
                    del self._files[next(iter(self._files))]

    def to_json(self) -> str:
        """Returns the list, newest first."""
        with self._lock:
            return json.dumps(list(reversed(self._files.values())))


class TaxiHandler(BaseHTTPRequestHandler):
    """Answers GET and HEAD.

    Args:
        taxi_files: where the files come from.
        fetched: what was fetched last.
    """

    protocol_version = "HTTP/1.1"

    def __init__(self, taxi_files: TaxiFiles, fetched: Fetched, *args: Any) -> None:
        self.taxi_files, self.fetched = taxi_files, fetched
        super().__init__(*args)

    def do_GET(self) -> None:
        """Sends a file, or a text that says why there is none."""
        path = urlsplit(self.path).path
        if path == HEALTH:
            self.send_text(HTTPStatus.OK, "ok\n")
        elif path == FETCHED:
            self.send_text(HTTPStatus.OK, self.fetched.to_json(), "application/json")
        elif request := urls.parse(path):
            self._serve(request)
        else:
            self.send_text(
                HTTPStatus.NOT_FOUND, f"This is Orionbox's stand-in for the internet, and it has no {path}.\n"
            )

    do_HEAD = do_GET

    def _serve(self, request: urls.Request) -> None:
        try:
            found = self.taxi_files.get(request)
            stream = found.path.open("rb")
        except Refusal as refusal:
            return self.send_text(refusal.status, refusal.text)
        except OSError as error:
            return self.send_text(HTTPStatus.INTERNAL_SERVER_ERROR, f"{request.name} cannot be read: {error}\n")
        with stream:
            status = os.fstat(stream.fileno())
            version = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
            modified = email.utils.formatdate(status.st_mtime, usegmt=True)
            headers = {
                "Content-Type": request.content_type,
                "Accept-Ranges": "bytes",
                "ETag": version,
                "Last-Modified": modified,
            }
            if found.contents:
                headers[HEADER] = header_value(*found.contents, request.name)
            if self._has_current_version(version, status.st_mtime):
                return self._send_head(HTTPStatus.NOT_MODIFIED, headers)
            self._send_part(stream, status.st_size, headers, self._range(status.st_size, version, modified))
        if self.command == "GET":
            self.fetched.add(request.name, found)

    def _send_part(self, stream: Any, size: int, headers: dict[str, str], part: tuple[int, int] | None) -> None:
        begin, end = part or (0, size)
        if part and begin >= end:
            headers = {**headers, "Content-Range": f"bytes */{size}", "Content-Length": "0"}
            return self._send_head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers)
        if part:
            headers = {**headers, "Content-Range": f"bytes {begin}-{end - 1}/{size}"}
        headers = {**headers, "Content-Length": str(end - begin)}
        self._send_head(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK, headers)
        if self.command == "HEAD":
            return
        stream.seek(begin)
        while begin < end:
            data = stream.read(min(CHUNK, end - begin))
            if not data:  # the file was cut meanwhile; the client must notice
                self.close_connection = True
                return
            self.wfile.write(data)
            begin += len(data)

    def _has_current_version(self, version: str, modified: float) -> bool:
        """Returns whether the client has this file already (RFC 9110, 13.1)."""
        if known := self.headers.get("If-None-Match"):
            return version in known or known.strip() == "*"
        since = _parse_date(self.headers.get("If-Modified-Since"))
        return since is not None and int(modified) <= since

    def _range(self, size: int, version: str, modified: str) -> tuple[int, int] | None:
        """Returns the bytes that are asked for (RFC 9110, 14.2); None for the complete file, as for several ranges."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", (self.headers.get("Range") or "").replace(" ", ""))
        if not found or not any(found.groups()):
            return None
        if (condition := self.headers.get("If-Range")) and condition not in (version, modified):
            return None
        first, last = found.groups()
        if not first:
            return max(0, size - int(last)), size if int(last) else 0
        if last and int(last) < int(first):
            return None
        return int(first), min(size, int(last) + 1) if last else size

    def send_text(self, status: HTTPStatus, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
        """Sends a text as the whole answer."""
        body = text.encode()
        self._send_head(status, {"Content-Type": content_type, "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def handle(self) -> None:
        """Answers the requests of a connection; a client that goes away is no error."""
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Logs a request, unless it is a health check or the start page's."""
        if urlsplit(self.path).path not in (HEALTH, FETCHED):
            super().log_request(code, size)


def _parse_date(text: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


def new_handler(handler: type[TaxiHandler], made: str, *folders: str) -> Callable[..., TaxiHandler]:
    """Returns what answers the connections of a server.

    Args:
        handler: its class.
        made: the folder of files that are made here.
        folders: where real files are looked up, in this order.
    """
    most_rows = int(os.environ.get("GENERATED_ROWS") or 0)
    taxi_files = TaxiFiles([Path(folder) for folder in folders], Path(made), most_rows, _log)
    return partial(handler, taxi_files, Fetched())


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def main(address: str, port: str, made: str, *folders: str) -> None:
    """Serves until it is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # a container's first process ignores it otherwise
    with ThreadingHTTPServer((address, int(port)), new_handler(TaxiHandler, made, *folders)) as server:
        server.serve_forever()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(0)

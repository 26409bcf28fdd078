"""Serves the taxi files under the paths of the course's release, over HTTP on its own port and as github.com.

    python -m cli.runtimes.embedded.taxi_server PORT CERTIFICATES GCS_PORT FOLDER...

A file comes from the first FOLDER that has it. CERTIFICATES and GCS_PORT are for the hosts that it stands in for, by
`stand_in`.
In compose, services/internet does this with nginx.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cli.runtimes.embedded.internet.stand_in import StandIn
from orionbox.trips.months import RELEASE_PATH

RELEASE = f"/{RELEASE_PATH}/"
TRIPS = re.compile(r"([a-z]+)/(\1_tripdata_([0-9]{4})-0?([0-9]{1,2})\.csv\.gz)")
"""It serves only names of this shape and zone files: neither hidden files nor `..`."""
ZONES = re.compile(r"misc/[a-z][a-z_+]*\.csv")
HEALTH = "/healthz"


def content_type(name: str) -> str | None:
    """Returns the type with which a file of the release is sent; None if there can be no such file."""
    if TRIPS.fullmatch(name):
        return "application/gzip"  # as such: with Content-Encoding a client would unpack it on the way
    return "text/csv" if ZONES.fullmatch(name) else None


def explain(name: str) -> str:
    """Says what to do about a file that is missing."""
    if month := TRIPS.fullmatch(name):
        color, file, year, number = month.groups()
        return (
            f"Orionbox's data folder has no {color}/{file}.\n"
            f"To get it: make data COLOR={color} YEAR={year} MONTHS={number}\n"
        )
    return f"This is Orionbox's stand-in for the internet, and it has no {name}.\n"


def explain_closed(name: str) -> str:
    """Says what to do about a file that this user cannot read."""
    return f"Orionbox cannot read data/{name}.\nTo let it: sudo chmod -R a+rX data\n"


class Release(StandIn):
    """Answers from folders with the release's layout."""

    def __init__(self, folders: Sequence[Path], *args: object) -> None:
        self.folders = folders
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Sends a file, or a text that says why there is none."""
        if self.answers_for_google():
            return
        path = unquote(urlsplit(self.path).path)
        name = path.removeprefix(RELEASE) if path.startswith(RELEASE) else path
        if name == HEALTH:
            self.head(HTTPStatus.OK, "text/plain", 0)
            return
        places = [folder / name.lstrip("/") for folder in self.folders]
        file, kind = next(filter(os.path.lexists, places), places[0]), content_type(name)
        try:
            if kind is None or not file.is_file():
                self.refuse(HTTPStatus.NOT_FOUND, explain(name))
                return
            stream = file.open("rb")
        except PermissionError:
            self.refuse(HTTPStatus.FORBIDDEN, explain_closed(name))
            return
        with stream:
            self.head(HTTPStatus.OK, kind, file.stat().st_size)
            shutil.copyfileobj(stream, self.wfile)

    def refuse(self, status: HTTPStatus, text: str) -> None:
        """Sends a text that says why there is no file."""
        body = text.encode()
        self.head(status, "text/plain", len(body))
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Logs a request, unless it is a health check."""
        if self.path != HEALTH:
            super().log_request(code, size)

    def head(self, status: HTTPStatus, kind: str, length: int) -> None:
        """Sends status and headers."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def main(port: str, certificates: str, gcs_port: str, *folders: str) -> None:
    """Serves until it is interrupted."""
    Release.certificates, Release.gcs_port = Path(certificates), int(gcs_port)
    with ThreadingHTTPServer(("127.0.0.1", int(port)), partial(Release, [*map(Path, folders)])) as server:
        server.serve_forever()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(0)

"""Serves the taxi files on a port of its own and as github.com, as services `taxi` and `internet` do in compose.

    python -m cli.runtimes.embedded.taxi_server PORT CERTIFICATES GCS_PORT INBOX MADE FOLDER...

MADE is the folder of generated files; real files are looked up in each FOLDER. CERTIFICATES, GCS_PORT and
INBOX, the file of the messages to Slack, are for the hosts that it stands in for, by `stand_in`.
"""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from pathlib import Path

from cli.runtimes.embedded.internet.stand_in import StandIn
from orionbox.release.server import TaxiHandler, new_handler


class Release(StandIn, TaxiHandler):
    """Answers under the paths of the course's release and of the TLC's servers."""

    def do_GET(self) -> None:
        """Sends what Google's sign-in, Slack or git answers, a taxi file, or a text that says why there is none."""
        if not self.stands_in():
            super().do_GET()

    do_HEAD = do_GET


def main(port: str, certificates: str, gcs_port: str, inbox: str, made: str, *folders: str) -> None:
    """Serves until it is interrupted."""
    Release.certificates, Release.gcs_port = Path(certificates), int(gcs_port)
    Release.inbox, Release.repositories = Path(inbox), Path(folders[0]) / "git"
    with ThreadingHTTPServer(("127.0.0.1", int(port)), new_handler(Release, made, *folders)) as server:
        server.serve_forever()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(0)

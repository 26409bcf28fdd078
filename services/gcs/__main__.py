"""Serves Cloud Storage: `python -m services.gcs --port 4443 --data-dir FOLDER`."""

from __future__ import annotations

import argparse
import logging
import os
import sqlite3
import sys
from pathlib import Path

from orionbox.http_server import AnsweringProtocol, listen, new_server
from services.gcs.app import create_app
from services.gcs.faults import TRANSPORT
from services.gcs.settings import from_environment

_log = logging.getLogger("gcs")


class Protocol(AnsweringProtocol):
    """Leaves the connection in the request's scope, for faults on purpose."""

    def on_headers_complete(self) -> None:
        """Put it there before the request is answered."""
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]
        super().on_headers_complete()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4443, help="0 takes a free one; the log says which")
    parser.add_argument("--data-dir", type=lambda text: Path(text).resolve(), required=True)
    return parser.parse_args()


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    arguments = _arguments()
    try:
        app = create_app(from_environment(arguments.data_dir, os.environ))
    except (OSError, sqlite3.Error) as error:
        _log.error("the data in %s cannot be opened: %s. Fix that, and start again", arguments.data_dir, error)
        sys.exit(1)
    listening = listen(arguments.host, arguments.port)
    _log.info("listening on http://%s:%d", arguments.host, listening.getsockname()[1])
    new_server(app, Protocol).run(sockets=[listening])


if __name__ == "__main__":
    main()

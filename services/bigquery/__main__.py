"""Runs the BigQuery server: REST on one port, the Storage API's gRPC on another."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from orionbox.http_guard import AsgiGuard, HttpGuard, further_hosts
from orionbox.http_server import listen, new_server
from services.bigquery.app import create_app
from services.bigquery.errors import BigQueryError
from services.bigquery.settings import Settings, WrongSettingError, limits_from

DEFAULT_MODULE = "/opt/googlesql"
"""Where the image has the compiled SQL module."""
_log = logging.getLogger("bigquery")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.bigquery", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9050, help="0 takes a free one; the log says which")
    parser.add_argument("--grpc-port", type=int, default=9060)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of the data")
    parser.add_argument("--module-dir", type=Path, default=Path(os.environ.get("GOOGLESQL_FOLDER", DEFAULT_MODULE)))
    parser.add_argument("--bucket-dir", type=Path, default=Path(), help="folder of the objects: BUCKET/OBJECT")
    parser.add_argument(
        "--storage", default=os.environ.get("STORAGE_EMULATOR_HOST", ""), help="Cloud Storage's address"
    )
    shares = os.environ.get("SHARE_PROJECTS", "no") == "yes"
    parser.add_argument(
        "--share-projects", action="store_true", default=shares, help="find tables under any project's id"
    )
    return parser.parse_args()


def _settings(given: argparse.Namespace) -> Settings:
    data = given.data_dir.absolute()
    data.mkdir(parents=True, exist_ok=True)
    return Settings(
        data,
        given.module_dir.absolute(),
        given.bucket_dir.absolute(),
        given.storage,
        f"{given.host}:{given.grpc_port}",
        given.share_projects,
        limits_from(os.environ),
    )


def main() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    given = _arguments()
    try:
        listening = listen(given.host, given.port)
        app = create_app(_settings(given))
    except (OSError, BigQueryError, WrongSettingError, RuntimeError) as error:
        # A port that is in use, a file that is damaged or another process's, a setting: the text says which
        _log.error("the BigQuery server cannot start: %s. Fix that, and start again", error)
        sys.exit(1)
    guard = HttpGuard("bigquery", r"/bigquery/v2/|/prune", further_hosts=further_hosts())
    _log.info("listening on http://%s:%d", given.host, listening.getsockname()[1])
    new_server(AsgiGuard(app, guard)).run(sockets=[listening])


if __name__ == "__main__":
    main()

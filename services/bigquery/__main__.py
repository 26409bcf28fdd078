"""Runs the BigQuery server: REST on one port, the Storage API's gRPC on another."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import uvicorn

from orionbox.http_guard import AsgiGuard, HttpGuard, further_hosts
from services.bigquery.app import Settings, create_app

DEFAULT_MODULE = "/opt/googlesql"
"""Where the image has the compiled SQL module."""


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m services.bigquery", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9050)
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
    given = parser.parse_args()
    data = given.data_dir.absolute()
    data.mkdir(parents=True, exist_ok=True)
    settings = Settings(data, given.module_dir.absolute(), given.bucket_dir.absolute(), given.storage)
    settings = replace(settings, grpc=f"{given.host}:{given.grpc_port}", shares_projects=given.share_projects)
    guard = HttpGuard("bigquery", r"/bigquery/v2/|/prune", further_hosts=further_hosts())
    app = AsgiGuard(create_app(settings), guard)
    config = uvicorn.Config(app, host=given.host, port=given.port, log_level="warning", access_log=False)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()

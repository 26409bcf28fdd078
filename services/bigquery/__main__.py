"""Runs the BigQuery server: REST on one port, the Storage API's gRPC on another."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import uvicorn

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
    parser.add_argument("--bucket-dir", type=Path, default=Path(os.environ.get("GCS_LOCAL_ROOT", ".")))
    parser.add_argument(
        "--storage", default=os.environ.get("STORAGE_EMULATOR_HOST", ""), help="Cloud Storage's address"
    )
    parser.add_argument("--share-projects", action="store_true", help="find tables under any project's id")
    given = parser.parse_args()
    data = given.data_dir.absolute()
    data.mkdir(parents=True, exist_ok=True)
    # As with the server of 0.1.0, a relative folder of the bucket counts from the data folder
    settings = Settings(data, given.module_dir.absolute(), data / given.bucket_dir, given.storage)
    settings = replace(settings, grpc=f"{given.host}:{given.grpc_port}", shares_projects=given.share_projects)
    app = create_app(settings)
    config = uvicorn.Config(app, host=given.host, port=given.port, log_level="warning", access_log=False)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()

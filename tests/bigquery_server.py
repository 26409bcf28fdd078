"""The BigQuery server in this process, on a free port of loopback, for Google's own clients."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from services.bigquery.app import create_app
from services.bigquery.routes.dispatch import App
from services.bigquery.settings import Settings
from tests.googlesql import MODULE_FOLDER, pool

PROJECT = "test-project"


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        address: Such as http://127.0.0.1:9050.
        bucket: The folder of the bucket's objects.
        app: The application itself.
        grpc: HOST:PORT of the Storage API.
    """

    address: str
    bucket: Path
    app: App
    grpc: str = ""

    def put(self, name: str, content: bytes, bucket: str = "bucket") -> str:
        """Stores an object; returns its `gs://` name."""
        file = self.bucket / bucket / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return f"gs://{bucket}/{name}"

    @contextmanager
    def client(self, project: str = PROJECT) -> Iterator[Any]:
        """Opens a client."""
        credentials: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]
        client: Any = bigquery.Client(
            project=project, credentials=credentials, client_options={"api_endpoint": self.address}
        )
        yield client
        client.close()


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Serves a folder's data until the end of `with`."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        grpc = f"127.0.0.1:{other.getsockname()[1]}"
    app = create_app(Settings(folder / "data", MODULE_FOLDER, folder / "bucket", grpc=grpc), pool())
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}", folder / "bucket", app, grpc)
        finally:
            server.should_exit = True
            thread.join()

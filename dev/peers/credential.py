"""A plugin of pytest: google-cloud-storage's clients have a service account's credential, whose tokens come from here.

Without one, a client is anonymous while STORAGE_EMULATOR_HOST is set, and 32 of its tests are skipped.
"""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from google.cloud.storage import client
from google.oauth2 import service_account


class Tokens(BaseHTTPRequestHandler):
    """Hands out a token to everyone."""

    def do_POST(self) -> None:
        """Answer with a token."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"access_token": "x", "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


_server = ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
threading.Thread(target=_server.serve_forever, daemon=True).start()
_info = json.loads(Path(os.environ["GOOGLE_APPLICATION_CREDENTIALS"]).read_text(encoding="utf-8"))
_info |= {"token_uri": f"http://127.0.0.1:{_server.server_port}/token", "project_id": "peers"}
_original = client.Client.__init__


def _init(self: Any, project: Any = client._marker, credentials: Any = None, *rest: Any, **options: Any) -> None:
    if credentials is None and "client_options" not in options:
        credentials = service_account.Credentials.from_service_account_info(_info)  # type: ignore[no-untyped-call]
    _original(self, project, credentials, *rest, **options)


client.Client.__init__ = _init

"""What a web page elsewhere may make a browser send to the services: each must be refused, in both runtimes."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SERVICES = {
    "ORION_PORT": ("/api/health", "/api/flows/"),
    "START_PORT": ("/lesson.json", "/lesson"),
    "GCS_PORT": ("/storage/v1/b?project=p", "/storage/v1/b?project=p"),
    "BIGQUERY_PORT": ("/bigquery/v2/projects/p/datasets", "/bigquery/v2/projects/p/datasets"),
}
"""The services of both runtimes by the setting of their port: what to read, and where to change something."""
EVIL = "http://evil.example"
BODIES = {
    "ORION_PORT": {"name": "forged"},
    "GCS_PORT": {"name": "forged"},
    "BIGQUERY_PORT": {"datasetReference": {"projectId": "p", "datasetId": "forged"}},
}
ATTACKS: dict[str, tuple[str, dict[str, str]]] = {
    "reads after DNS rebinding": ("GET", {"Host": "evil.example", "Sec-Fetch-Site": "same-origin"}),
    "reads across sites": ("GET", {"Origin": EVIL}),
    "shows as a picture": (
        "GET",
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    ),
    "shows in a frame": (
        "GET",
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ),
    "asks for permission": ("OPTIONS", {"Origin": EVIL, "Access-Control-Request-Method": "POST"}),
    "changes after DNS rebinding": (
        "POST",
        {"Host": "evil.example", "Origin": EVIL, "Content-Type": "application/json"},
    ),
    "changes as JSON": ("POST", {"Origin": EVIL, "Content-Type": "application/json"}),
    "changes without a type": ("POST", {"Origin": EVIL}),
    "changes as text": ("POST", {"Origin": EVIL, "Content-Type": "text/plain"}),
    "changes from a sandbox": ("POST", {"Origin": "null", "Content-Type": "application/json"}),
    "changes from another port": ("POST", {"Origin": "http://localhost:1", "Content-Type": "application/json"}),
    "changes without an Origin": ("POST", {"Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}),
    "deletes": ("DELETE", {"Origin": EVIL}),
}


def ask(
    port: int, method: str, path: str, headers: Mapping[str, str] | None = None, body: object = None
) -> tuple[int, str]:
    """Returns status and text of an answer; only the given headers are sent, and Host."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, None if body is None else json.dumps(body).encode(), dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def let_through(settings: Mapping[str, str]) -> list[str]:
    """Returns the attacks that a service has not refused."""
    found = []
    for service, (readable, changeable) in SERVICES.items():
        for name, (method, headers) in ATTACKS.items():
            path, body = (readable, None) if method in ("GET", "OPTIONS") else (changeable, BODIES.get(service, {}))
            status, text = ask(int(settings[service]), method, path, headers, body)
            if status != 403 or "Refused" not in text:
                found.append(f"{service}: {name}: {status} {text[:100]}")
    return found


def not_answered(settings: Mapping[str, str]) -> list[str]:
    """Returns the services that do not answer a program, or a page of their own."""
    found = []
    for service, (readable, _) in SERVICES.items():
        port = int(settings[service])
        for headers in ({}, {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}):
            status, text = ask(port, "GET", readable, headers)
            if status != 200:
                found.append(f"{service}: {headers}: {status} {text[:100]}")
    return found


SCRIPT = """async target => {
  const answers = {};
  const attempt = async (name, send) => {
    try { answers[name] = await send() } catch (error) { answers[name] = "refused" }
  };
  const body = JSON.stringify({ name: "forged" });
  await attempt("reads", () => fetch(target + "/api/flows/filter").then(answer => answer.text()));
  await attempt("changes", () => fetch(target + "/api/flows/", {
    method: "POST", headers: { "Content-Type": "application/json" }, body }).then(answer => answer.text()));
  await fetch(target + "/api/flows/", { method: "POST", mode: "no-cors", body: new Blob([body]) });
  await fetch(target + "/api/flows/", { method: "POST", mode: "no-cors", body });
  await fetch(target + "/api/admin/database/clear", {
    method: "POST", mode: "no-cors", body: new Blob(['{"confirm": true}']) });
  await attempt("shows a picture", () => new Promise((shown, refused) => {
    const image = new Image(); image.onload = () => shown("shown"); image.onerror = refused;
    image.src = target + "/decorative_iso-pixel-grid_light.svg";
  }));
  return answers;
}"""
"""Run in a page elsewhere: each answer must be `refused`, and nothing called `forged` be there afterwards."""


class Page(BaseHTTPRequestHandler):
    """A page of another site."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>Another site</h1>")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def another_site() -> Iterator[int]:
    """Serves a page on this machine; yields its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()

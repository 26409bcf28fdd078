"""Which requests the guard lets through to a service: programs' and its own pages', none of a web page elsewhere."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from orionbox.http_guard import AsgiGuard, GuardedHandler, HttpGuard, Message, Scope, further_hosts, guarded_wsgi

GUARD = HttpGuard(
    "orion", json_paths=r"/api/", closed=r"/api/admin/database\b", instead="Use make reset", further_hosts=("lab7.lan",)
)
HERE = {"Host": "localhost:4200"}
JSON = {**HERE, "Content-Type": "application/json", "Content-Length": "2"}
OWN = {"Origin": "http://localhost:4200", "Sec-Fetch-Site": "same-origin"}
LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FOREIGN = {**HERE, "Sec-Fetch-Site": "cross-site"}

ALLOWED: dict[str, tuple[str, str, dict[str, str]]] = {
    "curl, to read": ("GET", "/api/health", HERE),
    "a program by the loopback address": ("GET", "/api/health", {"Host": "127.0.0.1:4200"}),
    "a program by another loopback address": ("GET", "/api/health", {"Host": "127.0.1.1:4200"}),
    "a program by IPv6": ("GET", "/api/health", {"Host": "[::1]:4200"}),
    "a program in capitals": ("GET", "/api/health", {"HOST": "LOCALHOST:4200"}),
    "a run's container": ("POST", "/api/flow_runs/", {**JSON, "Host": "orion:4200"}),
    "a container of Docker Desktop": ("GET", "/api/health", {"Host": "host.docker.internal:4200"}),
    "a name that the user has set": ("GET", "/", {"Host": "Lab7.lan"}),
    "Prefect's client": ("POST", "/api/flow_runs/filter", JSON),
    "a type with parameters": ("POST", "/api/logs/", {**JSON, "Content-Type": "Application/JSON; charset=utf-8"}),
    "a type that is JSON": ("PATCH", "/api/x", {**JSON, "Content-Type": "application/merge-patch+json"}),
    "Prefect's client, without a body": ("POST", "/api/work_queues/1/x", {**HERE, "Content-Length": "0"}),
    "a deletion": ("DELETE", "/api/blocks/1", HERE),
    "a form, where no JSON is expected": ("POST", "/token", {**JSON, "Content-Type": "text/plain"}),
    "its own page": ("POST", "/api/flows/filter", {**JSON, **OWN}),
    "its own page, without a body": ("POST", "/api/x/resume", {**HERE, **OWN}),
    "its own page, by another loopback name": ("POST", "/api/x", {**JSON, "Origin": "http://127.0.0.1:4200"}),
    "a loopback name that the browser calls another site": (
        "POST",
        "/api/x",
        {**JSON, "Origin": "http://127.0.0.1:4200", "Sec-Fetch-Site": "cross-site"},
    ),
    "its own page, from an old browser": ("POST", "/api/x", {**JSON, "Origin": "http://localhost:4200"}),
    "a page's pictures": ("GET", "/logo.svg", {**HERE, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "image"}),
    "a typed address": ("GET", "/", {**HERE, "Sec-Fetch-Site": "none", **LINK}),
    "a link of the start page": ("GET", "/runs", {**HERE, "Sec-Fetch-Site": "same-site", **LINK}),
    "a link of another site": ("GET", "/runs", {**FOREIGN, **LINK}),
    "a Codespace, which forwards by TLS": (
        "POST",
        "/api/x",
        {**JSON, "Origin": "https://localhost:4200", "Sec-Fetch-Site": "same-origin"},
    ),
    "a Codespace, which leaves out the port": (
        "POST",
        "/api/x",
        {**JSON, "Host": "localhost", "Origin": "https://localhost:4200", "Sec-Fetch-Site": "same-origin"},
    ),
    "a proxy of the user's that names itself": (
        "POST",
        "/api/x",
        {**JSON, "Host": "lab7.lan", "Origin": "https://lab7.lan"},
    ),
    "a proxy of the user's that names this machine": ("POST", "/api/x", {**JSON, "Origin": "https://lab7.lan"}),
    "a proxy of the user's that writes the port": (
        "POST",
        "/api/x",
        {**JSON, "Host": "lab7.lan:443", "Origin": "https://lab7.lan"},
    ),
    "a path that begins like a closed one": ("GET", "/api/admin/databases", HERE),
}

HOST, PAGE, TYPE, CLOSED = (
    "add it to ALLOWED_HOSTS in .env and run: make up",
    "only its own pages and programs may",
    "Content-Type: application/json",
    "is closed. Use make reset",
)
EVIL = {"Origin": "https://evil.example"}
REFUSED: dict[str, tuple[str, str, dict[str, str], str]] = {
    "DNS rebinding": ("GET", "/api/flows", {"Host": "evil.example:4200"}, HOST),
    "DNS rebinding, as the browser sees it": (
        "POST",
        "/api/flows/filter",
        {**JSON, "Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
        HOST,
    ),
    "a name that begins like a known one": ("GET", "/", {"Host": "localhost.evil.example"}, HOST),
    "a name that ends like a known one": ("GET", "/", {"Host": "evil-localhost"}, HOST),
    "a name with an address in it": ("GET", "/", {"Host": "127.0.0.1.evil.example"}, HOST),
    "another service's name": ("GET", "/", {"Host": "gcs:4443"}, HOST),
    "an address that is not loopback": ("GET", "/", {"Host": "192.0.2.1:4200"}, HOST),
    "a host with a user": ("GET", "/", {"Host": "localhost@evil.example"}, HOST),
    "a host with a path": ("GET", "/", {"Host": "localhost/evil"}, HOST),
    "a port that is none": ("GET", "/", {"Host": "localhost:http"}, HOST),
    "an empty host": ("GET", "/", {"Host": ""}, HOST),
    "no host": ("GET", "/", {}, HOST),
    "two hosts as one header": ("GET", "/", {"Host": "localhost,evil.example"}, HOST),
    "a cross-site POST of JSON": ("POST", "/api/flows/", {**JSON, **EVIL}, PAGE),
    "a cross-site POST without a type": ("POST", "/api/flows/", {**HERE, **EVIL, "Content-Length": "2"}, PAGE),
    "a cross-site POST without a body": ("POST", "/api/x/resume", {**HERE, **EVIL}, PAGE),
    "a cross-site form": ("POST", "/token", {**JSON, **EVIL, "Content-Type": "text/plain"}, PAGE),
    "a cross-site read": ("GET", "/api/flows", {**HERE, **EVIL}, PAGE),
    "a cross-site question for permission": ("OPTIONS", "/api/flows", {**HERE, **EVIL}, PAGE),
    "a foreign page that pretends": ("POST", "/api/x", {**JSON, **EVIL, "Sec-Fetch-Site": "same-origin"}, PAGE),
    "a page without an address": ("POST", "/api/flows/", {**JSON, "Origin": "null"}, PAGE),
    "a browser's extension": ("POST", "/api/flows/", {**JSON, "Origin": "chrome-extension://abc"}, PAGE),
    "a page of another port": ("POST", "/api/flows/", {**JSON, "Origin": "http://localhost:8888"}, PAGE),
    "a page of a set name's other port": ("POST", "/api/flows/", {**JSON, "Origin": "http://lab7.lan:8888"}, PAGE),
    "a page whose name begins alike": (
        "POST",
        "/api/x",
        {**JSON, "Origin": "http://localhost:4200.evil.example"},
        PAGE,
    ),
    "two origins": ("POST", "/api/x", {**JSON, "Origin": "http://localhost:4200, https://evil.example"}, PAGE),
    "a picture on another site": ("GET", "/api/flows", {**FOREIGN, "Sec-Fetch-Dest": "image"}, PAGE),
    "a script on another port": (
        "GET",
        "/x",
        {**HERE, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "script"},
        PAGE,
    ),
    "a frame on another site": ("GET", "/", {**FOREIGN, **LINK, "Sec-Fetch-Dest": "iframe"}, PAGE),
    "a form on another site, without an Origin": ("POST", "/api/flows/", {**FOREIGN, **JSON, **LINK}, PAGE),
    "a change without a type": ("POST", "/api/flows/", {**HERE, "Content-Length": "2"}, TYPE),
    "a change in pieces without a type": ("POST", "/api/flows/", {**HERE, "Transfer-Encoding": "chunked"}, TYPE),
    "a change as text": ("PUT", "/api/flows/", {**JSON, "Content-Type": "text/plain"}, TYPE),
    "a change as text that mentions JSON": (
        "POST",
        "/api/x",
        {**JSON, "Content-Type": "text/plain; application/json"},
        TYPE,
    ),
    "curl -d, as a form": ("POST", "/api/x", {**JSON, "Content-Type": "application/x-www-form-urlencoded"}, TYPE),
    "a change as a form with files": (
        "PATCH",
        "/api/x",
        {**JSON, "Content-Type": "multipart/form-data; boundary=x"},
        TYPE,
    ),
    "clearing the database": ("POST", "/api/admin/database/clear", JSON, CLOSED),
    "clearing the database, in capitals": ("POST", "/api/admin/DATABASE/clear", JSON, CLOSED),
    "its own page clearing the database": ("POST", "/api/admin/database/drop", {**JSON, **OWN}, CLOSED),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_programs_and_the_service_s_own_pages_pass(name: str) -> None:
    method, path, headers = ALLOWED[name]
    assert GUARD.refusal(method, path, headers.items()) is None


@pytest.mark.parametrize("name", REFUSED)
def test_a_web_page_elsewhere_is_refused_and_the_answer_says_what_to_do(name: str) -> None:
    method, path, headers, reason = REFUSED[name]
    refusal = GUARD.refusal(method, path, headers.items())
    assert refusal and refusal.text.startswith("Refused: ") and reason in refusal.text
    assert refusal.status == (415 if reason == TYPE else 403)


def test_a_header_that_comes_twice_is_refused_unless_both_are_known() -> None:
    twice = [("Host", "localhost"), ("Host", "evil.example")]
    assert GUARD.refusal("GET", "/", twice)
    origins = [*HERE.items(), ("Origin", "http://localhost:4200"), ("Origin", "https://evil.example")]
    assert GUARD.refusal("POST", "/", origins)
    types = [
        *HERE.items(),
        ("Content-Length", "2"),
        ("Content-Type", "text/plain"),
        ("Content-Type", "application/json"),
    ]
    assert GUARD.refusal("POST", "/api/", types)


def test_a_refusal_repeats_no_control_characters_and_no_page() -> None:
    refusal = GUARD.refusal("GET", "/", [("Host", "\x1b[2J\n" + 10_000 * "x")])
    assert refusal and refusal.text.isprintable() and len(refusal.text) < 400
    headers, _ = refusal.answer(wants_page=True)
    assert ("Content-Type", "text/plain; charset=utf-8") in headers and ("X-Content-Type-Options", "nosniff") in headers


def test_the_setting_is_a_list_of_names() -> None:
    assert further_hosts({"ALLOWED_HOSTS": "Orion.example.org, lab7 ,"}) == ("orion.example.org", "lab7")
    assert further_hosts({"ALLOWED_HOSTS": ""}) == further_hosts({}) == ()


def ask_asgi(scope: Scope) -> list[Message]:
    """What a client of an ASGI application behind the guard gets; the application itself answers with its name."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await send({"type": "the application"})

    async def receive() -> Message:
        raise AssertionError("nothing is read of a request that is refused")

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(AsgiGuard(app, GUARD)(scope, receive, send))
    return sent


def scope_of(kind: str, *headers: tuple[bytes, bytes], **more: Any) -> Scope:
    method = {"method": "POST"} if kind == "http" else {}
    return {
        "type": kind,
        "path": "/api/events/out",
        "headers": [(b"host", b"localhost:4200"), *headers],
        **method,
        **more,
    }


@pytest.mark.parametrize("kind", ["http", "websocket", "lifespan"])
def test_an_asgi_application_is_asked_by_programs(kind: str) -> None:
    assert ask_asgi(scope_of(kind)) == [{"type": "the application"}]


def test_an_asgi_application_is_not_asked_by_other_pages() -> None:
    start, body = ask_asgi(scope_of("http", (b"origin", b"https://evil.example")))
    assert start["status"] == 403 and (b"content-type", b"application/json") in start["headers"]
    found = json.loads(body["body"])
    assert found["detail"] == found["exception_message"] == found["error"]["message"]
    assert found["detail"].startswith("Refused: a page of 'https://evil.example'") and found["error"]["code"] == 403


def test_a_browser_s_tab_shows_a_text() -> None:
    start, body = ask_asgi(scope_of("http", (b"origin", b"null"), (b"accept", b"text/html,*/*")))
    assert (b"content-type", b"text/plain; charset=utf-8") in start["headers"]
    assert body["body"].startswith(b"Refused: a page of 'null'")


def test_a_websocket_of_another_page_is_never_accepted() -> None:
    evil = (b"origin", b"https://evil.example")
    (closed,) = ask_asgi(scope_of("websocket", evil))
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    start, body = ask_asgi(scope_of("websocket", evil, extensions={"websocket.http.response": {}}))
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert b"Refused: a page of" in body["body"]


@pytest.mark.parametrize(
    ("origin", "status"), [("", "200 OK"), ("http://127.0.0.1", "200 OK"), (EVIL["Origin"], "403 Forbidden")]
)
def test_a_wsgi_application_is_guarded(origin: str, status: str) -> None:
    started: list[tuple[str, Any]] = []
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/api/x", "HTTP_HOST": "localhost", "CONTENT_LENGTH": "2"}
    environ |= {"CONTENT_TYPE": "application/json"} | ({"HTTP_ORIGIN": origin} if origin else {})

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"fine"]

    body = guarded_wsgi(app, GUARD)(environ, lambda *answer: started.append(answer))
    assert started[0][0] == status and (body == [b"fine"]) == (status == "200 OK")
    assert not any(name == "Connection" for name, _ in started[0][1])


class Handler(GuardedHandler):
    """Answers changes with 204, and keeps the connection."""

    protocol_version = "HTTP/1.1"
    guard = GUARD

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.client.HTTPConnection]:
    """A connection to a server of the standard library."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        yield connection
        connection.close()
        server.shutdown()


def test_a_handler_of_the_standard_library_is_guarded(server: http.client.HTTPConnection) -> None:
    def post(path: str, **headers: str) -> tuple[int, bytes]:
        server.request("POST", path, b"{}", {"Content-Type": "application/json", **headers})
        with server.getresponse() as answer:
            return answer.status, answer.read()

    assert post("/api/x") == (204, b"")
    assert post("/api/x?a", Origin="https://evil.example")[0] == 403
    assert post("/api/admin/data%62ase/clear")[0] == 403
    assert post("/api/x") == (204, b"")

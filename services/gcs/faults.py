"""Faults on purpose: a client creates a list of them at /retry_test and names it in the header `x-retry-test-id`.

For a lesson on retries, and for Google's conformance tests, which define it
(https://github.com/googleapis/storage-testbench#forced-failures). Off unless RETRY_TESTS=yes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from services.gcs.call import json_response, parse_json
from services.gcs.errors import StorageError, invalid, not_found

HEADER = "x-retry-test-id"
TRANSPORT = "orionbox.transport"
"""Where the server leaves the connection in a request's scope."""
MOST_TESTS, MOST_BYTES = 1000, 65536
INSTRUCTION = re.compile(
    r"return-(?:(\d{3})(?:-after-(\d{1,7})K)?|(reset-connection)|(broken-stream)(?:-after-(\d{1,7})K)?)"
)
ANY_OBJECT = r"/o/[^/]+"
METHODS = (
    ("GET", r"/b", "buckets.list"),
    ("POST", r"/b", "buckets.insert"),
    ("GET", r"/b/[^/]+", "buckets.get"),
    ("PATCH", r"/b/[^/]+", "buckets.patch"),
    ("PUT", r"/b/[^/]+", "buckets.update"),
    ("DELETE", r"/b/[^/]+", "buckets.delete"),
    ("POST", r"/b/[^/]+/lockRetentionPolicy", "buckets.lockRetentionPolicy"),
    ("GET", r"/b/[^/]+/iam", "buckets.getIamPolicy"),
    ("PUT", r"/b/[^/]+/iam", "buckets.setIamPolicy"),
    ("GET", r"/b/[^/]+/iam/testPermissions", "buckets.testIamPermissions"),
    ("GET", r"/b/[^/]+/notificationConfigs", "notifications.list"),
    ("POST", r"/b/[^/]+/notificationConfigs", "notifications.insert"),
    ("GET", r"/b/[^/]+/notificationConfigs/[^/]+", "notifications.get"),
    ("DELETE", r"/b/[^/]+/notificationConfigs/[^/]+", "notifications.delete"),
    ("GET", r"/b/[^/]+/o", "objects.list"),
    ("POST PUT", r"/b/[^/]+/o", "objects.insert"),
    ("GET", rf"/b/[^/]+{ANY_OBJECT}", "objects.get"),
    ("PATCH", rf"/b/[^/]+{ANY_OBJECT}", "objects.patch"),
    ("PUT", rf"/b/[^/]+{ANY_OBJECT}", "objects.update"),
    ("DELETE", rf"/b/[^/]+{ANY_OBJECT}", "objects.delete"),
    ("POST", rf"/b/[^/]+{ANY_OBJECT}/compose", "objects.compose"),
    ("POST", rf"/b/[^/]+{ANY_OBJECT}/copyTo/.*", "objects.copy"),
    ("POST", rf"/b/[^/]+{ANY_OBJECT}/rewriteTo/.*", "objects.rewrite"),
    ("GET", r"/projects/[^/]+/serviceAccount", "serviceaccount.get"),
    ("GET", r"/projects/[^/]+/hmacKeys", "hmacKey.list"),
    ("POST", r"/projects/[^/]+/hmacKeys", "hmacKey.create"),
    ("GET", r"/projects/[^/]+/hmacKeys/[^/]+", "hmacKey.get"),
    ("PUT", r"/projects/[^/]+/hmacKeys/[^/]+", "hmacKey.update"),
    ("DELETE", r"/projects/[^/]+/hmacKeys/[^/]+", "hmacKey.delete"),
    *(
        (method, rf"/b/[^/]+{path}{entry}", f"{name}.{call}")
        for path, name in (
            ("/acl", "bucket_acl"),
            ("/defaultObjectAcl", "default_object_acl"),
            (f"{ANY_OBJECT}/acl", "object_acl"),
        )
        for method, entry, call in (
            ("GET", "", "list"),
            ("POST", "", "insert"),
            ("GET", "/[^/]+", "get"),
            ("PATCH", "/[^/]+", "patch"),
            ("PUT", "/[^/]+", "update"),
            ("DELETE", "/[^/]+", "delete"),
        )
    ),
)
"""The names that the tests use, less `storage.`: method, path below /storage/v1, name."""
Respond = Callable[[Request], Awaitable[Response]]


@dataclass
class RetryTest:
    """One test: instructions by name of the method, in order."""

    number: str
    instructions: dict[str, list[str]]

    def resource(self) -> dict[str, Any]:
        """Return what a client reads."""
        left = {name: wanted for name, wanted in self.instructions.items() if wanted}
        return {"id": self.number, "instructions": left, "completed": not left, "transport": "HTTP"}


class InterruptedBodyError(ClientDisconnect):
    """A body that ends on purpose; the answer has this status."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class Cut(Response):
    """Sends the first bytes of an answer, then closes the connection; without an answer it only closes."""

    def __init__(self, answer: Response | None, first: int | None = None) -> None:
        super().__init__()
        self._answer, self._first = answer, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if self._answer:
            await self._answer(scope, receive, self._sender(send))
        if transport := scope.get(TRANSPORT):
            transport.close() if self._answer else transport.abort()

    def _sender(self, send: Send) -> Send:
        left = self._first

        async def send_first(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.body":
                body = bytes(message.get("body", b""))
                body = body[: len(body) // 2] if left is None else body[:left]
                left = 0 if left is None else left - len(body)
                message = {**message, "body": body, "more_body": True}
            await send(message)

        return send_first


class Faults:
    """The tests that clients have created.

    Args:
        enabled: whether there are any.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._tests: dict[str, RetryTest] = {}

    async def respond(self, request: Request, respond: Respond) -> Response:
        """Return the answer to a request, spoiled if its test says so."""
        path = request.url.path
        if not self._enabled or not (path.startswith("/retry_test") or HEADER in request.headers):
            return await respond(request)
        try:
            if path.startswith("/retry_test"):
                return await self._manage(request, path.removeprefix("/retry_test").strip("/"))
            return await self._spoil(request, respond)
        except StorageError as error:
            return json_response(error.as_json(), error.status)

    async def _manage(self, request: Request, number: str) -> Response:
        if request.method == "POST" and not number:
            content = b""
            async for piece in request.stream():
                content += piece
                if len(content) > MOST_BYTES:
                    raise StorageError(413, "uploadTooLarge", f"A retry test has at most {MOST_BYTES} bytes.")
            test = RetryTest(secrets.token_hex(16), _read_instructions(parse_json(content)))
            while len(self._tests) >= MOST_TESTS:
                del self._tests[next(iter(self._tests))]
            self._tests[test.number] = test
            return json_response(test.resource())
        if request.method == "GET" and not number:
            return json_response({"retry_test": [test.resource() for test in self._tests.values()]})
        if number not in self._tests:
            raise not_found(f"Retry Test {number[:100]} not found")
        if request.method == "DELETE":
            return json_response(self._tests.pop(number).resource())
        return json_response(self._tests[number].resource())

    async def _spoil(self, request: Request, respond: Respond) -> Response:
        test = self._tests.get(request.headers[HEADER])
        wanted = test.instructions.get(method_name(request), []) if test else []
        found = INSTRUCTION.fullmatch(wanted[0]) if wanted else None
        if not found:
            return await respond(request)
        status, after, reset, _, broken_after = found.groups()
        if reset:
            wanted.pop(0)
            return Cut(None)
        if status and after is None:
            wanted.pop(0)
            error = StorageError(int(status), "forced", f"Retry Test: Caused a {status}")
            return json_response(error.as_json(), error.status)
        start, end = _bytes_of(request)
        place = int(after or broken_after or 0) * 1024
        if status:
            if not start < place <= end:
                return await respond(request)
            wanted.pop(0)
            return await respond(Request(request.scope, _interrupt(request.receive, place - start, int(status))))
        answer = await respond(request)
        if answer.status_code >= 300 or (broken_after and place <= start):
            return answer
        wanted.pop(0)
        return Cut(answer, place - start if broken_after else None)


def _read_instructions(content: dict[str, Any]) -> dict[str, list[str]]:
    given = content.get("instructions")
    if not isinstance(given, dict) or not all(isinstance(each, list) for each in given.values()):
        raise invalid("A retry test needs instructions: a list by method")
    for text in (text for wanted in given.values() for text in wanted):
        if not isinstance(text, str) or not INSTRUCTION.fullmatch(text):
            raise invalid(f"Unsupported instruction: {str(text)[:100]}")
    return {str(name): [*wanted] for name, wanted in given.items()}


def method_name(request: Request) -> str:
    """Return Google's name for what a request asks; empty if it has none."""
    raw = (request.scope.get("raw_path") or b"").decode("latin-1")
    path = re.sub(r"^(/resumable|/upload|/download)*/storage/v1", "", raw)
    for methods, pattern, name in METHODS:
        if request.method in methods.split() and re.fullmatch(pattern, path):
            return f"storage.{name}"
    return ""


def _bytes_of(request: Request) -> tuple[int, int]:
    """Return which bytes of an object a request brings or wants."""
    found = re.match(r"bytes[ =](\d+)-", request.headers.get("content-range", request.headers.get("range", "")))
    start = int(found[1]) if found else 0
    return start, start + int(request.headers.get("content-length", 0))


def _interrupt(receive: Receive, most: int, status: int) -> Receive:
    """Return a body that ends after its first bytes; the rest is read and dropped."""
    left, more = most, True

    async def receive_first() -> Message:
        nonlocal left, more
        while left <= 0 and more:
            more = (await receive()).get("more_body", False)
        if left <= 0:
            raise InterruptedBodyError(status)
        message = await receive()
        more = message.get("more_body", False)
        body = message.get("body", b"")[:left]
        left -= len(body)
        return {**message, "body": body, "more_body": more or left <= 0}

    return receive_first

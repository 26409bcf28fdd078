"""One request as the routes see it, and the answers they give."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.datastructures import Headers
from starlette.responses import Response

from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.jobs.job import Jobs
from services.bigquery.loads.sources import Bucket
from services.bigquery.records import Store
from services.bigquery.routes import shapes
from services.bigquery.schema import invalid

HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
PREFIX = "(?:/bigquery/v2)?"


@dataclass(frozen=True)
class Api:
    """What all requests share.

    Attributes:
        bucket: The Cloud Storage server's objects.
        uploads: The folder of files that come with load jobs.
        open_uploads: Resumable uploads, by their ids.
    """

    store: Store
    jobs: Jobs
    bucket: Bucket
    uploads: Path
    open_uploads: dict[str, Upload] = field(default_factory=dict)


@dataclass
class Upload:
    """A resumable upload that has begun.

    Attributes:
        resource: The load job in REST form.
        file: What has arrived.
        began: When, on the monotonic clock.
        answer: The job that it became.
    """

    project: str
    resource: dict[str, Any]
    file: Path
    began: float
    answer: dict[str, Any] | None = None


@dataclass
class Call:
    """A request.

    Attributes:
        api: What all requests share.
        method: In capitals.
        params: The parts of the path that the route names.
        query: The parameters behind the question mark; of several values the last one counts.
        headers: By their names, without regard to case.
        body: Unpacked.
        stream: The body as it comes, of a piece of an upload.
    """

    api: Api
    method: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Headers
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None

    @property
    def project(self) -> str:
        """The project in the path."""
        return self.params["project"]

    @property
    def base(self) -> str:
        """The address that the client uses for this server."""
        host = self.headers.get("host", "")
        return f"http://{host}" if HOST.fullmatch(host) else "http://localhost:9050"

    def json(self) -> dict[str, Any]:
        """The body's JSON object; of nothing, an empty one."""
        return parse_json(self.body)

    def number(self, name: str, default: int, most: int | None = None) -> int:
        """A parameter that is a number, not negative."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise invalid(f"Invalid value for parameter {name}: {text[:100]}")
        return int(text) if most is None else min(int(text), most)

    def flag(self, name: str) -> bool:
        """A parameter that is true or false."""
        return self.query.get(name, "").lower() in ("true", "1")


@dataclass(frozen=True)
class Route:
    """A route: its methods, the pattern of its raw path, and the function that answers.

    Attributes:
        handler: One that is not async runs in a thread.
        is_upload: Whether a file comes with its requests.
    """

    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    handler: Callable[[Call], Any]
    is_upload: bool = False

    def streams(self, call: Call) -> bool:
        """Whether the handler reads the body itself, as it comes."""
        return self.is_upload and bool(call.query.get("upload_id"))


def route(methods: str, path: str, handler: Callable[[Call], Any], prefix: str = PREFIX) -> Route:
    """Returns a route; in its path `{name}` is one part."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Route(tuple(methods.split()), re.compile(prefix + pattern + "/?"), handler, "upload" in prefix)


def refuse(what: str) -> Callable[[Call], Any]:
    """Returns a handler that names what is not built."""

    def handler(call: Call) -> Any:
        raise NotBuilt(what)

    return handler


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object; of nothing, an empty one.

    Raises:
        BigQueryError: It is something else.
    """
    if not body.strip():
        return {}
    try:
        found = json.loads(body)
        if b"\\ud" in body or b"\\uD" in body:
            json.dumps(found, ensure_ascii=False).encode()  # half a character is no text
    except (ValueError, RecursionError):
        raise BigQueryError("parseError", "Parse Error") from None
    if not isinstance(found, dict):
        raise BigQueryError("parseError", "Parse Error")
    shapes.check(found)
    return found


def read_query(query: bytes) -> dict[str, str]:
    """The parameters behind a question mark."""
    try:
        return dict(parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=200))
    except ValueError:
        raise invalid("The request's query is not valid.") from None


def decode(params: Mapping[str, str]) -> dict[str, str]:
    """The parts of a path as they were before they were percent-encoded."""
    return {name: unquote(text) for name, text in params.items() if text is not None}


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(body, status, dict(headers or {}), "application/json; charset=UTF-8")


_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


def error_response(error: BigQueryError) -> Response:
    """An error as Google's APIs answer it (https://cloud.google.com/bigquery/docs/error-messages)."""
    one = {"message": error.message, "domain": "global", "reason": error.reason}
    if error.location:
        one |= {"location": error.location, "locationType": "parameter"}
    status = _STATUS.get(error.status, "UNKNOWN")
    body = {"error": {"code": error.status, "message": error.message, "errors": [one], "status": status}}
    return json_response(body, error.status)


def page_of(items: list[Any], call: Call, most: int = 1000) -> tuple[list[Any], str]:
    """A page of a list by `maxResults` and `pageToken`; and the token of the next page, empty at the end."""
    start, size = place_of(call, most)
    return items[start : start + size], str(start + size) if start + size < len(items) else ""


def place_of(call: Call, most: int = 1000) -> tuple[int, int]:
    """Where a page begins by `pageToken`, and how long it is by `maxResults`."""
    token = call.query.get("pageToken", "")
    if token and not re.fullmatch(r"[0-9]{1,12}", token):
        raise invalid("Invalid value for pageToken")
    return int(token or 0), call.number("maxResults", 50 if most == 1000 else most, most) or most

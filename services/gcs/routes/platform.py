"""What the platform asks of this server: health, counts, backup, and Google's sign-in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from services.gcs import backup, tokens
from services.gcs.call import Call, json_response
from services.gcs.errors import invalid, not_built
from services.gcs.router import route
from services.gcs.rules import values


def health(call: Call) -> Response:
    """Answer that the server is running and its catalogue can be read."""
    if call.headers.get("authorization", "").startswith(("AWS", "GOOG")):
        raise not_built("the XML API's list of buckets")
    with call.store.read() as tx:
        tx.execute("SELECT 1").fetchone()
    return Response(b"OK", media_type="text/plain")


async def counts(call: Call) -> Response:
    """Answer with the number of objects by bucket."""

    def count() -> Response:
        with call.store.read() as tx:
            return json_response(tx.counts())

    answer: Response = await call.server.in_thread(count)
    return answer


def sign_in(call: Call) -> Response:
    """Answer for Google's sign-in: at /token, and at /google/ for what the stand-in of the internet forwards."""
    status, body = tokens.answer(call.params.get("path", "token"), call.body)
    return json_response(body, int(status))


def prune(call: Call) -> Response:
    """Delete for good what was soft-deleted more than `days` ago; with `dry_run=true` only count it."""
    days, dry_run = call.query.get("days", "0"), values.boolean(call.query.get("dry_run"), "dry_run")
    if not re.fullmatch(r"\d{1,5}(\.\d{1,5})?", days):
        raise invalid(f"Invalid value for days: {days[:100]}", "days")
    objects, size = call.store.prune(float(days), dry_run)
    return json_response({"objects": objects, "bytes": size})


async def back_up(call: Call) -> Response:
    """Answer with a tar of everything, as it is at this moment."""
    snapshot: backup.Snapshot = await call.server.in_thread(backup.take, call.store)

    async def pieces() -> AsyncIterator[bytes]:
        found = iter(snapshot.pieces())
        try:
            while (piece := await call.server.in_thread(next, found, None)) is not None:
                yield piece
        finally:
            await call.server.in_thread(snapshot.remove)

    return StreamingResponse(pieces(), media_type="application/x-tar")


ROUTES = (
    route("GET HEAD", "/", health),
    route("GET", "/counts", counts),
    route("GET", "/backup", back_up),
    route("POST", "/prune", prune),
    route("POST", "/token", sign_in),
    route("GET POST", "/google/(?P<path>.*)", sign_in),
)

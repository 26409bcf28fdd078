"""Checks the signature of a request that carries one; others need none here."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.requests import Request

from services.gcs.rules import signatures
from services.gcs.server import Server


def check(server: Server, request: Request, path: str) -> None:
    """Refuse a signed URL that is not right, or not any more."""
    text = request.scope["query_string"].decode("latin-1")
    if "ignature=" not in text and "lgorithm=" not in text:
        return
    query = tuple(parse_qsl(text, keep_blank_values=True))
    if signatures.is_signed(name for name, _ in query):
        headers = {name.lower(): value for name, value in request.headers.items()}
        signed = signatures.SignedRequest(request.method, path, query, headers)
        signatures.check(signed, server.keys, datetime.now(UTC))

"""What Orion's database could not store, at the door of Orion's server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, MutableMapping
from types import ModuleType
from typing import Any

import pytest

from services.orion.door import Door, NotStorableError, create_app, storable, storable_logs


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("two \x00 zero byte", "two \\x00 zero byte"),
        ("\x00\x00", "\\x00\\x00"),
        ("\udc80 alone", "\\udc80 alone"),
        ("\ud83d turned \ude00", "\\ud83d turned \\ude00"),
        ("an emoji \U0001f600", "an emoji \U0001f600"),
        ("written out: \\u0000 and \\\\u0000 and \\ud800", "written out: \\u0000 and \\\\u0000 and \\ud800"),
        ("\\\x00", "\\\\x00"),
        ('line\n"quoted"\t\x01', 'line\n"quoted"\t\x01'),
    ],
)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_a_text_becomes_one_that_postgres_stores(text: str, stored: str, is_ascii: bool) -> None:
    body = json.dumps([{text: text}], ensure_ascii=is_ascii).encode(errors="surrogatepass")
    if is_ascii:
        assert json.loads(storable(body)) == [{stored: stored}]
    elif "\ud83d" not in text and "\udc80" not in text:
        assert json.loads(storable(body)) == [{stored: stored}]


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, 2**64 - 1, -(2**63), 1e18, 1.5, 1e-300])
def test_numbers_that_orion_can_send_pass_unchanged(number: float) -> None:
    body = json.dumps({"n": number}).encode()
    assert storable(body) == body


@pytest.mark.parametrize(
    "number",
    [
        "18446744073709551616",
        "-9223372036854775809",
        "1" + 30 * "0",
        5000 * "9",
        "1e30",
        "-1E+20",
        "100000000000000000000.0",
        "1.5e300",
        "1e999",
    ],
)
def test_a_larger_whole_number_is_refused(number: str) -> None:
    with pytest.raises(NotStorableError, match="more than 64 bits, which Orion cannot store; pass it as a text"):
        storable(f'{{"parameters": {{"n": [{number}]}}}}'.encode())


def test_digits_in_a_text_are_no_number() -> None:
    body = json.dumps({"n": 40 * "9"}).encode()
    assert storable(body) == body


@pytest.mark.parametrize("number", ["NaN", "-Infinity"])
def test_a_number_that_json_does_not_have_is_refused(number: str) -> None:
    with pytest.raises(NotStorableError, match="none of JSON's"):
        storable(f'{{"n": {number}}}'.encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_what_is_not_utf_8_is_refused(encoding: str) -> None:
    with pytest.raises(NotStorableError, match=f"in {encoding.partition('-le')[0]}.*send it again in UTF-8"):
        storable(json.dumps({"n": "\x00", "m": 10**30}).encode(encoding))


@pytest.mark.parametrize("body", [b"\xff", b'"\xed\xa0\x80"', b'"\xc0\x80"'])
def test_bytes_that_are_no_text_are_refused(body: bytes) -> None:
    with pytest.raises(NotStorableError, match="not in UTF-8"):
        storable(body)


@pytest.mark.parametrize("opening", ["[", '{"a":', '["]", '])
def test_values_that_are_nested_too_deeply_are_refused(opening: str) -> None:
    closing = {"[": "]", "{": "}"}[opening[0]]
    for levels, is_stored in ((190, True), (201, False), (5000, False)):
        body = (levels * opening + "1" + levels * closing).encode()
        if is_stored:
            assert storable(body) == body
            continue
        with pytest.raises(NotStorableError, match="more than 200 levels"):
            storable(body)


def test_brackets_in_a_text_and_side_by_side_are_no_levels() -> None:
    body = json.dumps([{"message": 300 * '["{'}, *({"a": []} for _ in range(300))]).encode()
    assert storable(body) == body


@pytest.mark.parametrize(
    ("odd", "stored"),
    [
        ({"level": 40_000}, {"level": 32_767}),
        ({"level": "3000000000"}, {"level": 32_767}),
        ({"level": 3e9}, {"level": 32_767}),
        ({"level": -(10**12)}, {"level": -32_767}),
        ({"level": 20, "message": '"level": 99999999999'}, {"level": 20, "message": '"level": 99999999999'}),
    ],
)
def test_an_odd_line_of_a_log_loses_no_other(odd: dict[str, Any], stored: dict[str, Any]) -> None:
    good = {"level": 20, "timestamp": "2026-01-01T00:00:00+00:00", "message": "good"}
    assert json.loads(storable_logs(json.dumps([good, good | odd, good]).encode())) == [good, good | stored, good]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_line_of_a_log_from_outside_of_time_gets_the_time_at_which_it_arrives(moment: str) -> None:
    (line,) = json.loads(storable_logs(json.dumps([{"level": 20, "timestamp": moment}]).encode()))
    assert line["level"] == 20 and line["timestamp"].startswith("20")


def test_odd_logs_that_are_none_are_left_to_orion() -> None:
    body = b'{"level": 3000000000}'
    assert storable_logs(body) == body


@pytest.mark.parametrize("body", [b"", b"[", b"[" * 100 + 8 * b"9"])
def test_what_is_not_json_is_left_to_orion(body: bytes) -> None:
    assert storable(body) == body


def ask(method: str, path: str, *pieces: bytes) -> tuple[list[Any], list[Any]]:
    """Sends a request through the door; returns what Orion has seen of it, and what the client gets."""
    seen: list[Any] = []
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": piece, "more_body": piece is not pieces[-1]} for piece in pieces]

    async def orion(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        seen.append((scope["path"], dict(scope["headers"]), message["body"]))
        await send({"type": "http.response.start", "status": 201, "headers": []})

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"content-length", b"9"), (b"a", b"b")]}
    asyncio.run(Door(orion)(scope, receive, send))
    return seen, sent


def test_the_body_arrives_whole_with_its_new_length() -> None:
    seen, sent = ask("POST", "/api/logs/", b'["a', b"\\u00", b'00"]')
    assert seen == [("/api/logs/", {b"content-length": b"9", b"a": b"b"} | {b"content-length": b"10"}, b'["a\\\\x00"]')]
    assert sent[0]["status"] == 201


def test_a_path_has_no_zero_byte() -> None:
    assert ask("GET", "/api/variables/name/a\x00", b"")[0][0][0] == r"/api/variables/name/a\x00"


def test_a_refusal_is_an_answer_with_the_reason() -> None:
    seen, sent = ask("POST", "/api/deployments/1/create_flow_run", b'{"parameters": {"n": 99999999999999999999}}')
    assert seen == [] and sent[0]["status"] == 422
    assert "more than 64 bits" in json.loads(sent[1]["body"])["detail"]


def test_a_client_that_goes_away_reaches_nothing() -> None:
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": b"[", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> MutableMapping[str, Any]:
        return next(messages)

    async def nobody(*_: Any) -> None:
        raise AssertionError("the request is not complete")

    asyncio.run(Door(nobody)({"type": "http", "method": "PUT", "path": "/", "headers": []}, receive, nobody))


JSON = {"host": "localhost:4200", "content-type": "application/json", "content-length": "2"}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/flows/", JSON, 201),
        ("/api/flows/", JSON | {"host": "orion:4200"}, 201),
        ("/api/flows/", JSON | {"host": "evil.example"}, 403),
        ("/api/flows/", JSON | {"origin": "https://evil.example"}, 403),
        ("/api/flows/", JSON | {"content-type": "text/plain"}, 415),
        ("/api/flows/", {"host": "localhost", "content-length": "2"}, 415),
        ("/api/admin/database/clear", JSON, 403),
        ("/api/admin/database/drop", JSON, 403),
        ("/api/admin/database/create", JSON, 403),
    ],
)
def test_orion_s_own_application_is_behind_the_guard(
    path: str, headers: dict[str, str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def orion(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": []})

    prefect = ModuleType("prefect.server.api.server")
    prefect.__dict__["create_app"] = lambda: orion
    monkeypatch.setitem(sys.modules, "prefect.server.api.server", prefect)
    for name in ("schedules", "parameter_schemas", "times"):
        monkeypatch.setattr(f"services.orion.{name}.limit", lambda: None)
    sent: list[Any] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(create_app()({"type": "http", "method": "POST", "path": path, "headers": pairs}, receive, send))
    assert sent[0]["status"] == status

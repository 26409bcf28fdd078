"""Requests that no client sends on purpose: malformed, too large, or meant to reach what is not theirs."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from urllib.parse import quote

OBJECTS, UPLOAD = "/storage/v1/b/taxi/o", "/upload/storage/v1/b/taxi/o"
DEEP = b"[" * 100_000
BOMB = gzip.compress(bytes(20_000_000))
JSON = "application/json"
HUGE = "9" * 25
SHAPES: tuple[object, ...] = ("x", 5, ["x"], [{}], {"x": [1]}, {"x": {"y": 1}})


def http(method: str, target: str, body: bytes = b"", *lines: str, kind: str = JSON) -> bytes:
    """Return a request as bytes, with further header lines."""
    head = [f"{method} {target} HTTP/1.1", "Host: localhost", *lines]
    if body or method in ("POST", "PUT", "PATCH"):
        head += [f"Content-Length: {len(body)}", f"Content-Type: {kind}"]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body


def no_http() -> Iterator[bytes]:
    """Yield bytes that are no HTTP, or not quite."""
    yield from (
        b"nonsense\r\n\r\n",
        b"\x00" * 1000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # TLS
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://evil.example/storage/v1/b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n: empty\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 300_000,
        b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 20_000 + b"\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    )


def wrong_lengths() -> Iterator[bytes]:
    """Yield bodies whose length is said wrongly, twice or not at all."""
    head = f"POST {UPLOAD}?uploadType=media&name=never HTTP/1.1\r\nHost: localhost\r\n".encode()
    yield from (
        head + b"Content-Length: -1\r\n\r\n",
        head + b"Content-Length: +5\r\n\r\nhello",
        head + b"Content-Length: 0x5\r\n\r\nhello",
        head + b"Content-Length: " + HUGE.encode() + b"\r\n\r\nhello",
        head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        head + b"Content-Length: 10\r\n\r\nhalf",
        head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello",
        head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        head + b"Transfer-Encoding: identity, chunked, chunked\r\n\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: nonsense\r\n\r\nhello",
        head + b"Expect: nonsense\r\nContent-Length: 5\r\n\r\nhello",
        http("POST", f"{UPLOAD}?uploadType=media&name=never", b"no gzip", "Content-Encoding: gzip"),
        http("POST", f"{UPLOAD}?uploadType=media&name=never", BOMB[:-20], "Content-Encoding: gzip"),
        http("POST", "/storage/v1/b?project=p", BOMB, "Content-Encoding: gzip"),
        http("POST", "/batch/storage/v1", BOMB, "Content-Encoding: gzip", kind="multipart/mixed; boundary=x"),
    )


def paths() -> Iterator[bytes]:
    """Yield paths that try to leave their folder, or that are no UTF-8."""
    outside = (
        "../../escape",
        "..%2f..%2fescape",
        "%2e%2e%2f%2e%2e%2fescape",
        "%5c..%5cescape",
        "/etc/escape",
        "..",
        ".",
    )
    for name in outside:
        yield http("PUT", f"/taxi/{name}", b"x")
        yield http("POST", f"{UPLOAD}?uploadType=media&name={quote(name)}", b"x")
        yield http("GET", f"{OBJECTS}/{name}?alt=media")
        yield http("DELETE", f"/storage/v1/b/{name}")
    for bucket in ("..", ".cloudstorage", "%2e%2e", "a%00b", "A", "x" * 300, "%ff", "-x-", "1.2.3.4", "googl"):
        yield http("POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name=escape", b"x")
        yield http("PUT", f"/{bucket}/escape", b"x")
    for name in ("%ff", "%00", "%zz", "%", "%C3", "a%0Ab", "x" * 1025, "%F0%9F%98%80" * 300):
        yield http("POST", f"{UPLOAD}?uploadType=media&name={name}", b"x")
        yield http("GET", f"{OBJECTS}/{name}")
    yield from (http("GET", path) for path in ("//", "/%2e%2e/%2e%2e/etc/passwd", "/_internal/delete_all", "/wipe"))
    yield http("GET", "/storage/v1/b/taxi/o/" + "a/" * 2000)


def parameters() -> Iterator[bytes]:
    """Yield values that a parameter cannot have."""
    numbers = ("", "x", "-1", HUGE, "1e3", "%D9%A1", "0x10", "1.5")
    for name in ("generation", "ifGenerationMatch", "ifMetagenerationNotMatch"):
        yield from (http("GET", f"{OBJECTS}/a?{name}={value}") for value in numbers)
    yield from (http("GET", f"{OBJECTS}?maxResults={value}") for value in numbers)
    for value in ("x", "%ff", "W10", "WyJ6eiIsMV0", "A" * 5000, base64.urlsafe_b64encode(DEEP).decode()):
        yield http("GET", f"{OBJECTS}?pageToken={value}")
    for glob in ("[", "{", "{a,{b,{c", "**" * 200 + "x", "a*" * 100 + "b", "[z-a]", "\\", "{" + "a," * 500 + "}"):
        yield http("GET", f"{OBJECTS}?matchGlob={quote(glob)}")
    for fields in ("(", ")", "items(", "items((((", "/", "a/" * 400, "(" * 400, "a" * 5000):
        yield http("GET", f"{OBJECTS}?fields={fields}")
    for query in (
        "versions=maybe",
        "versions=true&softDeleted=true",
        "projection=all",
        "alt=proto",
        "%ff=%ff",
        "&" * 5000,
    ):
        yield http("GET", f"{OBJECTS}?{query}")
    for ranges in ("bytes=", f"bytes=-{HUGE}", f"bytes={HUGE}-", "bytes=5-1", "bytes=0-0,2-3," * 500, "lines=1-2"):
        yield http("GET", f"{OBJECTS}/a?alt=media", b"", f"Range: {ranges}")


PLACES = (
    (
        "POST",
        "/storage/v1/b?project=p",
        ("name", "labels", "retentionPolicy", "iamConfiguration", "lifecycle", "acl"),
    ),
    ("PATCH", "/storage/v1/b/taxi", ("versioning", "softDeletePolicy", "cors", "website", "defaultObjectAcl")),
    ("PATCH", f"{OBJECTS}/a", ("metadata", "contentType", "retention", "customTime", "acl", "temporaryHold")),
    ("POST", f"{OBJECTS}/joined/compose", ("sourceObjects", "destination")),
    ("POST", f"{UPLOAD}?uploadType=resumable", ("name", "bucket", "metadata", "md5Hash", "size")),
    ("PUT", "/storage/v1/b/taxi/iam", ("bindings", "version", "etag")),
    ("POST", "/storage/v1/b/taxi/acl", ("entity", "role")),
    ("POST", "/storage/v1/b/taxi/notificationConfigs", ("topic", "event_types", "custom_attributes")),
)
"""Methods and addresses that take documents, and fields of these."""


def documents() -> Iterator[bytes]:
    """Yield documents that are no JSON, or whose fields have other types."""
    wrong: tuple[object, ...] = (None, [], {}, "x", -1, True, [[]], {"a": {"b": []}}, "\ud800", "\x00")
    for number, (method, path, fields) in enumerate(PLACES):
        for each, field in enumerate(fields):
            yield http(method, path, json.dumps({field: wrong[(number + each) % len(wrong)]}).encode())
            yield http(method, path, json.dumps({field: wrong[(number + each + 5) % len(wrong)]}).encode())
    for body in (
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"\xff",
        DEEP,
        b'{"a":' * 50_000,
        b'{"a": NaN, "b": 1e999}',
        b"{}x",
    ):
        yield http("POST", f"{OBJECTS}/joined/compose", body)
    yield http("POST", "/storage/v1/b?project=p", b'{"name": "' + b"x" * 3_000_000 + b'"}')
    yield http("POST", "/retry_test", DEEP)
    yield http("POST", "/token", b"a=b&" * 100_000, kind="application/x-www-form-urlencoded")
    yield http("POST", "/token", b"grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=a.b.c")
    yield http("POST", "/google/../../etc/passwd", b"x")
    yield http("POST", "/prune?days=-1", b"{}")
    yield http("POST", f"/prune?days={HUGE}", b"{}")


def bodies_of_parts() -> Iterator[bytes]:
    """Yield bodies of several parts that are not what they say."""
    related = f"{UPLOAD}?uploadType=multipart"
    for kind in (
        "text/plain",
        "multipart/related",
        "multipart/related; boundary=",
        f"multipart/related; boundary={'b' * 999}",
    ):
        yield http("POST", related, b"--x\r\n\r\n{}\r\n--x--", kind=kind)
    part = b"--x\r\nContent-Type: application/json\r\n\r\n"
    for body in (
        b"",
        b"--x",
        b"--x--",
        b"\r\n" * 5000,
        part,
        part + b'{"name": "never"}',
        part + b'{"name": "never"}\r\n--x--',
        part + b'{"name": "never"}\r\n--x\r\n\r\nno end',
        part + DEEP + b"\r\n--x\r\n\r\nx\r\n--x--",
        b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\n{}",
        part + b'{"name": "never", "md5Hash": "AAAA"}\r\n--x\r\n\r\nx\r\n--x--',
        part + b'{"name": "never"}\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%\r\n--x--',
    ):
        yield http("POST", related, body, kind="multipart/related; boundary=x")
        yield http("POST", "/batch/storage/v1", body, kind="multipart/mixed; boundary=x")
        yield http("POST", "/taxi", body, kind="multipart/form-data; boundary=x")
    for inner in (
        b"GET /storage/v1/b/taxi/o/a?alt=%6dedia HTTP/1.1",
        b"GET /backup HTTP/1.1",
        b"POST /batch/storage/v1 HTTP/1.1",
        b"GET http://evil.example/ HTTP/1.1",
        b"DELETE ../../escape",
        b"\xff\xfe",
    ):
        body = b"--x\r\nContent-Type: application/http\r\n\r\n" + inner + b"\r\n\r\n\r\n--x--"
        yield http("POST", "/batch/storage/v1", body, kind="multipart/mixed; boundary=x")


def uploads_and_signatures() -> Iterator[bytes]:
    """Yield parts of uploads that nobody has begun, and signatures that nobody has made."""
    for number in ("", "x", "../../escape", "%00", "a" * 5000):
        yield http("PUT", f"{UPLOAD}?uploadType=resumable&upload_id={number}", b"x", "Content-Range: bytes 0-0/1")
        yield http("PUT", f"/taxi/a?uploadId={number}&partNumber=1", b"x")
        yield http("POST", f"/taxi/a?uploadId={number}", b"<CompleteMultipartUpload/>")
    bomb = b'<!DOCTYPE a [<!ENTITY b "' + b"c" * 1000 + b'"><!ENTITY d "' + b"&b;" * 1000 + b'">]><a>&d;</a>'
    yield http("POST", "/taxi/a?uploadId=x", bomb)
    for query in (
        "X-Goog-Signature=zz",
        "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature=",
        f"X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=/////&X-Goog-Date=x&X-Goog-Expires={HUGE}"
        "&X-Goog-SignedHeaders=host&X-Goog-Signature=00",
        f"GoogleAccessId=x&Expires={HUGE}&Signature=%ff",
        "GoogleAccessId=x&Expires=1&Signature=" + "A" * 5000,
    ):
        yield http("GET", f"/taxi/a?{query}")
    for header in ("x-goog-hash: md5=x", "x-goog-hash: crc32c=", "Content-MD5: %%%", "x-goog-encryption-key: x"):
        yield http("PUT", "/taxi/never", b"x", header)
    for header in ("x-goog-copy-source: x", "x-goog-copy-source: /../../etc/passwd", "x-goog-if-generation-match: x"):
        yield http("PUT", "/taxi/never", b"", header)


def wrong_shapes() -> Iterator[bytes]:
    """Yield fields that hold something else than Google's do."""
    names = ("retentionPolicy", "softDeletePolicy", "iamConfiguration", "lifecycle", "autoclass", "encryption", "cors")
    for name in (*names, "labels", "storageClass", "rpo", "acl", "website", "versioning", "defaultEventBasedHold"):
        for value in SHAPES:
            yield http("PATCH", "/storage/v1/b/taxi-shapes", json.dumps({name: value}).encode())
    for name in ("uniformBucketLevelAccess", "publicAccessPrevention", "bucketPolicyOnly"):
        for value in SHAPES:
            body = json.dumps({"iamConfiguration": {name: value}}).encode()
            yield http("PATCH", "/storage/v1/b/taxi-shapes", body)
    for name in ("md5Hash", "crc32c", "storageClass", "kmsKeyName", "metadata", "customTime", "acl", "retention"):
        for value in SHAPES:
            body = b"--x\r\n\r\n" + json.dumps({"name": "never", name: value}).encode() + b"\r\n--x\r\n\r\nx\r\n--x--"
            yield http(
                "POST", f"{UPLOAD}?uploadType=multipart&ifGenerationMatch=1", body, kind="multipart/related; boundary=x"
            )
    for value in (None, *SHAPES):
        topic = {"topic": "t", "payload_format": "NONE", "event_types": value}
        yield http("POST", "/storage/v1/b/taxi/notificationConfigs", json.dumps(topic).encode())
        policy = {"bindings": [{"role": "r", "members": value}]}
        yield http("PUT", "/storage/v1/b/taxi-shapes/iam", json.dumps(policy).encode())


def slow_patterns() -> Iterator[bytes]:
    """Yield texts on which a careless regular expression takes minutes."""
    yield http("POST", "/taxi/a?uploadId=x", b"<Part>" * 300_000)
    yield http("POST", "/taxi?delete", b"<Object>" * 200_000)
    yield http("POST", "/taxi?delete", b"<Object><Key>" + b"<Key>" * 300_000 + b"</Object>")
    for value in (
        "bytes=" + " " * 60_000 + "x",
        "bytes" + " " * 60_000 + "x",
        f"bytes=0-{'9' * 6000}",
        f"bytes=-{'9' * 6000}",
    ):
        yield http("GET", "/taxi/a", b"", f"Range: {value}")
    head = (
        b'--x\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: a'
        + b" " * 500_000
        + b"b\r\n\r\nx\r\n--x--"
    )
    yield http("POST", "/taxi", head, kind="multipart/form-data; boundary=x")
    call = b"--x\r\n\r\nGET /storage/v1/b/taxi HTTP/1.1\r\nContent-Length: " + b"9" * 6000 + b"\r\n\r\n\r\n--x--"
    yield http("POST", "/batch/storage/v1", call, kind="multipart/mixed; boundary=x")
    yield http("GET", "/taxi/a?GoogleAccessId=x&Expires=999999999999&Signature=00")


def all_requests() -> list[bytes]:
    """Return all of them."""
    kinds = (
        *(no_http, wrong_lengths, paths, parameters, documents),
        *(bodies_of_parts, uploads_and_signatures, wrong_shapes, slow_patterns),
    )
    return [request for kind in kinds for request in kind()]

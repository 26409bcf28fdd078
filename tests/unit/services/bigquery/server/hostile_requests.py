"""Requests and statements that nobody sends on purpose: malformed, too large, or meant to stop the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.unit.services.gcs.hostile_requests import BOMB, DEEP, HUGE, http, no_http

PROJECT = "/bigquery/v2/projects/p"
QUERIES, JOBS = f"{PROJECT}/queries", f"{PROJECT}/jobs"
TABLE = f"{PROJECT}/datasets/d/tables/t"
UPLOAD = "/upload/bigquery/v2/projects/p/jobs"
WRONG: tuple[object, ...] = (None, [], {}, "x", -1, True, [[]], {"a": {"b": []}}, "\ud800", "\x00", 1e300, HUGE)
"""Values of every kind, for fields that have another."""


def post(path: str, body: object, method: str = "POST") -> bytes:
    """Return a request with a JSON body."""
    return http(method, path, json.dumps(body).encode())


def query(sql: str, **more: Any) -> bytes:
    """Return a request that runs a query."""
    return post(QUERIES, {"query": sql, "useLegacySql": False, "timeoutMs": 60_000, **more})


def wrong_bodies() -> Iterator[bytes]:
    """Yield bodies whose length or packing is wrong, and what is no JSON."""
    head = f"POST {QUERIES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
    yield from (
        head + b"Content-Length: -1\r\n\r\n",
        head + b"Content-Length: 0x5\r\n\r\nhello",
        head + b"Content-Length: " + HUGE.encode() + b"\r\n\r\nhello",
        head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        head + b"Content-Length: 100\r\n\r\nhalf",
        head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello",
        head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        head + b"Transfer-Encoding: nonsense\r\n\r\nhello",
        http("POST", QUERIES, b"no gzip", "Content-Encoding: gzip"),
        http("POST", QUERIES, BOMB[:-20], "Content-Encoding: gzip"),
        http("POST", QUERIES, BOMB * 3, "Content-Encoding: gzip"),
        http("POST", QUERIES, b"{}", kind="text/plain"),
        http("POST", QUERIES, b'{"query": "SELECT 1"}', "Origin: http://evil.example"),
    )
    for body in (b"", b"null", b"[]", b'"x"', b"{", b"\xff", DEEP, b'{"a":' * 50_000, b'{"query": NaN}', b"{}x"):
        yield http("POST", QUERIES, body)
        yield http("POST", JOBS, body)
    yield http("POST", QUERIES, b'{"query": "' + b"x" * 3_000_000 + b'"}')


def paths() -> Iterator[bytes]:
    """Yield names that no dataset, table, job or routine can have, or that try to leave their folder."""
    names = ("..", "%2e%2e%2f%2e%2e%2fescape", "a%00b", "%ff", "%zz", "x" * 3000, "a%0Ab", "'; DROP TABLE t --", "%C3")
    for name in (quote(name, safe="%.") for name in names):
        yield http("GET", f"{PROJECT}/datasets/{name}")
        yield http("GET", f"{PROJECT}/datasets/d/tables/{name}")
        yield http("GET", f"{PROJECT}/datasets/d/tables/{name}/data")
        yield http("DELETE", f"{PROJECT}/datasets/d/tables/{name}")
        yield http("GET", f"{JOBS}/{name}")
        yield http("GET", f"{QUERIES}/{name}")
        yield http("GET", f"{PROJECT}/datasets/d/routines/{name}")
        yield http("GET", f"/bigquery/v2/projects/{name}/datasets")
    for name in ("../escape", "a/b", "a\x00b", "", "x" * 2000, "\ud800", "_script", "INFORMATION_SCHEMA"):
        yield post(f"{PROJECT}/datasets", {"datasetReference": {"datasetId": name}})
        yield post(f"{PROJECT}/datasets/d/tables", {"tableReference": {"tableId": name}})
    for path in ("/", "//", "/backup?x", "/counts", "/prune", "/%2e%2e/etc/passwd", "/wipe", f"{PROJECT}/nothing"):
        yield http("GET", path)
    for days in ("-1", "nan", "inf", "1e400", HUGE, "x", "%D9%A1"):
        yield http("POST", f"/prune?days={days}&dry_run=true", b"{}")


def parameters() -> Iterator[bytes]:
    """Yield values that a parameter of a path cannot have."""
    for value in ("", "x", "-1", HUGE, "1e3", "%D9%A1", "0x10", "1.5", "%ff"):
        yield http("GET", f"{TABLE}/data?maxResults={value}")
        yield http("GET", f"{TABLE}/data?startIndex={value}")
        yield http("GET", f"{TABLE}/data?pageToken={value}")
        yield http("GET", f"{JOBS}?maxResults={value}&minCreationTime={value}")
        yield http("GET", f"{JOBS}?pageToken={value}")
        yield http("GET", f"{PROJECT}/datasets?pageToken={value}")
        yield http("GET", f"{PROJECT}/datasets?filter={value}")
    for fields in ("nope", "x.y.z", "," * 500, "x" * 3000, "%22", "x;"):
        yield http("GET", f"{TABLE}/data?selectedFields={fields}")
    yield http("GET", f"{JOBS}?{'&' * 5000}")
    yield http("GET", f"{JOBS}?stateFilter={'x,' * 500}")


PLACES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("POST", f"{PROJECT}/datasets", "", ("datasetReference", "labels", "access", "defaultTableExpirationMs")),
    ("PATCH", f"{PROJECT}/datasets/d", "", ("labels", "access", "description", "defaultTableExpirationMs")),
    (
        "PATCH", TABLE, "",
        ("schema", "labels", "expirationTime", "timePartitioning", "clustering", "view", "description"),
    ),
    (
        "POST", f"{PROJECT}/datasets/d/tables", "",
        ("tableReference", "schema", "view", "externalDataConfiguration", "timePartitioning", "rangePartitioning"),
    ),
    ("POST", f"{TABLE}/insertAll", "", ("rows", "skipInvalidRows", "templateSuffix", "ignoreUnknownValues")),
    (
        "POST", QUERIES, "",
        ("query", "queryParameters", "defaultDataset", "parameterMode", "maxResults", "timeoutMs", "formatOptions",
         "labels", "connectionProperties", "createSession", "location", "dryRun"),
    ),
    ("POST", JOBS, "", ("configuration", "jobReference")),
    (
        "POST", JOBS, "load",
        ("sourceUris", "schema", "destinationTable", "sourceFormat", "csvOptions", "skipLeadingRows", "encoding",
         "fieldDelimiter", "quote", "writeDisposition", "maxBadRecords", "nullMarker", "schemaUpdateOptions"),
    ),
    ("POST", JOBS, "copy", ("sourceTable", "sourceTables", "destinationTable", "writeDisposition")),
    ("POST", JOBS, "extract", ("sourceTable", "destinationUris", "destinationFormat", "compression")),
    ("POST", JOBS, "query", ("query", "destinationTable", "writeDisposition", "defaultDataset", "queryParameters")),
    ("POST", f"{PROJECT}/datasets/d/routines", "", ("routineReference", "arguments", "returnType", "language")),
)  # fmt: skip
"""Method, path, kind of job, and the fields that get values of other types."""


def documents() -> Iterator[bytes]:
    """Yield documents whose fields have other types."""
    load = {"sourceUris": ["gs://b/x.csv"], "destinationTable": {"datasetId": "d", "tableId": "hostile"}}
    base: dict[str, Any] = {"load": load, "query": {"query": "SELECT 1", "useLegacySql": False}}
    for number, (method, path, kind, fields) in enumerate(PLACES):
        for each, field in enumerate(fields):
            for step in (0, 5):
                value = WRONG[(number + each + step) % len(WRONG)]
                own = {field: value}
                if kind:
                    own = {"configuration": {kind: {**base.get(kind, {}), **own}}}
                elif path == QUERIES:
                    own = {"query": "SELECT 1", "useLegacySql": False, **own}
                yield post(path, own, method)


def query_parameters() -> Iterator[bytes]:
    """Yield parameters that are none of their types."""
    kinds = ("INT64", "FLOAT64", "NUMERIC", "BYTES", "DATE", "TIMESTAMP", "JSON", "BOOL", "RANGE", "nope", "STRUCT")
    for kind in kinds:
        for value in ("", "x", HUGE * 20, "\x00", "1e999999999", "9999-99-99"):
            one = {"name": "a", "parameterType": {"type": kind}, "parameterValue": {"value": value}}
            yield query("SELECT @a", queryParameters=[one])
    deep: dict[str, Any] = {"type": "INT64"}
    for _ in range(500):
        deep = {"type": "ARRAY", "arrayType": deep}
    yield query("SELECT @a", queryParameters=[{"name": "a", "parameterType": deep, "parameterValue": {}}])


def uploads() -> Iterator[bytes]:
    """Yield uploads that are not what they say."""
    related = f"{UPLOAD}?uploadType=multipart"
    part = b"--x\r\nContent-Type: application/json\r\n\r\n"
    for kind in ("text/plain", "multipart/related", f"multipart/related; boundary={'b' * 999}"):
        yield http("POST", related, b"--x\r\n\r\n{}\r\n--x--", kind=kind)
    for body in (b"", b"--x", b"--x--", part, part + b"{}", part + DEEP + b"\r\n--x\r\n\r\nx\r\n--x--", b"\r\n" * 5000):
        yield http("POST", related, body, kind="multipart/related; boundary=x")
    for number in ("", "x", "../../escape", "%00", "a" * 5000):
        yield http("PUT", f"{UPLOAD}?uploadType=resumable&upload_id={number}", b"x", "Content-Range: bytes 0-0/1")
    for ranges in ("", "x", f"bytes 0-{HUGE}/*", "bytes 5-1/3"):
        yield http("PUT", f"{UPLOAD}?uploadType=resumable&upload_id=x", b"x", f"Content-Range: {ranges}")
    yield http("POST", f"{UPLOAD}?uploadType=nonsense", b"{}")


def statements() -> Iterator[bytes]:
    """Yield statements that are malformed, or want what is not theirs; each is answered at once."""
    yield from map(
        query,
        (
            "", ";", "SELECT", "\x00", "SELECT '\ud800'", "SELECT " + "(" * 5000, "SELECT " + "-" * 5001 + "1",
            "SELECT " + "1+" * 3000 + "1", "SELECT " + "NOT " * 3000 + "TRUE", "SELECT [" * 300 + "]" * 300,
            "SELECT * FROM " + "(SELECT * FROM " * 200 + "d.t" + ")" * 200, "SELECT " + "x." * 3000 + "y",
            "WITH " + ", ".join(f"a{n} AS (SELECT 1)" for n in range(2000)) + " SELECT 1", "SELECT 1 AS " + "a" * 9000,
            "SELECT " + ", ".join(f"{n} AS c{n}" for n in range(5000)), "SELECT 'a" + "\\" * 9999, "/*" * 9999,
            "SELECT 1" + " UNION ALL SELECT 1" * 1000, "SELECT CASE" + " WHEN TRUE THEN 1" * 2000 + " END",
            "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM `/etc/passwd`",
            "SELECT getenv('HOME')", "SELECT * FROM duckdb_settings()", "SELECT * FROM pragma_database_list",
            "SELECT * FROM store.main.catalogue", "DELETE FROM store.main.catalogue WHERE TRUE",
            "SELECT * FROM sqlite_master", "SELECT * FROM `d.t; DROP TABLE t`", "COPY d.t TO '/tmp/escape'",
            "ATTACH '/tmp/escape' AS e", "INSTALL httpfs", "LOAD httpfs", "SET memory_limit='99GB'", "PRAGMA version",
            "SELECT * FROM d.`t\" UNION SELECT 1 --`", "SELECT 1 AS `a\" b`", "CREATE TABLE d.`x\"y` (`a\"b` INT64)",
            "EXPORT DATA OPTIONS(uri='/etc/escape-*.csv', format='CSV') AS SELECT 1",
            "EXPORT DATA OPTIONS(uri='gs://../escape-*.csv', format='CSV') AS SELECT 1",
            "LOAD DATA INTO d.l FROM FILES (format='CSV', uris=['/etc/passwd'])",
            "LOAD DATA INTO d.l FROM FILES (format='CSV', uris=['gs://../../etc/passwd'])",
            "CREATE EXTERNAL TABLE d.e OPTIONS(format='CSV', uris=['gs://b/../../../etc/passwd'])",
            "CREATE FUNCTION d.loop(x INT64) AS (d.loop(x))", "SELECT d.loop(1)",
            "CREATE VIEW d.itself AS SELECT * FROM d.itself", "EXECUTE IMMEDIATE 'EXECUTE IMMEDIATE \"SELECT 1\"'",
            "CREATE PROCEDURE d.again() BEGIN CALL d.again(); END", "CALL d.again()", "CALL BQ.ABORT_SESSION('x')",
            "SELECT REPEAT('a', 2000000000)", "SELECT RPAD('a', 2000000000)", "SELECT LENGTH(LPAD('a', 9000000000))",
            "SELECT GENERATE_ARRAY(1, 1000000000)", "SELECT GENERATE_DATE_ARRAY('0001-01-01', '9999-12-31')",
            "SELECT RANGE_BUCKET(1, GENERATE_ARRAY(1, 100000000))", "SELECT REPEAT(REPEAT('a', 1000000), 1000000)",
            "SELECT FORMAT('%1000000000d', 1)", "SELECT FORMAT('%.*f', 1000000000, 1.5)", "SELECT 1 << 9000000000",
            "SELECT REGEXP_CONTAINS(REPEAT('a', 90000), '(a*)*b')", "SELECT REGEXP_REPLACE('a', '((a{999}){999})', '')",
            "SELECT PARSE_JSON(REPEAT('[', 100000))", "SELECT POW(10, 400)", "SELECT 9223372036854775807 + 1",
            "SELECT CAST(REPEAT('9', 100000) AS INT64)", "SELECT SAFE_CAST(REPEAT('9', 100000) AS NUMERIC)",
        ),
    )  # fmt: skip


ENDLESS = (
    "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 15000)) a, UNNEST(GENERATE_ARRAY(1, 15000)) b, "
    "UNNEST(GENERATE_ARRAY(1, 15000)) c WHERE MOD(a * b * c, 7) = 9",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + (SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 15000)) a, "
    "UNNEST(GENERATE_ARRAY(1, 15000)) b WHERE MOD(a * b * n, 7) = 9) FROM r) SELECT COUNT(*) FROM r",
    "CREATE TEMP FUNCTION f() RETURNS STRING LANGUAGE js AS 'while (true) {}'; SELECT f()",
    "WHILE TRUE DO SELECT 1; END WHILE",
)
"""What would never end."""
HUNGRY = (
    "SELECT REPEAT('a', 1000000) || CAST(n AS STRING) AS x FROM UNNEST(GENERATE_ARRAY(1, 15000)) n",
    "SELECT STRING_AGG(REPEAT('a', 1000000)) FROM UNNEST(GENERATE_ARRAY(1, 15000)) n",
    "SELECT ARRAY_AGG(a || CAST(b AS STRING)) FROM UNNEST(GENERATE_ARRAY(1, 15000)) b, "
    "UNNEST([REPEAT('a', 1000), REPEAT('b', 1000)]) a, UNNEST(GENERATE_ARRAY(1, 1000)) c",
    "SELECT a, b, c FROM UNNEST(GENERATE_ARRAY(1, 15000)) a, UNNEST(GENERATE_ARRAY(1, 15000)) b, "
    "UNNEST(GENERATE_ARRAY(1, 15000)) c ORDER BY c, b, a",
    "CREATE TEMP FUNCTION f() RETURNS STRING LANGUAGE js AS "
    "'const a = []; while (true) a.push(new Array(100000).fill(1))'; SELECT f()",
    "CREATE TEMP FUNCTION f(n FLOAT64) RETURNS STRING LANGUAGE js AS 'return \"x\".repeat(n)'; SELECT f(500000000)",
    "DECLARE s STRING DEFAULT 'x'; WHILE TRUE DO SET s = s || s; END WHILE",
)
"""What would take all memory."""


def all_requests() -> list[bytes]:
    """Return all that is answered at once."""
    kinds = (no_http, wrong_bodies, paths, parameters, documents, query_parameters, uploads, statements)
    return [request for kind in kinds for request in kind()]

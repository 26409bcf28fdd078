"""What a client may send to BigQuery to get at files of the machine: each must be refused, in both runtimes."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

OUTSIDE = "/etc/passwd"
"""A file that every user can read."""
QUERIES = (
    f"SELECT content FROM read_text('{OUTSIDE}')",
    f"SELECT content FROM `read_text`('{OUTSIDE}')",
    f"SELECT content FROM main.read_text('{OUTSIDE}')",
    f"SELECT (SELECT content FROM read_blob('{OUTSIDE}')) AS content",
    f"SELECT * FROM read_csv('{OUTSIDE}')",
    f"SELECT * FROM read_json_auto('{OUTSIDE}')",
    f"SELECT * FROM parquet_metadata('{OUTSIDE}')",
    f"SELECT * FROM sniff_csv('{OUTSIDE}')",
    f"SELECT * FROM st_read('{OUTSIDE}')",
    f'SELECT * FROM st_read(\'<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>{OUTSIDE}</SrcDataSource>'
    "</OGRVRTLayer></OGRVRTDataSource>')",
    f"SELECT * FROM `{OUTSIDE}`",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM glob('../../*')",
    f"SELECT * FROM query(\"SELECT content FROM read_text('{OUTSIDE}')\")",
    f"SELECT * FROM json_execute_serialized_sql(json_serialize_sql(\"SELECT content FROM read_text('{OUTSIDE}')\"))",
    f"SELECT content FROM read_text('../gcs/.cloudstorage/../../../../../../../..{OUTSIDE}')",
    "SELECT content FROM read_text('../../gcp-key.json')",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    "SELECT * FROM read_parquet('s3://bucket/x')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('secret_directory')",
    "SELECT * FROM duckdb_settings()",
    f"CREATE OR REPLACE TABLE trips_data_all.stolen AS SELECT content FROM read_text('{OUTSIDE}')",
    f"CREATE OR REPLACE VIEW trips_data_all.stolen AS SELECT content FROM read_text('{OUTSIDE}')",
    f"CREATE OR REPLACE FUNCTION trips_data_all.stolen() AS ((SELECT content FROM read_text('{OUTSIDE}')))",
    f"CREATE OR REPLACE EXTERNAL TABLE trips_data_all.stolen OPTIONS (format = 'CSV', uris = ['gs://../../..{OUTSIDE}'])",
    f"CREATE OR REPLACE EXTERNAL TABLE trips_data_all.stolen OPTIONS (format='CSV', uris=['gs://b/../../../..{OUTSIDE}'])",
    f"DECLARE x STRING; SET x = (SELECT content FROM read_text('{OUTSIDE}')); SELECT x",
    f"EXECUTE IMMEDIATE \"SELECT content FROM read_text('{OUTSIDE}')\"",
    "COPY (SELECT 1) TO '/tmp/orionbox-stolen.csv'",
    "COPY (SELECT 1) TO './orionbox-stolen.csv'",
    "COPY (SELECT 1) TO '../gcs/.cloudstorage/orionbox-stolen.csv'",
    "EXECUTE IMMEDIATE \"COPY (SELECT 1) TO '/tmp/orionbox-stolen.csv'\"",
    "EXPORT DATA OPTIONS (uri='gs://../../../../../tmp/orionbox-stolen-*.csv', format='CSV') AS SELECT 1 AS a",
    "EXPORT DATA OPTIONS (uri='/tmp/orionbox-stolen-*.csv', format='CSV') AS SELECT 1 AS a",
    "EXPORT DATA OPTIONS (uri='file:///tmp/orionbox-stolen-*.csv', format='CSV') AS SELECT 1 AS a",
    "EXPORT DATABASE '/tmp/orionbox-stolen'",
    "IMPORT DATABASE '/tmp/orionbox-stolen'",
    "ATTACH '/tmp/orionbox-stolen.db' AS stolen",
    "ATTACH './orionbox-stolen.db' AS stolen",
    "CREATE SCHEMA `../../../../../../../tmp/orionbox-stolen`.d",
    "CREATE SCHEMA `x' AS a (DATA_PATH '/tmp/'); ATTACH '/tmp/orionbox-stolen.db' AS b; --`.d",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '/tmp/orionbox-stolen.duckdb_extension'",
    "PRAGMA database_list",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET enable_external_access",
    "CREATE SECRET stolen (TYPE s3)",
    "CREATE MACRO stolen() AS TABLE SELECT * FROM read_text('/etc/passwd')",
    "CALL enable_logging()",
    "SELECT * FROM enable_logging('QueryLog', storage := 'file')",
    "CREATE TEMP FUNCTION f() RETURNS STRING LANGUAGE js AS 'return require(\"fs\")'; SELECT f()",
    "CREATE TEMP FUNCTION f() RETURNS STRING LANGUAGE js AS 'return fetch(\"http://127.0.0.1:9/\")'; SELECT f()",
    "SELECT * FROM EXTERNAL_QUERY('us.default', 'SELECT 1')",
)
"""SQL of a query job."""
SOURCES = (
    f"file://{OUTSIDE}",
    OUTSIDE,
    f"gs://../../../../../../../..{OUTSIDE}",
    f"gs://b/../../../../../../../../..{OUTSIDE}",
    "http://127.0.0.1:9/x.csv",
    "../../gcp-key.json",
)
"""Addresses of a load job."""
TARGETS = ("file:///tmp/orionbox-stolen.csv", "/tmp/orionbox-stolen.csv", "gs://../../../../../tmp/orionbox-stolen.csv")
"""Addresses of an extract job."""


def refusal(address: str, configuration: dict[str, Any]) -> str:
    """Runs a job; returns why BigQuery refused it.

    Args:
        address: BigQuery's, such as `http://127.0.0.1:9050`.
        configuration: the job's, as in its REST API.

    Raises:
        AssertionError: it was not refused.
    """
    body = json.dumps({"configuration": configuration}).encode()
    url = f"{address}/bigquery/v2/projects/orionbox-local/jobs"
    try:
        job = _ask(urllib.request.Request(url, body, {"Content-Type": "application/json"}))
        name = job["jobReference"]["jobId"]
        while job["status"]["state"] != "DONE":
            _ask(
                urllib.request.Request(f"{address}/bigquery/v2/projects/orionbox-local/queries/{name}?timeoutMs=10000")
            )
            job = _ask(urllib.request.Request(f"{url}/{name}"))
    except urllib.error.HTTPError as error:
        assert error.code < 500, error.read()
        return str(json.loads(error.read())["error"]["message"])
    assert "errorResult" in job["status"], f"not refused: {configuration}"
    return str(job["status"]["errorResult"]["message"])


def _ask(request: urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=60) as response:
        return dict(json.load(response))


def query(sql: str) -> dict[str, Any]:
    """Returns the configuration of a query job."""
    return {"query": {"query": sql, "useLegacySql": False}}


def load(uri: str) -> dict[str, Any]:
    """Returns the configuration of a job that loads an object."""
    table = {"projectId": "orionbox-local", "datasetId": "trips_data_all", "tableId": "stolen"}
    return {"load": {"sourceUris": [uri], "destinationTable": table, "sourceFormat": "CSV", "autodetect": True}}


def extract(uri: str) -> dict[str, Any]:
    """Returns the configuration of a job that writes the zones to an object."""
    table = {"projectId": "orionbox-local", "datasetId": "trips_data_all", "tableId": "yellow_tripdata"}
    return {"extract": {"destinationUris": [uri], "sourceTable": table}}


JOBS = (*map(query, QUERIES), *map(load, SOURCES), *map(extract, TARGETS))
"""The configurations of all these jobs."""

"""The Storage API's reads, by gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pyarrow as pa
import pytest

from services.bigquery.storage_api import messages
from tests.unit.services.bigquery.server.conftest import Warehouse


@pytest.fixture
def channel(warehouse: Warehouse) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(warehouse.server.grpc) as channel:
        yield channel


def session_of(channel: grpc.Channel, table: str, **options: Any) -> Any:
    call = channel.unary_unary(
        f"/{messages.SERVICE}/CreateReadSession",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=messages.ReadSession.FromString,
    )
    request = messages.CreateReadSessionRequest(parent="projects/test-project")
    request.read_session.table, request.read_session.data_format = table, messages.ARROW
    request.read_session.read_options.selected_fields.extend(options.get("fields", ()))
    request.read_session.read_options.row_restriction = options.get("where", "")
    return call(request)


def rows_of(channel: grpc.Channel, session: Any, offset: int = 0) -> list[dict[str, Any]]:
    call = channel.unary_stream(
        f"/{messages.SERVICE}/ReadRows",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=messages.ReadRowsResponse.FromString,
    )
    schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
    found = []
    for stream in session.streams:
        for answer in call(messages.ReadRowsRequest(read_stream=stream.name, offset=offset)):
            buffer = pa.py_buffer(answer.arrow_record_batch.serialized_record_batch)
            found += pa.ipc.read_record_batch(buffer, schema).to_pylist()
    return found


def test_a_table_is_read_as_arrow(warehouse: Warehouse, channel: grpc.Channel) -> None:
    warehouse.rows(
        "CREATE TABLE t AS SELECT a, [STRUCT(a AS x, 'y' AS y)] AS r, CAST(a AS BIGNUMERIC) / 4 AS n "
        "FROM UNNEST([1, 2, 3]) AS a"
    )
    table = f"projects/test-project/datasets/{warehouse.dataset}/tables/t"
    session = session_of(channel, table)
    assert session.estimated_row_count == 3
    found = sorted(rows_of(channel, session), key=lambda row: row["a"])
    assert [(row["a"], row["r"], str(row["n"]).rstrip("0")) for row in found] == [
        (1, [{"x": 1, "y": "y"}], "0.25"),
        (2, [{"x": 2, "y": "y"}], "0.5"),
        (3, [{"x": 3, "y": "y"}], "0.75"),
    ]
    assert len(rows_of(channel, session, offset=2)) == 1
    assert rows_of(channel, session_of(channel, table, fields=["a"], where="a = 2")) == [{"a": 2}]


def test_a_result_is_read_by_its_table(warehouse: Warehouse, channel: grpc.Channel) -> None:
    job = warehouse.client.query("SELECT 1 AS a")
    job.result()
    to = job.destination
    name = f"projects/{to.project}/datasets/{to.dataset_id}/tables/{to.table_id}"
    assert rows_of(channel, session_of(channel, name)) == [{"a": 1}]


def test_a_table_that_is_not_there_is_an_error_of_grpc(warehouse: Warehouse, channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        session_of(channel, f"projects/test-project/datasets/{warehouse.dataset}/tables/nothing")
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


def test_arrow_columns_say_which_types_they_are_of(warehouse: Warehouse, channel: grpc.Channel) -> None:
    warehouse.rows("CREATE TABLE t (d DATETIME, j JSON, g GEOGRAPHY, n INT64)")
    session = session_of(channel, f"projects/test-project/datasets/{warehouse.dataset}/tables/t")
    schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
    marks = [(field.metadata or {}).get(b"ARROW:extension:name") for field in schema]
    assert marks == [b"google:sqlType:datetime", b"google:sqlType:json", b"google:sqlType:geography", None]

"""The Storage API's gRPC service for reads (`BigQueryRead`): Arrow only, one stream a session."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pyarrow as pa

from services.bigquery.errors import BigQueryError
from services.bigquery.storage_api import messages
from services.bigquery.storage_api.sessions import KEPT_SECONDS, Session, Sessions

THREADS = 32
"""Calls at the same time; a client that reads slowly keeps one."""
_STREAM = "/streams/0"
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    501: grpc.StatusCode.UNIMPLEMENTED,
}


class ReadService:
    """Answers the service's three methods.

    Args:
        sessions: Of the server.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def create_session(self, request: Any, context: Any) -> Any:
        """CreateReadSession."""
        asked = request.read_session
        if asked.data_format not in (0, messages.ARROW):
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "Orionbox does not support the Storage API's format AVRO yet")
        options = asked.read_options
        session = self._asked(
            context, lambda: self._sessions.create(asked.table, options.selected_fields, options.row_restriction)
        )
        answer = messages.ReadSession(name=session.name, data_format=messages.ARROW, table=asked.table)
        answer.expire_time.seconds = int(time.time() + KEPT_SECONDS)
        answer.arrow_schema.serialized_schema = session.schema.serialize().to_pybytes()
        answer.read_options.CopyFrom(options)
        answer.estimated_row_count, answer.estimated_total_bytes_scanned = session.rows, session.bytes
        if session.rows:
            answer.streams.add(name=f"{session.name}{_STREAM}")
        return answer

    def read_rows(self, request: Any, context: Any) -> Iterator[Any]:
        """ReadRows."""
        session = self._asked(context, lambda: self._sessions.get(request.read_stream.removesuffix(_STREAM)))
        is_first = True
        for batch in _batches(session, request.offset):
            answer = messages.ReadRowsResponse(row_count=batch.num_rows)
            answer.arrow_record_batch.serialized_record_batch = batch.serialize().to_pybytes()
            answer.arrow_record_batch.row_count = batch.num_rows
            if is_first:
                answer.arrow_schema.serialized_schema = session.schema.serialize().to_pybytes()
            is_first = False
            yield answer

    def split_stream(self, request: Any, context: Any) -> Any:
        """SplitReadStream: a stream that cannot be split answers with nothing."""
        return messages.SplitReadStreamResponse()

    def _asked(self, context: Any, ask: Callable[[], Session]) -> Session:
        try:
            return ask()
        except BigQueryError as error:
            context.abort(_CODES.get(error.status, grpc.StatusCode.INTERNAL), error.message)
        raise AssertionError


def _batches(session: Session, offset: int) -> Iterator[Any]:
    with pa.memory_map(str(session.file)) as source:
        reader = pa.ipc.open_file(source)
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            if offset >= batch.num_rows:
                offset -= batch.num_rows
                continue
            yield batch.slice(offset)
            offset = 0


def serve(sessions: Sessions, address: str) -> Any:
    """Starts the server; `stop` ends it.

    Args:
        sessions: Of the server.
        address: HOST:PORT.

    Raises:
        RuntimeError: The port is in use.
    """
    service = ReadService(sessions)
    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    handlers = {
        "CreateReadSession": _handler(unary, service.create_session, messages.CreateReadSessionRequest),
        "ReadRows": _handler(stream, service.read_rows, messages.ReadRowsRequest),
        "SplitReadStream": _handler(unary, service.split_stream, messages.SplitReadStreamRequest),
    }
    # By default two servers share a port, and each gets some of the calls
    options = [("grpc.so_reuseport", 0), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(THREADS, "storage-api"), options=options)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(messages.SERVICE, handlers)])
    server.add_insecure_port(address)
    server.start()
    return server


def _handler(kind: Any, method: Any, request: Any) -> Any:
    return kind(
        method, request_deserializer=request.FromString, response_serializer=lambda message: message.SerializeToString()
    )

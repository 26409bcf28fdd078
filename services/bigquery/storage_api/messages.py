"""The messages of the Storage API that reads need, with Google's field numbers.

https://cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1. Google's package has them
as well, but importing it takes seconds and 75 MB, for clients that no server needs.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

PACKAGE = "google.cloud.bigquery.storage.v1"
SERVICE = f"{PACKAGE}.BigQueryRead"
_KIND = descriptor_pb2.FieldDescriptorProto
_TYPES = {"string": _KIND.TYPE_STRING, "bytes": _KIND.TYPE_BYTES, "int64": _KIND.TYPE_INT64, "int32": _KIND.TYPE_INT32}
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "ArrowSchema": {"serialized_schema": (1, "bytes")},
    "ArrowRecordBatch": {"serialized_record_batch": (1, "bytes"), "row_count": (2, "int64")},
    "TableReadOptions": {
        "selected_fields": (1, "string*"),
        "row_restriction": (2, "string"),
    },
    "ReadStream": {"name": (1, "string")},
    "ReadSession": {
        "name": (1, "string"),
        "expire_time": (2, ".google.protobuf.Timestamp"),
        "data_format": (3, "int32"),
        "arrow_schema": (5, "ArrowSchema"),
        "table": (6, "string"),
        "read_options": (8, "TableReadOptions"),
        "streams": (10, "ReadStream*"),
        "estimated_total_bytes_scanned": (12, "int64"),
        "estimated_row_count": (14, "int64"),
    },
    "CreateReadSessionRequest": {
        "parent": (1, "string"),
        "read_session": (2, "ReadSession"),
        "max_stream_count": (3, "int32"),
    },
    "ReadRowsRequest": {"read_stream": (1, "string"), "offset": (2, "int64")},
    "ReadRowsResponse": {
        "arrow_record_batch": (4, "ArrowRecordBatch"),
        "row_count": (6, "int64"),
        "arrow_schema": (8, "ArrowSchema"),
    },
    "SplitReadStreamRequest": {"name": (1, "string")},
    "SplitReadStreamResponse": {"primary_stream": (1, "ReadStream"), "remainder_stream": (2, "ReadStream")},
}
ARROW = 2
"""The number of DataFormat ARROW; AVRO is 1."""


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="orionbox/storage.proto", package=PACKAGE, syntax="proto3")
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            one = message.field.add(name=field, number=number)
            one.label = _KIND.LABEL_REPEATED if kind.endswith("*") else _KIND.LABEL_OPTIONAL
            kind = kind.removesuffix("*")
            if kind in _TYPES:
                one.type = _TYPES[kind]
            else:
                one.type, one.type_name = _KIND.TYPE_MESSAGE, kind if kind[0] == "." else f".{PACKAGE}.{kind}"
    return file


_POOL = descriptor_pool.DescriptorPool()
_POOL.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
_POOL.AddSerializedFile(_file().SerializeToString())


def message(name: str) -> Any:
    """A message's class."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


CreateReadSessionRequest = message("CreateReadSessionRequest")
ReadSession = message("ReadSession")
ReadRowsRequest = message("ReadRowsRequest")
ReadRowsResponse = message("ReadRowsResponse")
SplitReadStreamRequest = message("SplitReadStreamRequest")
SplitReadStreamResponse = message("SplitReadStreamResponse")

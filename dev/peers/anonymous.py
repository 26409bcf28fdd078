"""A plugin of pytest for suites of BigQuery clients: they have no credential, and read rows over gRPC from this server.

The clients take the address of REST from BIGQUERY_EMULATOR_HOST by themselves. They have no such variable for gRPC.
"""

from __future__ import annotations

import os
from typing import Any

import google.auth
import google.auth._default
import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

_original = BigQueryReadClient.__init__


def _default(*_: Any, **__: Any) -> tuple[Any, str]:
    return AnonymousCredentials(), "peers"  # type: ignore[no-untyped-call]


def _init(self: Any, **_: Any) -> None:
    channel = grpc.insecure_channel(os.environ["BIGQUERY_STORAGE_ADDRESS"])
    _original(self, transport=BigQueryReadGrpcTransport(channel=channel))


google.auth.default = google.auth._default.default = _default
BigQueryReadClient.__init__ = _init

"""Makes flow runs retry while Orion restarts. Prefect itself only retries while Orion is slow.

Prefect gives up at the first refused connection, and at an error 500, which Orion sends while its database is gone for
a moment. How long a run waits is Prefect's own setting: with PREFECT_CLIENT_MAX_RETRIES=5, about a minute.

compose/flow.env names this module in PREFECT_EXTRA_ENTRYPOINTS, so Prefect imports it as the last step of its own
import.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

import httpx
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient

DATABASE_GONE = 500


def with_more_retries(send: Callable[..., Any]) -> Callable[..., Any]:
    """Makes the client's `_send_with_retry` repeat a request after further errors."""

    @wraps(send)
    def send_with_more_retries(
        *args: Any,
        retry_codes: Collection[int] = (),
        retry_exceptions: Collection[type[Exception]] = (),
        **options: Any,
    ) -> Any:
        codes, exceptions = {*retry_codes, DATABASE_GONE}, (*retry_exceptions, httpx.ConnectError)
        return send(*args, retry_codes=codes, retry_exceptions=exceptions, **options)

    return send_with_more_retries


def install() -> None:
    """Makes the clients of a flow run and of the bootstrap retry. Commands typed in a shell still fail at once."""
    if "PREFECT__FLOW_RUN_ID" in os.environ or "READY_NOTE" in os.environ:
        for client in (PrefectHttpxAsyncClient, PrefectHttpxSyncClient):
            client._send_with_retry = with_more_retries(client._send_with_retry)

"""Lets a flow run wait for an Orion that is just being started again, as Prefect lets it wait for one that is slow.

By itself it gives up at the first connection that is refused, and at an error 500, as Orion answers whose database is
gone for a moment. How long it waits is Prefect's own setting: with PREFECT_CLIENT_MAX_RETRIES=5, a minute or so.

PREFECT_EXTRA_ENTRYPOINTS in compose/flow.env names this module: Prefect imports it as the last step of its own import.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

import httpx
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient

DATABASE_GONE = 500


def patient(send: Callable[..., Any]) -> Callable[..., Any]:
    """The client's `_send_with_retry`, or what has its parameters, with more to try again."""

    @wraps(send)
    def send_patiently(
        *args: Any,
        retry_codes: Collection[int] = (),
        retry_exceptions: Collection[type[Exception]] = (),
        **options: Any,
    ) -> Any:
        codes, exceptions = {*retry_codes, DATABASE_GONE}, (*retry_exceptions, httpx.ConnectError)
        return send(*args, retry_codes=codes, retry_exceptions=exceptions, **options)

    return send_patiently


def install() -> None:
    """Makes the clients patient, in a flow run; people at a prompt are to learn at once that there is no Orion."""
    if "PREFECT__FLOW_RUN_ID" in os.environ:
        for client in (PrefectHttpxAsyncClient, PrefectHttpxSyncClient):
            client._send_with_retry = patient(client._send_with_retry)

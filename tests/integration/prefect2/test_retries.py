"""A flow run's client retries while Orion is down for a moment."""

from __future__ import annotations

import asyncio
import warnings

import httpx
import pytest

with warnings.catch_warnings():
    # Prefect's own imports warn
    warnings.simplefilter("ignore")
    from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, PREFECT_CLIENT_RETRY_JITTER_FACTOR, temporary_settings

    from orionbox.prefect2 import retries


class Orion(httpx.AsyncBaseTransport):
    """Refuses the first connection, loses its database at the second, and then answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.asked == 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(500 if self.asked == 2 else 200, json={}, request=request)


def answer(orion: Orion) -> int:
    async def ask() -> int:
        async with PrefectHttpxAsyncClient(transport=orion, base_url="http://orion") as client:
            return int((await client.get("/")).status_code)

    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 2, PREFECT_CLIENT_RETRY_JITTER_FACTOR: 0}):
        return asyncio.run(ask())


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(seconds: float) -> None:
        pass

    monkeypatch.setattr("anyio.sleep", at_once)


def test_a_flow_run_waits_for_orion(monkeypatch: pytest.MonkeyPatch) -> None:
    send = PrefectHttpxAsyncClient._send_with_retry
    monkeypatch.setattr(PrefectHttpxAsyncClient, "_send_with_retry", retries.with_more_retries(send))
    orion = Orion()
    assert (answer(orion), orion.asked) == (200, 3)


def test_by_itself_prefect_gives_up_at_the_first_connection_that_is_refused() -> None:
    with pytest.raises(httpx.ConnectError):
        answer(Orion())


@pytest.mark.parametrize("variable", ["PREFECT__FLOW_RUN_ID", "READY_NOTE"])
def test_flow_runs_and_the_bootstrap_retry(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = (PrefectHttpxAsyncClient, PrefectHttpxSyncClient)
    before = [client._send_with_retry for client in clients]
    for client in clients:
        monkeypatch.setattr(client, "_send_with_retry", client._send_with_retry)  # put back afterwards
    monkeypatch.setenv(variable, "x")
    retries.install()
    assert not any(client._send_with_retry is own for client, own in zip(clients, before, strict=True))


def test_at_a_prompt_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PREFECT__FLOW_RUN_ID", "READY_NOTE"):
        monkeypatch.delenv(variable, raising=False)
    before = PrefectHttpxAsyncClient._send_with_retry
    retries.install()
    assert PrefectHttpxAsyncClient._send_with_retry is before

"""Proxies the agent's calls to Docker if the policy allows them, and streams the answers back."""

import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, UnixConnector, web
from routes import Allowed, check_ours, decide, with_full_ids
from rules import Json, Policy, Refused

PORT = 2375
BODY_LIMIT = 1024**2  # bytes
REASON_LIMIT = 500  # characters; the reason may quote the request
SOCKET = "/var/run/docker.sock"
POLICY = web.AppKey("policy", Policy)
ENGINE = web.AppKey("engine", ClientSession)
# Response headers to forward; the others describe the engine's connection
HEADERS = ("Content-Type", "Content-Length", "Api-Version", "Docker-Experimental", "Ostype")

log = logging.getLogger("docker-proxy")


async def handle(request: web.Request) -> web.StreamResponse:
    """Answer one request: 403 if the policy refuses it, 502 if Docker does not answer."""
    try:
        return await forward(request)
    except Refused as refusal:
        reason = str(refusal)[:REASON_LIMIT]
        # %r: a client must not be able to forge log lines
        log.warning("refused %s %r from %s: %r", request.method, request.raw_path, request.remote, reason)
        return message(403, f"docker-proxy: refused: {reason}")
    except (ClientError, OSError) as error:
        log.error("engine unreachable: %s", error)
        return message(502, f"docker-proxy: the Docker engine does not answer at {SOCKET}: {error}")


async def forward(request: web.Request) -> web.StreamResponse:
    """Decide, check that the container and network belong to this platform, make the call."""
    policy, engine = request.app[POLICY], request.app[ENGINE]
    call = decide(request.method, request.raw_path, await body(request), policy)
    ids = {}
    for kind, name in call.refs.items():
        async with send(engine, Allowed("GET", f"/{kind}s/{name}" + "/json" * (kind == "container"))) as found:
            if found.status != 200:
                return await relay(request, found)
            ids[kind] = check_ours(kind, await found.json(), policy)
    async with send(engine, with_full_ids(call, ids)) as answer:
        return await relay(request, answer)


async def body(request: web.Request) -> bytes:
    """Read the request's body. Raises Refused if it is larger than BODY_LIMIT."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(f"the body is larger than {BODY_LIMIT} bytes") from None


async def relay(request: web.Request, answer: ClientResponse) -> web.StreamResponse:
    """Stream the engine's answer to the client, each piece at once: logs are followed live."""
    headers = {name: answer.headers[name] for name in HEADERS if name in answer.headers}
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
    except (ClientError, OSError) as error:
        # The status is sent already: only a cut connection can show that the answer is incomplete
        log.error("answer to %s %r cut short: %s", request.method, request.raw_path, error)
        if request.transport:
            request.transport.abort()
    return response


def send(engine: ClientSession, call: Allowed) -> AbstractAsyncContextManager[ClientResponse]:
    """Make the call that the policy has built."""
    data = None if call.body is None else json.dumps(call.body)
    headers = {} if data is None else {"Content-Type": "application/json"}
    return engine.request(call.method, call.target, data=data, headers=headers)


def message(status: int, text: str) -> web.Response:
    """Return an error in the engine's format: docker-py shows the text to the user."""
    answer: Json = {"message": text}
    return web.json_response(answer, status=status)


async def connect_engine(app: web.Application) -> AsyncIterator[None]:
    """Keep a session with the engine while the application is running."""
    # A run's logs and its wait last as long as the run: no limit on time or on their number
    timeout = ClientTimeout(total=None, sock_connect=5)
    connector = UnixConnector(SOCKET, limit=0, force_close=True)
    async with ClientSession("http://docker", connector=connector, timeout=timeout, auto_decompress=False) as session:
        app[ENGINE] = session
        yield


def main() -> None:
    """Serve until stopped."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    app = web.Application(client_max_size=BODY_LIMIT)
    try:
        app[POLICY] = Policy.from_env(os.environ)
    except ValueError as error:
        sys.exit(f"docker-proxy: {error}")
    app.cleanup_ctx.append(connect_engine)
    app.router.add_route("*", "/{path:.*}", handle)
    log.info("listening on %d with %s", PORT, app[POLICY])
    # A client that goes away while it follows logs ends the engine's stream as well
    web.run_app(app, port=PORT, print=None, access_log=None, handler_cancellation=True, shutdown_timeout=1)


if __name__ == "__main__":
    main()

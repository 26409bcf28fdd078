"""Proxies the agent's calls to Docker if the policy allows them, and streams the answers back."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections import Counter, defaultdict
from contextlib import AbstractAsyncContextManager

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, UnixConnector, web
from routes import Allowed, check_ours, check_room, decide, list_all_runs, takes_body, with_full_ids
from rules import Json, Policy, Refused

PORT = 2375
BODY_LIMIT = 128 * 1024  # bytes; Prefect's are below 10 KB
BODY_SECONDS = 20  # for all of a body to arrive
BODIES = 2  # at a time from one address: what a body becomes in memory may be fifty times its size
CONNECTIONS = 100  # at a time from one address; a run needs one, which follows its log
IDLE_SECONDS = 75  # after which a connection without a whole request is closed
REASON_LIMIT = 500  # characters; the reason may quote the request
SOCKET = "/var/run/docker.sock"
# Response headers to forward; the others describe the engine's connection
HEADERS = ("Content-Type", "Content-Length", "Api-Version", "Docker-Experimental", "Ostype")

log = logging.getLogger("docker-proxy")


class Proxy:
    """Answers the calls of one platform's programs.

    `engine` is the session with the Docker engine.
    """

    def __init__(self, policy: Policy, engine: ClientSession) -> None:
        self.policy, self.engine = policy, engine
        self._bodies: defaultdict[str | None, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(BODIES))
        # Between the count of the containers and the creation of one more
        self._creating = asyncio.Lock()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request: 403 if the policy refuses it, 502 if Docker does not answer."""
        try:
            if not takes_body(request.method, request.raw_path):
                return await self._forward(request, b"")
            async with self._bodies[request.remote]:
                return await self._forward(request, await body(request))
        except Refused as refusal:
            reason = str(refusal)[:REASON_LIMIT]
            # %r: a client must not be able to forge log lines
            log.warning("refused %s %r from %s: %r", request.method, request.raw_path, request.remote, reason)
            return message(403, f"docker-proxy: refused: {reason}")
        except (ClientError, OSError) as error:
            log.error("engine unreachable: %s", error)
            return message(502, f"docker-proxy: the Docker engine does not answer at {SOCKET}: {error}")

    async def _forward(self, request: web.BaseRequest, raw: bytes) -> web.StreamResponse:
        """Decide, check that the container and network belong to this platform, make the call."""
        call = decide(request.method, request.raw_path, raw, self.policy)
        for note in call.notes:
            log.warning("changed %s %r from %s: %r", request.method, request.raw_path, request.remote, note)
        if call.creates:
            return await self._create(request, call)
        ids = {}
        for kind, name in call.refs.items():
            async with self._send(Allowed("GET", f"/{kind}s/{name}" + "/json" * (kind == "container"))) as found:
                if found.status != 200:
                    return await relay(request, found)
                ids[kind] = check_ours(kind, await found.json(), self.policy)
        async with self._send(with_full_ids(call, ids)) as answer:
            return await relay(request, answer)

    async def _create(self, request: web.BaseRequest, call: Allowed) -> web.StreamResponse:
        """Create a container, unless there are too many."""
        async with self._creating:
            async with self._send(list_all_runs(self.policy)) as listed:
                if listed.status != 200:
                    return await relay(request, listed)
                check_room(await listed.json(), call.body or {})
            async with self._send(call) as answer:
                return await relay(request, answer)

    def _send(self, call: Allowed) -> AbstractAsyncContextManager[ClientResponse]:
        """Make the call that the policy has built."""
        data = None if call.body is None else json.dumps(call.body)
        headers = {} if data is None else {"Content-Type": "application/json"}
        return self.engine.request(call.method, call.target, data=data, headers=headers)


class Server(web.Server):
    """aiohttp's server, with a limit of connections for each address.

    What it runs out of, it takes from others: memory from the whole proxy, connections from the agent.
    """

    def __init__(self, proxy: Proxy) -> None:
        # A client that goes away while it follows logs ends the engine's stream as well
        super().__init__(proxy.handle, handler_cancellation=True, keepalive_timeout=IDLE_SECONDS, access_log=None)
        self._hosts: dict[web.RequestHandler, str] = {}
        self._count: Counter[str] = Counter()

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count the connection; close it if its address has too many."""
        super().connection_made(handler, transport)
        host = self._hosts[handler] = transport.get_extra_info("peername")[0]
        self._count[host] += 1
        if self._count[host] == CONNECTIONS + 1:  # so that the log has no line for each of thousands
            log.warning("%s has %d connections: closing all that it opens beyond them", host, CONNECTIONS)
        if self._count[host] > CONNECTIONS:
            transport.abort()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget the connection."""
        super().connection_lost(handler, exc)
        self._count[self._hosts.pop(handler)] -= 1


async def body(request: web.BaseRequest) -> bytes:
    """Read the request's body. Raises Refused if it is too large, too slow or compressed."""
    if "Content-Encoding" in request.headers:
        raise Refused("the body is compressed")
    read = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.content.iter_any():
                read += piece
                if len(read) > BODY_LIMIT:
                    raise Refused(f"the body is larger than {BODY_LIMIT} bytes")
    except TimeoutError:
        raise Refused(f"the body did not arrive within {BODY_SECONDS} seconds") from None
    return bytes(read)


async def relay(request: web.BaseRequest, answer: ClientResponse) -> web.StreamResponse:
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


def message(status: int, text: str) -> web.Response:
    """Return an error in the engine's format: docker-py shows the text to the user."""
    answer: Json = {"message": text}
    return web.json_response(answer, status=status)


async def serve(policy: Policy, socket: str, host: str | None, port: int) -> None:
    """Serve until this process is told to stop."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    # A run's logs and its wait last as long as the run: no limit on time or on their number
    timeout = ClientTimeout(total=None, sock_connect=5)
    connector = UnixConnector(socket, limit=0, force_close=True)
    async with ClientSession("http://docker", connector=connector, timeout=timeout, auto_decompress=False) as engine:
        runner = web.ServerRunner(Server(Proxy(policy, engine)), shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        log.info("listening on %d with %s", port, policy)
        await stopped.wait()
        await runner.cleanup()


def main() -> None:
    """Serve until stopped."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    try:
        policy = Policy.from_env(os.environ)
    except ValueError as error:
        sys.exit(f"docker-proxy: {error}")
    asyncio.run(serve(policy, SOCKET, None, PORT))


if __name__ == "__main__":
    main()

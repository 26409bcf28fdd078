"""Lets only this platform's own users connect to a service: others of this machine reach its port, too.

    python -m cli.runtimes.embedded.users.peers [--grpc] MODULE [ARGUMENT...]

runs a module, as `python -m` does, and answers the connections of other users with 403. So it needs no password: the
kernel knows which user has opened the other end of a connection over loopback. Allowed are root, the user of this
process, and those in ALLOWED_USERS, as numbers with commas between them. Only Linux tells; elsewhere everybody may
connect.

Uses the standard library only, and runs on the Python of each service.
"""

from __future__ import annotations

import errno
import os
import pwd
import runpy
import socket
import struct
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

TABLE = Path("/proc/net/tcp")
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, NLMSG_ERROR = 4, 20, 1, 2
"""From linux/netlink.h and linux/sock_diag.h."""
HEADER, REQUEST, ANSWER = "=IHHII", "=BBBBI", "=BBBB48xIIIII"
"""struct nlmsghdr; inet_diag_req_v2 before its socket; inet_diag_msg, whose socket is skipped (linux/inet_diag.h)."""
TCP_ESTABLISHED, TCP_CLOSE_WAIT = 1, 8
"""States in which a connection still has its two addresses for itself (include/net/tcp_states.h)."""
STATUS = 403

Address = tuple[str, int]


class Peer(NamedTuple):
    """The other end of a connection."""

    user: int
    inode: int
    """0 once its program has closed it: the kernel then names user 0, whoever it was."""


def peer_of(local: Address, remote: Address) -> Peer | None:
    """Returns the socket at `remote` that is connected to `local`; None if this machine has none (any more)."""
    try:
        return _ask_kernel(remote, local)
    except OSError:  # a kernel without sock_diag, such as gVisor's
        return _find_in_table(remote, local)


def _ask_kernel(source: Address, destination: Address) -> Peer | None:
    ports = struct.pack("!HH", source[1], destination[1])
    addresses = b"".join(socket.inet_aton(host).ljust(16, b"\0") for host, _ in (source, destination))
    wanted = struct.pack(REQUEST, socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    body = wanted + ports + addresses + struct.pack("=I", 0) + b"\xff" * 8
    header = struct.pack(HEADER, struct.calcsize(HEADER) + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(header + body)
        answer = kernel.recv(4096)
    start = struct.calcsize(HEADER)
    if struct.unpack_from(HEADER, answer)[1] == NLMSG_ERROR:
        code = -struct.unpack_from("=i", answer, start)[0]
        if code == errno.ENOENT:
            return None
        raise OSError(code, os.strerror(code))
    *_, user, inode = struct.unpack_from(ANSWER, answer, start)
    # A listening socket at the same port is found, too, if the connected one has gone
    return Peer(user, inode) if answer[start + 4 : start + 8] == ports else None


def _find_in_table(source: Address, destination: Address) -> Peer | None:
    names = [
        f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"
        for host, port in (source, destination)
    ]
    for line in TABLE.read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1:3] == names:
            return Peer(int(fields[7]), int(fields[9]))
    return None


def is_allowed(connection: socket.socket, users: Collection[int]) -> bool:
    """Returns whether one of these users has opened the other end of a connection that was just accepted."""
    if connection.family != socket.AF_INET:
        return False
    try:
        if not _is_users(connection.getsockname(), connection.getpeername(), users):
            return False
        # If this end were closed by now, another program could have the other end's port
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except OSError:  # it has been closed
        return False
    return info[0] in (TCP_ESTABLISHED, TCP_CLOSE_WAIT)


def _is_users(local: Address, remote: Address, users: Collection[int]) -> bool:
    peer = peer_of(local, remote)
    return peer is not None and peer.inode != 0 and peer.user in users


def guard(users: Collection[int]) -> None:
    """Makes every server socket of this process refuse the connections of all users but these."""
    accept: Callable[[socket.socket], Any] = socket.socket.accept
    text = _refusal()

    def accept_own(server: socket.socket) -> Any:
        connection, address = accept(server)
        if server.family == socket.AF_UNIX or is_allowed(connection, users):
            return connection, address
        _refuse(connection, text)
        raise ConnectionAbortedError(errno.ECONNABORTED, text)  # servers take it for a client that went

    socket.socket.accept = accept_own  # type: ignore[assignment,method-assign]


def _refusal() -> str:
    return f"this Orionbox is user {_name(os.geteuid())}'s, and other users of this machine may not connect to it"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _refuse(connection: socket.socket, text: str) -> None:
    body = f"{text}\n"
    answer = (
        f"HTTP/1.1 {STATUS} Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n{body}"
    )
    with connection, suppress(OSError):
        connection.setblocking(False)
        connection.send(answer.encode())
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65536)  # what is left unread would take the answer away from the client


def guard_grpc(users: Collection[int]) -> None:
    """Makes the gRPC servers of this process refuse the calls of all users but these; they use no sockets of Python."""
    import grpc  # type: ignore[import-untyped,import-not-found,unused-ignore]

    serve, text = grpc.server, _refusal()

    def checked(handle: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def handle_own(request: Any, context: Any) -> Any:
            if not is_allowed_call(context.peer(), ports, users):
                context.abort(grpc.StatusCode.PERMISSION_DENIED, text)
            return handle(request, context)

        return handle_own

    class OwnUsers(grpc.ServerInterceptor):  # type: ignore[misc,unused-ignore]
        def intercept_service(self, continuation: Any, details: Any) -> Any:
            found = continuation(details)
            kinds = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
            handlers = {kind: getattr(found, kind, None) for kind in kinds}
            return found and found._replace(**{kind: checked(handle) for kind, handle in handlers.items() if handle})

    ports: list[int] = []

    def serve_own(*arguments: Any, interceptors: Any = (), **options: Any) -> Any:
        server = serve(*arguments, interceptors=[OwnUsers(), *interceptors], **options)
        add_port = server.add_insecure_port

        def add_known_port(address: str) -> int:
            ports.append(add_port(address))
            return ports[-1]

        server.add_insecure_port = add_known_port
        return server

    grpc.server = serve_own


def is_allowed_call(peer: str, ports: Collection[int], users: Collection[int]) -> bool:
    """Returns whether one of these users has made a call.

    Args:
        peer: the other end of the call's connection, as gRPC writes it: `ipv4:127.0.0.1:1234`.
        ports: those that the server listens on, on the same address.
        users: their numbers.
    """
    kind, _, address = peer.partition(":")
    host, _, port = address.rpartition(":")
    return kind == "ipv4" and any(_is_users((host, number), (host, int(port)), users) for number in ports)


def main(*arguments: str) -> None:
    """Runs the module behind the guard."""
    has_grpc = arguments[0] == "--grpc"
    module, *rest = arguments[1:] if has_grpc else arguments
    users = {0, os.geteuid(), *(int(user) for user in os.environ.get("ALLOWED_USERS", "").split(",") if user)}
    if sys.platform == "linux":
        guard(users)
        if has_grpc:
            guard_grpc(users)
    sys.argv[:] = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Serves the taxi files, and fails: `python flaky.py truncated|busy`, on port 443, with the platform's certificate.

`truncated` closes the connection in the middle of each file, once; a client can resume there (RFC 9110, 14.2). `busy`
answers the first two requests for each file with 503. Prints a line for each answer: the status and the file's name.
"""

import collections
import http.server
import pathlib
import re
import ssl
import sys

PREFIX = "/DataTalksClub/nyc-tlc-data/releases/download/"
DATA, TLS = pathlib.Path("/data"), pathlib.Path("/tls")
BUSY_ANSWERS = 2
requests: "collections.Counter[str]" = collections.Counter()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as `sys.argv[1]` says."""

    def do_GET(self) -> None:
        """Sends a file, a part of it, or an error."""
        name = self.path[len(PREFIX) :]
        content, etag = (DATA / name).read_bytes(), '"1"'
        requests[name] += 1
        if name.endswith(".gz") and sys.argv[1] == "busy" and requests[name] <= BUSY_ANSWERS:
            self.answer(503, b"", etag, 0)
            return
        resumed = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(resumed[1]) if resumed and self.headers.get("If-Range") == etag else 0
        rest = content[start:]
        is_cut = name.endswith(".gz") and sys.argv[1] == "truncated" and requests[name] == 1
        self.answer(206 if start else 200, rest[: len(rest) // 2] if is_cut else rest, etag, len(rest))
        self.close_connection = True

    def answer(self, status: int, body: bytes, etag: str, length: int) -> None:
        """Sends the body, which may be shorter than the length in the header."""
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: "int | str" = "-", size: "int | str" = "-") -> None:
        """Prints a line for each answer."""
        print(code, self.path.rpartition("/")[2], flush=True)


if __name__ == "__main__":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "internet.crt", TLS / "internet.key")
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 443), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()

"""Lets a program answer a request by CGI (RFC 3875), as fcgiwrap does in compose."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.environments import inherited

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and content."""
END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
"""A program may end its lines with either (RFC 3875, section 6.2)."""


def answer(command: Sequence[str], variables: Mapping[str, str], body: bytes, folder: Path) -> Answer:
    """Returns what a program answers; the status is 502 if it gives no answer.

    Args:
        command: starts the program.
        variables: describe the request (RFC 3875, section 4.1), besides the length of its body.
        body: of the request.
        folder: where the program is started.
    """
    environment = {**inherited.for_services(), "CONTENT_LENGTH": str(len(body)), **variables}
    try:
        done = subprocess.run(command, input=body, env=environment, stdout=subprocess.PIPE, cwd=folder)
    except OSError as error:
        return _bad_gateway(f"{command[0]} cannot be started: {error}")
    if not END_OF_HEADERS.search(done.stdout):
        return _bad_gateway(f"{' '.join(command)} ended with exit code {done.returncode}, without an answer")
    return _parse(done.stdout)


def _bad_gateway(text: str) -> Answer:
    return 502, {"Content-Type": "text/plain"}, f"{text}\n".encode()


def _parse(output: bytes) -> Answer:
    """Returns the answer that a program has written."""
    head, content = END_OF_HEADERS.split(output, 1)
    lines = (line.partition(": ") for line in head.decode("latin-1").splitlines())
    headers = {name: value for name, _, value in lines if name}
    status = int(headers.pop("Status", "200").split()[0])
    return status, headers, content

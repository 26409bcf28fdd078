"""Serves the git repositories in data/git/ as github.com/USER/REPO(.git), as services/internet/conf.d/git.conf does.

git's own program answers (https://git-scm.com/docs/git-http-backend), by CGI (RFC 3875).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cli.environments import inherited

PATH = re.compile(
    r"/(?P<user>[\w-][\w.-]*)/(?P<name>[\w-][\w.-]*?)(\.git)?/(?P<service>info/refs|git-upload-pack)", re.ASCII
)
Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and content."""


def answer(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, folder: Path) -> Answer:
    """Answers a request of git's.

    Args:
        method: GET or POST.
        path: one that PATH matches, without its query.
        query: without its question mark.
        headers: of the request.
        body: of the request.
        folder: of the repositories, `USER/REPO` or `REPO`, bare or with a working tree.
    """
    asked = PATH.fullmatch(path)
    assert asked
    user, name = asked["user"], asked["name"]
    places = (folder / user / name, folder / user / f"{name}.git", folder / name)
    found = next((place for place in places if place.is_dir()), None)
    if not found:
        text = f"Orionbox has no repository {user}/{name}.\nPut a clone of it into the folder data/git/{user}/{name}.\n"
        return 404, {"Content-Type": "text/plain"}, text.encode()
    variables = {
        "REQUEST_METHOD": method,
        "QUERY_STRING": query,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
        "PATH_TRANSLATED": f"{found}/{asked['service']}",
        "GIT_HTTP_EXPORT_ALL": "",
        # The repositories may belong to any user
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    return _parse(_run({**inherited.for_services(), **variables}, body))


def _run(environment: Mapping[str, str], body: bytes) -> bytes:
    try:
        done = subprocess.run(["git", "http-backend"], input=body, env=dict(environment), stdout=subprocess.PIPE)
    except OSError as error:
        return f"Status: 502\r\nContent-Type: text/plain\r\n\r\ngit cannot be started: {error}\n".encode()
    return done.stdout


def _parse(output: bytes) -> Answer:
    """Returns the answer that a CGI program has written."""
    head, _, content = output.partition(b"\r\n\r\n")
    lines = (line.partition(": ") for line in head.decode("latin-1").splitlines())
    headers = {name: value for name, _, value in lines if name}
    status = int(headers.pop("Status", "200").split()[0])
    return status, headers, content

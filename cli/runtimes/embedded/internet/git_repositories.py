"""Serves the git repositories in data/git/ as github.com/USER/REPO(.git), as services/internet/conf.d/git.conf does.

git's own program answers, by CGI (https://git-scm.com/docs/git-http-backend).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cli.runtimes.embedded.internet import cgi_programs
from cli.runtimes.embedded.internet.cgi_programs import Answer

PATH = re.compile(
    r"/(?P<user>[\w-][\w.-]*)/(?P<name>[\w-][\w.-]*?)(\.git)?/(?P<service>info/refs|git-upload-pack)", re.ASCII
)


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
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
        "PATH_TRANSLATED": f"{found}/{asked['service']}",
        "GIT_HTTP_EXPORT_ALL": "",
        # The repositories may belong to any user
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    return cgi_programs.answer(["git", "http-backend"], variables, body, folder)

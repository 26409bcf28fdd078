"""Files from the web."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import requests

from orionbox.errors import BadInputError

TIMEOUT = (10, 60)
"""Seconds to wait for a connection, and for the next bytes on it."""
CHUNK_BYTES = 1 << 20


def download(url: str, folder: Path) -> Path:
    """Fetches a file into `folder` under its own name: whole, or not at all.

    Raises:
        BadInputError: the server says that there is no such file; the text holds its answer.
        requests.RequestException: the server could not be reached, failed, or broke off: worth another try.
    """
    target = folder / url.rsplit("/", 1)[-1]
    with requests.get(url, stream=True, timeout=TIMEOUT) as response:
        if 400 <= response.status_code < 500:
            raise BadInputError(f"{url}: {response.status_code} {response.reason}. {_first_lines(response)}".strip())
        response.raise_for_status()
        handle, partial = tempfile.mkstemp(dir=folder, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
            os.replace(partial, target)
        except BaseException:
            os.unlink(partial)
            raise
    return target


def source_of(csv_path: str, release_url: str) -> str:
    """Where the served file came from: `import`, `download` or `synthetic`.

    The platform's stand-in for the internet lists that in `sources.json`; the real release has no such list.
    """
    response = requests.get(f"{release_url}/sources.json", timeout=TIMEOUT)
    if response.status_code == requests.codes.not_found:
        return "download"
    response.raise_for_status()
    return str(response.json().get(csv_path, "import"))


def _first_lines(response: requests.Response) -> str:
    is_text = response.headers.get("Content-Type", "").startswith("text/plain")
    return " ".join(response.text[:500].split()) if is_text else "Look whether the name is right."

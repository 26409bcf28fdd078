"""Downloads a file and reads it at the same time."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from orionbox.errors import BadInputError

TIMEOUT = (10, 60)
"""Seconds to wait for a connection, and for the next bytes on it."""
BUFFER_BYTES = 1 << 20
RESUMES, RESUME_PAUSE = 5, 1.0
"""How often in a row a broken download is resumed, and seconds before each time."""


class BrokenDownloadError(RuntimeError):
    """A download broke off and could not be resumed. Retry it from the start."""


class Download(io.BufferedReader):
    """A file on the web that is read while it downloads. The bytes read are copied into `folder`, under its own name.

    Raises:
        BadInputError: the server has no such file; the text holds its answer.
        requests.RequestException: the server did not answer, or failed: retrying may help.
        BrokenDownloadError: raised while reading, if the connection breaks too often or the server cannot resume.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._web_file = _WebFile(url, folder / url.rsplit("/", 1)[-1])
        super().__init__(self._web_file, BUFFER_BYTES)

    @property
    def seconds(self) -> float:
        """Returns the time spent waiting for bytes so far."""
        return self._web_file.seconds

    @property
    def share(self) -> float:
        """Returns which part of the file has arrived, from 0 to 1; 0 if the server did not send its size."""
        return self._web_file.share


class _WebFile(io.RawIOBase):
    """The bytes that arrive. If the connection breaks, it requests the rest (RFC 9110, 14.2: Range)."""

    def __init__(self, url: str, copy: Path) -> None:
        self.name = str(copy)
        self.seconds = 0.0
        self._url = url
        self._response = _get(url, {})
        self._size = int(self._response.headers.get("Content-Length", 0))
        self._copy = copy.open("wb", buffering=0)

    @property
    def share(self) -> float:
        return self._copy.tell() / self._size if self._size else 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer with the next bytes; returns fewer only at the end."""
        view, start = memoryview(buffer), time.perf_counter()
        data = self._next(len(view))
        self.seconds += time.perf_counter() - start
        view[: len(data)] = data
        self._copy.write(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._response.close()
            self._copy.close()
        super().close()

    def _next(self, size: int) -> bytes:
        for tries_left in reversed(range(RESUMES + 1)):
            try:
                data: bytes = self._response.raw.read(size)
                return data
            except (HTTPError, OSError) as error:
                if not tries_left:
                    raise self._broken(error) from error
                self._resume(error)
        raise AssertionError("the last try returns or raises")

    def _resume(self, error: Exception) -> None:
        version = self._response.headers.get("ETag")
        if not version:
            raise self._broken(error) from error
        time.sleep(RESUME_PAUSE)
        self._response.close()
        try:
            response = _get(self._url, {"Range": f"bytes={self._copy.tell()}-", "If-Range": version})
        except requests.RequestException:
            return  # the next read fails too, and counts as another try
        if response.status_code != requests.codes.partial_content:
            raise self._broken(error) from error
        self._response = response

    def _broken(self, error: Exception) -> BrokenDownloadError:
        return BrokenDownloadError(f"{self._url}: broke off after {self._copy.tell():,} bytes ({error})")


def _get(url: str, headers: dict[str, str]) -> requests.Response:
    response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    if 400 <= response.status_code < 500:
        raise BadInputError(f"{url}: {response.status_code} {response.reason}. {_first_lines(response)}".strip())
    response.raise_for_status()
    return response


def _first_lines(response: requests.Response) -> str:
    is_text = response.headers.get("Content-Type", "").startswith("text/plain")
    return " ".join(response.text[:500].split()) if is_text else "Check the name."

"""Orion and the emulators by plain HTTP, for what must start at once: Prefect's client takes seconds to import."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

Json = dict[str, Any]

TIMEOUT = 10
"""Seconds for an answer."""
PAGE = 200
"""Objects in one answer of Orion's, its most."""


class Api:
    """A JSON API at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, path: str, body: object = None, method: str = "") -> Any:
        """GETs, or POSTs `body`; the answer, None where there is none.

        Raises:
            OSError: it does not answer, or says no; the text has the address.
        """
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/{path}", data, {"Content-Type": "application/json"}, method=method or None)
        try:
            with urlopen(request, timeout=TIMEOUT) as response:
                return json.loads(response.read() or b"null")
        except URLError as error:
            raise OSError(f"{request.full_url}: {error}") from error

    def all(self, kind: str, **chosen: Any) -> list[Json]:
        """Every object of a kind that the filter chooses, page by page."""
        found: list[Json] = []
        while page := self.call(f"{kind}/filter", {**chosen, "limit": PAGE, "offset": len(found)}):
            found += page
            if len(page) < PAGE:
                break
        return found

"""Reads and writes the bucket like any client."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request

from dev.throwaway_platform import ThrowawayPlatform
from orionbox.loopback import open_url
from orionbox.trips.months import TripFile

NAME = "prefect-de-zoomcamp"
TIMEOUT = 30
"""Seconds for an answer."""


class Bucket:
    """Objects by Cloud Storage's JSON API (https://cloud.google.com/storage/docs/json_api)."""

    def __init__(self, platform: ThrowawayPlatform) -> None:
        self._url = f"http://127.0.0.1:{platform.env['GCS_PORT']}"

    def described(self, name: str) -> dict[str, str]:
        """Returns the object's resource; empty if there is no such object.

        Raises:
            OSError: Cloud Storage does not answer.
        """
        try:
            with open_url(f"{self._url}/storage/v1/b/{NAME}/o/{quote(name, safe='')}", TIMEOUT) as response:
                resource: dict[str, str] = json.load(response)
                return resource
        except HTTPError as error:
            if error.code != 404:
                raise
            return {}

    def content(self, name: str) -> bytes:
        """Returns the object's bytes."""
        url = f"{self._url}/download/storage/v1/b/{NAME}/o/{quote(name, safe='')}?alt=media"
        with open_url(url, TIMEOUT) as response:
            content: bytes = response.read()
            return content

    def put(self, name: str, content: bytes) -> None:
        """Uploads an object in one request.

        Raises:
            OSError: no answer came; the object is the old or the new one.
        """
        url = f"{self._url}/upload/storage/v1/b/{NAME}/o?uploadType=media&name={quote(name, safe='')}"
        request = Request(url, content, {"Content-Type": "application/octet-stream"}, method="POST")
        with open_url(request, TIMEOUT) as response:
            response.read()

    def etags(self, months: Sequence[TripFile]) -> list[str]:
        """Returns the ETag of each month's object, which changes with its content; empty if there is no object."""
        return [self.described(trips.object_name).get("etag", "") for trips in months]

    def damaged(self, months: Sequence[TripFile]) -> list[str]:
        """Returns the objects of these months whose content does not match their checksum."""
        return [
            trips.object_name
            for trips in months
            if checksum(self.content(trips.object_name)) != self.described(trips.object_name)["md5Hash"]
        ]


def checksum(content: bytes) -> str:
    """Returns the MD5 in base64, as Cloud Storage does."""
    return base64.b64encode(hashlib.md5(content).digest()).decode()

"""Creates a bucket when something is first written to it, and refuses the names that Google refuses.

At Google, a bucket must exist first. Here, week 2's code works with the name of the student's bucket of week 1.
"""

# mypy: disable-error-code="import-untyped,import-not-found,misc"
# The emulator carries no type information, so its classes and objects are Any.

import ipaddress
import logging
import re
from http import HTTPStatus
from typing import Any

from gcp_storage_emulator.exceptions import Conflict
from gcp_storage_emulator.handlers import buckets

from services.gcs.resumable_uploads import ResumableStorage

NO_BUCKET = "The specified bucket does not exist."
"""Google's message."""
OTHER_NAMES = r"^(?:/upload|/download)?(?:/storage/v1)?/b/(?P<bucket_name>(?![-.\w]+(?:/|$))[^/]+)(?:/.*)?$"
"""The paths of buckets with characters that the emulator's own routes do not know."""

_log = logging.getLogger("gcs")


def problem(name: str) -> str:
    """Return Google's message if it refuses a bucket of this name, and the rule; empty if it does not.

    The rules: https://cloud.google.com/storage/docs/buckets#naming
    """
    parts = name.split(".")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", name):
        rule = "only a-z, 0-9, -, _ and . are allowed, and a letter or digit at both ends"
    elif not 3 <= len(name) <= (63 if len(parts) == 1 else 222) or max(map(len, parts)) > 63:
        rule = "it needs 3 to 63 characters; with dots up to 222, and at most 63 between two dots"
    elif not all(re.fullmatch(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?", part) for part in parts):
        rule = "beside a dot there must be a letter or a digit"
    elif _is_address(name):
        rule = "it must not look like an IP address"
    elif name.startswith("goog") or re.search("g[o0][o0]gle", name):
        rule = "it must neither begin with goog nor contain google"
    else:
        return ""
    return f"Invalid bucket name: '{name}' ({rule}: https://cloud.google.com/storage/docs/buckets#naming)"


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(name))
    except ValueError:
        return bool(re.fullmatch(r"\d+(\.\d+){3}", name))


class GrowingStorage(ResumableStorage):
    """The emulator's storage, in which a write creates its bucket."""

    creates_buckets = True
    """Whether it does; otherwise such a write is answered with 404, as at Google."""

    def create_file(self, bucket_name: str, *args: Any, **options: Any) -> None:
        """Store an object."""
        self.ensure_bucket(bucket_name)
        super().create_file(bucket_name, *args, **options)

    def create_resumable_upload(self, bucket_name: str, *args: Any) -> Any:
        """Begin an upload in chunks."""
        self.ensure_bucket(bucket_name)
        return super().create_resumable_upload(bucket_name, *args)

    def ensure_bucket(self, name: str) -> None:
        """Create a bucket that does not exist.

        Raises:
            Conflict: Google refuses such a name. The emulator answers 400 with its text.
        """
        if name in self.buckets or not self.creates_buckets:
            return
        if message := problem(name):
            raise Conflict(message)
        buckets.create_bucket(name, self)
        _log.info("bucket %s: created at the first write to it", name)


def answer_error(response: Any, status: HTTPStatus, reason: str, message: str) -> None:
    """Answer with an error as Google's JSON API has it (https://cloud.google.com/storage/docs/json_api/v1/status-codes)."""
    errors = [{"domain": "global", "reason": reason, "message": message}]
    response.status = status
    response.json({"error": {"code": int(status), "message": message, "errors": errors}})


def insert(request: Any, response: Any, storage: Any) -> None:
    """Create a bucket, unless Google refuses its name."""
    name = request.data.get("name") if isinstance(request.data, dict) else None
    if name and name not in storage.buckets and (message := problem(str(name))):
        answer_error(response, HTTPStatus.BAD_REQUEST, "invalid", message)
    else:
        buckets.insert(request, response, storage)


def get(request: Any, response: Any, storage: Any) -> None:
    """Answer with a bucket; say what is wrong if there is none."""
    buckets.get(request, response, storage)
    if response.status == HTTPStatus.NOT_FOUND:
        answer_error(response, HTTPStatus.NOT_FOUND, "notFound", NO_BUCKET)


def refuse_name(request: Any, response: Any, storage: Any) -> None:
    """Answer a request whose bucket's name has characters that Google does not allow."""
    answer_error(response, HTTPStatus.BAD_REQUEST, "invalid", problem(request.params["bucket_name"]))

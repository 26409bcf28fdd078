"""The errors that Google answers with, in the form of its JSON API and of its XML API.

The forms: https://cloud.google.com/storage/docs/json_api/v1/status-codes and
https://cloud.google.com/storage/docs/xml-api/reference-status
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

XML_CODES = {
    400: "InvalidArgument",
    403: "AccessDenied",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    409: "BucketAlreadyOwnedByYou",
    411: "MissingContentLength",
    412: "PreconditionFailed",
    413: "EntityTooLarge",
    416: "InvalidRange",
    500: "InternalError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
    507: "InsufficientStorage",
}

FORBIDDEN_IN_XML = {
    code: " " for code in (*range(32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF) if code not in (9, 10, 13)
}
"""Characters that no XML may hold (https://www.w3.org/TR/xml/#charsets)."""


class StorageError(Exception):
    """An answer that is not a success.

    Args:
        status: the HTTP status.
        reason: Google's word for the kind, such as `notFound`.
        message: Google's sentence.
        location: the parameter or header that is wrong; empty if there is none.
        location_type: `parameter` or `header`.
        xml_code: the XML API's word for it, if it is not the usual one of the status.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        location: str = "",
        location_type: str = "parameter",
        xml_code: str = "",
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.location, self.location_type = location, location_type
        self.xml_code = xml_code or XML_CODES.get(status, "InternalError")

    def as_json(self) -> dict[str, Any]:
        """Return the body that the JSON API answers with."""
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        if self.location:
            detail |= {"locationType": self.location_type, "location": self.location}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}

    def as_xml(self) -> bytes:
        """Return the body that the XML API answers with."""
        code, message = escape(self.xml_code), escape(self.message.translate(FORBIDDEN_IN_XML))
        text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return text.encode("utf-8", "replace")


def invalid(message: str, location: str = "", xml_code: str = "") -> StorageError:
    """Return the error for a request that cannot be right."""
    return StorageError(400, "invalid", message, location, xml_code=xml_code)


def required(parameter: str) -> StorageError:
    """Return the error for a request that lacks a parameter."""
    return StorageError(400, "required", f"Required parameter: {parameter}", parameter)


def no_bucket() -> StorageError:
    """Return the error for a bucket that does not exist."""
    return StorageError(404, "notFound", "The specified bucket does not exist.", xml_code="NoSuchBucket")


def no_object(bucket: str, name: str) -> StorageError:
    """Return the error for an object, or a generation of it, that does not exist."""
    return StorageError(404, "notFound", f"No such object: {bucket}/{name}")


def not_found(message: str = "Not Found") -> StorageError:
    """Return the error for anything else that does not exist."""
    return StorageError(404, "notFound", message)


def condition_not_met(header: str = "If-Match") -> StorageError:
    """Return the error for a condition that does not hold."""
    text = "At least one of the pre-conditions you specified did not hold."
    return StorageError(412, "conditionNotMet", text, header, "header")


def conflict(message: str, xml_code: str = "") -> StorageError:
    """Return the error for something that is in the way."""
    return StorageError(409, "conflict", message, xml_code=xml_code)


def forbidden(message: str, reason: str = "forbidden", xml_code: str = "") -> StorageError:
    """Return the error for something that a rule of the bucket or the signature of the request forbids."""
    return StorageError(403, reason, message, xml_code=xml_code)


def not_built(name: str) -> StorageError:
    """Return the error for a method of Google's that this server does not have."""
    return StorageError(501, "notImplemented", f"Orionbox's Cloud Storage server does not implement {name}.")


def disk_full() -> StorageError:
    """Return the error for what does not fit on the disk; Google's client for Python does not repeat such a request."""
    text = "The disk with the data of Cloud Storage is full: nothing was changed. Free some space and try again; "
    return StorageError(507, "insufficientStorage", f"{text}to remove deleted objects for good, run: make prune")


class NotModifiedError(Exception):
    """A read whose condition says that the client has the object already: 304 without a body."""

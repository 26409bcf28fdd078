"""Documents of the XML API: how they are written, and the tag that it has for an object."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape, unescape

from starlette.responses import Response

from services.gcs.disk.catalogue import StoredObject
from services.gcs.errors import FORBIDDEN_IN_XML, invalid
from services.gcs.rules.resources import object_etag

NAMESPACE = "http://doc.s3.amazonaws.com/2006-03-01"
OF_PARTS = "http://s3.amazonaws.com/doc/2006-03-01/"
"""Of the documents about uploads in parts, in which Google's clients look for their elements.

https://cloud.google.com/storage/docs/xml-api/post-object-multipart
"""
PARTS = re.compile(
    "InitiateMultipartUploadResult|CompleteMultipartUploadResult|ListPartsResult|ListMultipartUploadsResult"
)
MOST_DELETIONS = 1000
"""Of one request (https://cloud.google.com/storage/docs/xml-api/post-bucket)."""
Content = Mapping[str, Any] | Iterable[tuple[str, Any]]


def document(name: str, content: Content, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in XML; a mapping or a list of pairs is an element's content."""
    namespace = OF_PARTS if PARTS.fullmatch(name) else NAMESPACE
    text = f"<?xml version='1.0' encoding='UTF-8'?><{name} xmlns='{namespace}'>{_elements(content)}</{name}>"
    return Response(text.encode("utf-8", "replace"), status, headers, "application/xml; charset=UTF-8")


def _elements(content: Content) -> str:
    pairs = content.items() if isinstance(content, Mapping) else content
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in pairs)


def _text(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return _elements(value)
    return escape(str(value).translate(FORBIDDEN_IN_XML))


def read_deletions(body: bytes) -> tuple[list[tuple[str, str | None]], bool]:
    """Return name and generation of the objects that a document wants to delete, and whether only errors count."""
    text = body.decode("utf-8", "replace")
    found = []
    for entry in elements(text, "Object"):
        names, versions = elements(entry, "Key"), elements(entry, "VersionId")
        if names and names[0]:
            found.append((_plain(names[0]), versions[0].strip() if versions else None))
    if not 0 < len(found) <= MOST_DELETIONS:
        raise invalid("The XML you provided was not well-formed.", xml_code="MalformedXML")
    return found, any(each.strip().lower() == "true" for each in elements(text, "Quiet"))


def elements(text: str, name: str) -> list[str]:
    """Return the contents of all elements of a name, in linear time also where their ends are missing."""
    pieces = (piece.partition(f"</{name}>") for piece in text.split(f"<{name}>")[1:])
    return [content for content, end, _ in pieces if end]


def _plain(text: str) -> str:
    """Return what an element's text stands for."""
    found = re.sub(r"&#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}));", _character, text)
    return unescape(found, {"&quot;": '"', "&apos;": "'"})


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16) if found[1] else int(found[2])
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"


def xml_etag(stored: StoredObject) -> str:
    """Return the tag that the XML API has for an object: its MD5 in hexadecimal digits, if there is one."""
    return base64.b64decode(stored.md5).hex() if stored.md5 else object_etag(stored)

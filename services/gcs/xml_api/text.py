"""Documents of the XML API: how they are written, and the tag that it has for an object."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from starlette.responses import Response

from services.gcs.disk.catalogue import StoredObject
from services.gcs.rules.resources import object_etag

NAMESPACE = "http://doc.s3.amazonaws.com/2006-03-01"
Content = Mapping[str, Any] | Iterable[tuple[str, Any]]
FORBIDDEN = {code: " " for code in range(32) if code not in (9, 10, 13)}
"""Characters that no XML may hold."""


def document(name: str, content: Content, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in XML; a mapping or a list of pairs is an element's content."""
    text = f"<?xml version='1.0' encoding='UTF-8'?><{name} xmlns='{NAMESPACE}'>{_elements(content)}</{name}>"
    return Response(text.encode("utf-8", "replace"), status, headers, "application/xml; charset=UTF-8")


def _elements(content: Content) -> str:
    pairs = content.items() if isinstance(content, Mapping) else content
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in pairs)


def _text(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return _elements(value)
    return escape(str(value).translate(FORBIDDEN))


def xml_etag(stored: StoredObject) -> str:
    """Return the tag that the XML API has for an object: its MD5 in hexadecimal digits, if there is one."""
    return base64.b64decode(stored.md5).hex() if stored.md5 else object_etag(stored)

"""Conditions of a request: whether an object or bucket is still the one that the client has seen.

The rules: https://cloud.google.com/storage/docs/request-preconditions
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

from services.gcs.errors import NotModifiedError, StorageError, condition_not_met, invalid
from services.gcs.rules.values import integer


class Versioned(Protocol):
    """What conditions are compared with."""

    generation: int
    metageneration: int
    updated: str


@dataclass(frozen=True)
class Conditions:
    """The four conditions of a request; None where there is none. The tags are those of If-Match, If-None-Match.

    `since` and `not_since` are If-Modified-Since and If-Unmodified-Since, which count where there are no tags, and only
    if they are dates (RFC 9110, section 13.1).
    """

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None
    tags: str | None = None
    not_tags: str | None = None
    since: str | None = None
    not_since: str | None = None

    def check(self, found: Versioned | None, etag: str = "", reading: bool = False) -> None:
        """Compare what there is (None: nothing) with the conditions.

        Raises:
            StorageError: one does not hold.
            NotModifiedError: of a read, one of those that say "unless it is this" does not hold.
        """
        generation, metageneration = (found.generation, found.metageneration) if found else (0, None)
        if self.generation is not None and self.generation != generation:
            raise condition_not_met()
        if self.metageneration is not None and self.metageneration != metageneration:
            raise condition_not_met()
        if self.tags is not None and not _matches(self.tags, etag, found):
            raise condition_not_met()
        if self.tags is None and _is_newer(found, self.not_since):
            raise condition_not_met("If-Unmodified-Since")
        unless = (
            self.not_generation is not None and self.not_generation == generation,
            self.not_metageneration is not None and self.not_metageneration == metageneration,
            self.not_tags is not None and _matches(self.not_tags, etag, found),
            reading and self.not_tags is None and _is_newer(found, self.since) is False,
        )
        if any(unless):
            raise NotModifiedError if reading else condition_not_met("If-None-Match")

    @property
    def wants_nothing(self) -> bool:
        """Whether a condition holds only for an object that does not exist."""
        return self.generation == 0


def _matches(header: str, etag: str, found: Versioned | None) -> bool:
    """Return whether a list of tags has that of the object: the JSON API's, or the XML API's, which is its MD5."""
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    md5: str = getattr(found, "md5", None) or ""
    return found is not None and ("*" in tags or etag in tags or bool(md5) and base64.b64decode(md5).hex() in tags)


def _is_newer(found: Versioned | None, header: str | None) -> bool | None:
    """Return whether something was changed after a moment, in whole seconds; None if there is no such moment."""
    try:
        moment = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    if not found or not moment.tzinfo:
        return None
    return datetime.fromisoformat(found.updated).replace(microsecond=0) > moment


def from_query(query: Mapping[str, str], source: bool = False, headers: Mapping[str, str] | None = None) -> Conditions:
    """Return the conditions in a request's parameters; those for the source of a copy, if `source`."""
    names = ("GenerationMatch", "GenerationNotMatch", "MetagenerationMatch", "MetagenerationNotMatch")
    prefix = "ifSource" if source else "if"
    generation, other, metageneration, other_meta = (integer(query.get(prefix + each), prefix + each) for each in names)
    given = headers or {}
    tags = given.get("if-match"), given.get("if-none-match")
    return Conditions(generation, other, metageneration, other_meta, *tags)


def from_xml_headers(headers: Mapping[str, str], prefix: str = "x-goog-") -> Conditions:
    """Return the conditions in an XML request's headers.

    https://cloud.google.com/storage/docs/xml-api/reference-headers#xgoogifgenerationmatch
    """
    generation = integer(headers.get(f"{prefix}if-generation-match"), "x-goog-if-generation-match")
    metageneration = integer(headers.get(f"{prefix}if-metageneration-match"), "x-goog-if-metageneration-match")
    names = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
    standard = prefix if "copy-source" in prefix else ""
    return Conditions(generation, None, metageneration, None, *(headers.get(standard + name) for name in names))


def from_json(value: object) -> Conditions:
    """Return the `objectPreconditions` of a source of a compose."""
    if value is None:
        return Conditions()
    if not isinstance(value, dict):
        raise invalid("Invalid value for objectPreconditions", "objectPreconditions")
    number = value.get("ifGenerationMatch")
    return Conditions(None if number is None else integer(str(number), "ifGenerationMatch"))


def generation_of(query: Mapping[str, str], name: str = "generation") -> int | None:
    """Return the generation that a request addresses; None for the live one."""
    found = integer(query.get(name), name)
    if found is not None and found < 0:
        raise StorageError(400, "invalid", f"Invalid value for parameter {name}: {found}", name)
    return found

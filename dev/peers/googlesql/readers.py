"""Reads Google's compliance tests: files of cases, and the values that they print."""

from __future__ import annotations

import datetime
import decimal
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.bigquery import types
from services.bigquery.types import Type

_OPTION = re.compile(r"\[(default )?([a-z_]+)(?:=(.*))?\]\s*$", re.DOTALL)
_WORD = re.compile(r"`[^`]*`|[A-Za-z_$][\w$.]*")
_FOREIGN = {"PROTO", "ENUM", "MAP", "INT32", "UINT32", "UINT64", "FLOAT", "UUID", "GRAPH_ELEMENT", "GRAPH_PATH",
            "TOKENLIST", "MEASURE", "TIMESTAMP_PICOS", "GEOGRAPHY"}  # fmt: skip
_SIMPLE_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_INFINITY = {"DATE": 2**31 - 1}


class Unreadable(Exception):
    """The case is about something that BigQuery does not have, or in a form that this does not read."""


@dataclass(frozen=True)
class Unordered:
    """An array whose order the test leaves open."""

    items: list[Any]


@dataclass
class Case:
    """One case of a file.

    Attributes:
        name: Unique in its file.
        sql: The statement.
        wanted: The result as printed, or `ERROR: ...`.
        features: The language features that it needs.
        options: Its other options, such as `prepare_database`.
    """

    name: str
    sql: str
    wanted: str
    features: set[str]
    options: dict[str, str] = field(default_factory=dict)


def cases(file: Path) -> Iterator[Case]:
    """The cases of a file, those that prepare tables among them."""
    default = set[str]()
    for block in re.split(r"(?m)^==[ \t]*$", file.read_text("utf-8", "surrogateescape")):
        options, defaults, body = _options(block.split("\n"))
        if "required_features" in defaults:
            default = _names(defaults["required_features"])
        needed = _names(options["required_features"]) if "required_features" in options else default
        if not body.strip() or not re.search(r"(?m)^--[ \t]*$", body):
            continue
        sql, wanted = re.split(r"(?m)^--[ \t]*$", body, maxsplit=1)
        yield Case(options.get("name", "?"), _in_bigquery(sql.strip()), _first_result(wanted.strip()), needed, options)


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",") if name.strip()}


def _options(lines: list[str]) -> tuple[dict[str, str], dict[str, str], str]:
    """The options of a block, the defaults that it sets for later blocks, and the rest."""
    options: dict[str, str] = {}
    defaults: dict[str, str] = {}
    place = 0
    while place < len(lines):
        line = lines[place]
        if line.strip() and not line.startswith("#"):
            if not re.match(r"\[(default |[a-z_]+[\]=])", line):
                break
            while line.count("[") > line.count("]") and place + 1 < len(lines):
                place += 1
                line += "\n" + lines[place]
            if found := _OPTION.match(line):
                (defaults if found[1] else options)[found[2]] = found[3] or ""
        place += 1
    return options, defaults, "\n".join(lines[place:])


def _in_bigquery(sql: str) -> str:
    """FLOAT64 for DOUBLE, also in names of functions."""
    return re.sub(r"(?i)\b(LAX_)?DOUBLE(_ARRAY)?\b", lambda word: f"{word[1] or ''}FLOAT64{word[2] or ''}", sql)


def _first_result(text: str) -> str:
    """A case may give several results for several sets of features; the first is for those that it names."""
    if re.match(r"(?s)\[?(NOTE|WITH|FEATURES)", text) or re.search(r"(?m)^--", text):
        text = re.split(r"(?m)^--", text)[0]
    return re.split(r"\nNOTE:", text)[0].strip()


class Reader:
    """Reads types and values as the tests print them."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def result(self) -> tuple[Type, Any]:
        """The type and value of a query's result: an ARRAY of STRUCT.

        Raises:
            Unreadable: It is printed in a form that this does not read.
        """
        try:
            kind = self._type()
            return kind, self._value(kind)
        except (IndexError, ValueError, decimal.InvalidOperation) as error:
            raise Unreadable(str(error)) from error

    def change(self) -> tuple[int, Type, Any]:
        """The number of rows that a change changed, and then the whole table."""
        kind = self._type()
        if kind.kind != "STRUCT" or [name for name, _ in kind.fields] != ["num_rows_modified", "all_rows"]:
            raise Unreadable("result of a change in another form")
        self._take("{")
        count = self._value(Type("INT64"))
        self._take(",")
        before = self._at
        table = self._type()
        self._at = before
        return count, table, self._value(table)

    def _space(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _is_at(self, text: str) -> bool:
        self._space()
        return self._text.startswith(text, self._at)

    def _take(self, text: str) -> None:
        if not self._is_at(text):
            raise Unreadable(f"cannot read {self._text[self._at : self._at + 40]!r}")
        self._at += len(text)

    def _taken(self, text: str) -> bool:
        if self._is_at(text):
            self._take(text)
            return True
        return False

    def _word(self) -> str:
        self._space()
        found = _WORD.match(self._text, self._at)
        if found is None:
            raise Unreadable(f"cannot read the type {self._text[self._at : self._at + 40]!r}")
        self._at = found.end()
        return found[0].strip("`")

    def _type(self, word: str = "") -> Type:
        word = word or self._word()
        if word in ("ARRAY", "RANGE"):
            self._take("<")
            element = Type("?") if self._is_at(">") else self._type()
            self._take(">")
            return Type(word, element)
        if word == "STRUCT":
            return self._struct_type()
        if word in _FOREIGN:
            raise Unreadable(f"type {word}")
        return Type({"FLOAT64": "DOUBLE"}.get(word, word))

    def _struct_type(self) -> Type:
        self._take("<")
        fields: list[tuple[str, Type]] = []
        while not self._taken(">"):
            word = self._word()
            self._space()
            opens = self._text[self._at] == "<"
            if self._text[self._at] in ",>" or (word in ("ARRAY", "STRUCT", "RANGE", "MAP", "PROTO", "ENUM") and opens):
                fields.append(("", self._type(word)))
            else:
                fields.append((word, self._type()))
            self._taken(",")
        return Type("STRUCT", fields=tuple(fields))

    def _null(self) -> bool:
        self._space()
        if re.compile(r"NULL\b").match(self._text, self._at):
            self._at += 4
            return True
        return False

    def _value(self, kind: Type) -> Any:
        if self._null():
            return None
        if kind.kind == "ARRAY":
            return self._array(kind)
        if kind.kind == "STRUCT":
            return self._struct(kind)
        if kind.kind in ("STRING", "BYTES"):
            return self._string()
        if kind.kind == "JSON":
            value, length = json.JSONDecoder().raw_decode(self._text[self._at :])
            self._at += length
            return json.dumps(value)
        if kind.kind == "RANGE":
            return self._range(kind.part.kind)
        return _scalar(kind.kind, self._raw(",}]"))

    def _array(self, kind: Type) -> Any:
        element = kind.part
        if self._is_at("ARRAY"):
            element = self._type().part
            if self._taken("(NULL)"):
                return None
        self._take("[")
        is_unordered = self._taken("unknown order:")
        self._taken("known order:")
        items = []
        while not self._taken("]"):
            items.append(self._value(element if element.kind != "?" else kind.part))
            self._taken(",")
        return Unordered(items) if is_unordered else items

    def _struct(self, kind: Type) -> Any:
        if self._is_at("STRUCT"):
            kind = self._type()
        if self._null():
            return None
        self._take("{")
        values = {}
        for number, (_, field_kind) in enumerate(kind.fields):
            values[f"f{number}"] = self._value(field_kind)
            self._taken(",")
        self._take("}")
        return values

    def _range(self, part: str) -> dict[str, Any]:
        self._take("[")
        start = self._raw(",")
        self._take(",")
        end = self._raw(")")
        self._take(")")
        infinity = _INFINITY.get(part, 2**63 - 1)
        open_ends = ("NULL", "UNBOUNDED")
        return {
            "f0": -infinity if start in open_ends else _scalar(part, start),
            "f1": infinity if end in open_ends else _scalar(part, end),
        }

    def _raw(self, stops: str) -> str:
        self._space()
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in stops:
            self._at += 1
        return self._text[start : self._at].strip()

    def _string(self) -> str | bytes:
        self._space()
        is_bytes = self._text[self._at] == "b"
        self._at += is_bytes
        quote, data = self._text[self._at], bytearray()
        self._at += 1
        while self._text[self._at] != quote:
            data += self._escaped(is_bytes) if self._text[self._at] == "\\" else self._one()
        self._at += 1
        return bytes(data) if is_bytes else data.decode("utf-8", "surrogateescape")

    def _one(self) -> bytes:
        self._at += 1
        return self._text[self._at - 1].encode("utf-8", "surrogateescape")

    def _escaped(self, is_bytes: bool) -> bytes:
        letter = self._text[self._at + 1]
        digits = {"x": 2, "X": 2, "u": 4, "U": 8}.get(letter, 0)
        if digits:
            code = int(self._text[self._at + 2 : self._at + 2 + digits], 16)
            self._at += 2 + digits
            return bytes([code]) if is_bytes else chr(code).encode()
        if letter in "01234567" and self._text[self._at + 2 : self._at + 4].isdigit():
            self._at += 4
            return bytes([int(self._text[self._at - 3 : self._at], 8)])
        self._at += 2
        return _SIMPLE_ESCAPES.get(letter, letter).encode()


_TIMESTAMP = re.compile(
    r"(-?\d{1,4})-(\d\d?)-(\d\d?)(?:[T ](\d\d?):(\d\d):(\d\d)(?:\.(\d+))?)?\s*(?:([+-])(\d\d?)(?::(\d\d))?|Z|UTC)?$"
)


def _micros(text: str) -> int:
    """Microseconds since 1970 of a date and time, with an offset or without."""
    found = _TIMESTAMP.match(text)
    if found is None:
        raise Unreadable(f"time {text}")
    parts = [int(found[number] or 0) for number in range(1, 7)]
    since = datetime.datetime(*parts) - datetime.datetime(1970, 1, 1)  # type: ignore[arg-type]
    micros = (since.days * 86400 + since.seconds) * 10**6 + int(((found[7] or "") + "000000")[:6])
    if found[8]:
        offset = (int(found[9]) * 3600 + int(found[10] or 0) * 60) * 10**6
        micros -= offset if found[8] == "+" else -offset
    return micros


def _clock(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return int((int(hours) * 3600 + int(minutes) * 60 + decimal.Decimal(seconds)) * 10**6)


def _interval(text: str) -> dict[str, int]:
    found = re.match(r"(-?)(\d+)-(\d+) (-?\d+) (-?)([\d:.]+)$", text)
    if found is None:
        raise Unreadable(f"interval {text}")
    months, micros = int(found[2]) * 12 + int(found[3]), _clock(found[6])
    return {"f0": -months if found[1] else months, "f1": int(found[4]), "f2": -micros if found[5] else micros}


def _scalar(kind: str, text: str) -> Any:
    if kind == "INT64":
        return int(text)
    if kind == "BOOL":
        return text.lower() == "true"
    if kind == "DOUBLE":
        return float(text)
    if kind == "NUMERIC":
        return decimal.Decimal(text)
    if kind == "BIGNUMERIC":
        return types.bignumeric(decimal.Decimal(text))
    if kind == "DATE":
        return _micros(text) // 86_400_000_000
    if kind in ("TIMESTAMP", "DATETIME"):
        return _micros(text)
    if kind == "TIME":
        return _clock(text)
    if kind == "INTERVAL":
        return _interval(text)
    raise Unreadable(f"value of type {kind}")

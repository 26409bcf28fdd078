"""The table of functions that DuckDB computes itself: a function is one line `name(ARGUMENTS) = template`.

In a line's arguments, `?` is any type, `ORDERED` one that DuckDB orders as GoogleSQL does, `ARRAY` and `RANGE` any of
them, `A|B` alternatives, `A...` any number more of A. In a template `{0}` is an argument, `{*}` all of them joined by
commas, `{*:AND}` joined by AND, `{*:nul}` their `IS NULL`. Aggregates have `{D}` for DISTINCT, `{O}` for ORDER BY and
`{W}` for FILTER and OVER; window functions `{N}` for IGNORE NULLS. `{MODULE}` is the value as Google's module evaluates
it, for the rows that DuckDB's functions do not get right. Casts are lines `FROM>TO(ARGUMENT)`.

A line counts only while signatures.lock has its hash: then the comparison with Google's evaluator found no difference
(tests/conformance/differential), with this DuckDB. What has no line, or one that does not count, the module evaluates.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from services.bigquery import types
from services.bigquery.compiler.signatures import helpers
from services.bigquery.compiler.signatures.holding import hold
from services.bigquery.language import package
from services.bigquery.types import Type

FOLDER = Path(__file__).parent
LOCK = FOLDER / "signatures.lock"
WAITING = FOLDER / "waiting.txt"
"""The lines that do not count, because they are not compared yet or differ; written with the lock."""
SCALARS, AGGREGATES, WINDOWS, CASTS, SESSION = "scalars", "aggregates", "windows", "casts", "session"
APPROXIMATE = "approximate.sql"
"""Has the aggregate functions that Google's evaluator lacks."""
OVER = "-over"
"""Marks in the lock that an aggregate function's line passed as a window function."""
_PLACE = re.compile(r"\{(\d+|\*(?::[^}]+)?|[A-Z]+)\}")
_MODULE = "{MODULE}"
_OWN = re.compile(r"\b([gu]_\w+)\(")

Module = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        text: As it is written.
        family: `scalars`, `aggregates`, `windows`, `casts`, or `session` for time and chance.
        name: The function; of a cast both types, such as `STRING>INT64`.
        arguments: For each argument the alternatives.
        template: DuckDB SQL with places for the arguments.
        file: The file that it is in.
    """

    text: str
    family: str
    name: str
    arguments: tuple[tuple[str, ...], ...]
    template: str
    file: str = ""

    @property
    def is_compared(self) -> bool:
        """Whether the comparison looks at it: time and chance have no second answer, nor what the evaluator lacks."""
        return self.family != SESSION and self.file != APPROXIMATE

    @property
    def hash(self) -> str:
        """Of the line and of every macro and helper that it uses, however far down."""
        parts, ahead, seen = [self.text], _OWN.findall(self.template), set[str]()
        while ahead:
            if (name := ahead.pop()) not in seen:
                seen.add(name)
                definition = macros().get(name) or inspect.getsource(helpers.HELPERS[name].function)
                parts.append(definition)
                ahead += _OWN.findall(definition)
        return hashlib.sha256("\n".join([parts[0], *sorted(parts[1:])]).encode()).hexdigest()[:16]

    def fits(self, kinds: Sequence[Type]) -> bool:
        """Whether the line is for arguments of these types."""
        patterns = list(self.arguments)
        if patterns and patterns[-1][0].endswith("..."):
            more = tuple(pattern.removesuffix("...") for pattern in patterns.pop())
            patterns += [more] * (len(kinds) - len(patterns))
        if len(patterns) != len(kinds):
            return False
        return all(any(_fits(one, kind) for one in either) for either, kind in zip(patterns, kinds, strict=True))

    def fill(self, arguments: Sequence[str], module: Module | None = None, **places: str) -> str:
        """The template with the arguments in it.

        Args:
            arguments: Their SQL.
            module: Makes, from the SQL of the arguments, SQL that has Google's module evaluate the same call.
            places: What the other places stand for.
        """

        def filled(values: Sequence[str]) -> str:
            more = {**places, "MODULE": module(values)} if module and _MODULE in self.template else places
            return _PLACE.sub(lambda found: _filled(found[1], values, more), self.template)

        if self.family in (AGGREGATES, WINDOWS) or not self._repeats():
            return filled(arguments)
        return hold(arguments, filled)

    def _repeats(self) -> bool:
        """Whether an argument may stand in the SQL more than once."""
        return (
            bool(_OWN.search(self.template))
            or _MODULE in self.template
            or "{*:nul}" in self.template
            or any(self.template.count(f"{{{number}}}") > 1 for number in range(len(self.arguments)))
        )


def _fits(pattern: str, kind: Type) -> bool:
    if pattern == "?":
        return kind.kind != "ENUM"
    if pattern == "ORDERED":
        return types.is_ordered(kind)
    return pattern in (str(kind), kind.kind if kind.kind in ("ARRAY", "RANGE") else "")


def _filled(place: str, arguments: Sequence[str], places: dict[str, str]) -> str:
    if place.isdigit():
        return arguments[int(place)]
    if place == "*":
        return ", ".join(arguments)
    if place == "*:nul":
        return ", ".join(f"{argument} IS NULL" for argument in arguments)
    if place.startswith("*:"):
        return f" {place[2:]} ".join(arguments)
    return places[place]


def _split(text: str) -> list[str]:
    """Splits at the commas that are not inside <>."""
    return [part.strip() for part in re.split(r",(?![^<]*>)", text)] if text.strip() else []


def _read(file: Path, family: str) -> list[Line]:
    lines = []
    for text in file.read_text(encoding="utf-8").splitlines():
        if text and not text.startswith("--"):
            head, template = text.split(" = ", 1)
            name, arguments = head.rstrip(")").split("(", 1)
            patterns = tuple(tuple(part.split("|")) for part in _split(arguments))
            lines.append(Line(text, family, name, patterns, template, file.name))
    return lines


@cache
def all_lines() -> tuple[Line, ...]:
    """Every line of the table, used or not."""
    special = {
        "aggregates.sql": AGGREGATES,
        APPROXIMATE: AGGREGATES,
        "windows.sql": WINDOWS,
        "casts.sql": CASTS,
        "session.sql": SESSION,
    }
    files = sorted(file for file in FOLDER.glob("*.sql") if file.name != "macros.sql")
    return tuple(line for file in files for line in _read(file, special.get(file.name, SCALARS)))


@cache
def macros() -> dict[str, str]:
    """DuckDB's macros that templates use, by name: `name(a, b) AS expression`."""
    text = (FOLDER / "macros.sql").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("--")]
    return {line.split("(", 1)[0]: line for line in lines}


def versions() -> str:
    """What else a comparison holds for."""
    return f"duckdb {duckdb.__version__}, {package.PACKAGE} {package.VERSION}"


@cache
def compared() -> dict[str, int]:
    """The hashes of the lines that passed the comparison, with the number of values; empty for another DuckDB."""
    if not LOCK.exists():
        return {}
    head, *entries = LOCK.read_text(encoding="utf-8").splitlines()
    if head.removeprefix("# ") != versions():
        return {}
    return {entry.split()[0]: int(entry.split()[1]) for entry in entries}


@cache
def _by_name() -> dict[tuple[str, str], list[Line]]:
    found: dict[tuple[str, str], list[Line]] = {}
    for line in all_lines():
        found.setdefault((line.family, line.name), []).append(line)
    return found


_trusted: set[str] = set()


def trust(lines: Sequence[Line]) -> None:
    """Lets lines count although they are not in the lock: only the comparison itself may do so."""
    _trusted.update(line.text for line in lines)


def lookup(family: str, name: str, kinds: Sequence[Type], is_window: bool = False) -> Line | None:
    """The line for a function with arguments of these types; None if there is none that counts.

    Args:
        family: Which part of the table.
        name: The function.
        kinds: The types of its arguments.
        is_window: Whether an aggregate function is called with OVER, which is compared by itself.
    """
    for line in _by_name().get((family, name), ()):
        if line.fits(kinds) and (line.text in _trusted or _counts(line, is_window)):
            return line
    return None


def is_used(line: Line) -> bool:
    """Whether a line counts, as it is."""
    return _counts(line, False)


@cache
def _counts(line: Line, is_window: bool) -> bool:
    if not line.is_compared:
        return not is_window
    return line.hash + (OVER if is_window else "") in compared()

"""Names of tables: `p.d.t` in one pair of backticks means the same as p.d.t, and names the table `t`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<skip>(?:[rR]?[bB]?|[bB][rR])(?:'''(?:\\.|(?!''').)*'''|\"\"\"(?:\\.|(?!\"\"\").)*\"\"\"
        |'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|\#[^\n]*|--[^\n]*|/\*.*?\*/)|`(?P<name>(?:\\.|[^`\\])*)`""",
    re.DOTALL | re.VERBOSE,
)
_DOTTED_CALL = re.compile(r"[.`][^\S\n]*`?[^\s`().,;'\"]*`?\s*\(")
_QUALIFIES = re.compile(r"\s*\.")
_PLACE = re.compile(r"\[at (\d+):(\d+)\]")
_DOTS_OF_A_DOMAIN = re.compile(r"^([^.:]+\.[^.:]+:[^.]+)\.(.*)$")
"""A project of a domain, such as `example.com:project`, has a dot of its own."""


@dataclass(frozen=True)
class Edit:
    """Another text for a part of a statement.

    Attributes:
        start: The part's first character.
        end: The one behind its last.
        text: Instead of it, on one line.
    """

    start: int
    end: int
    text: str


@dataclass
class Statement:
    """A statement as the module gets it.

    Attributes:
        sql: With each table's path in backticks split into its parts.
        shifts: For each split, its line and column in `sql`, and how many characters it added.
    """

    sql: str
    shifts: list[tuple[int, int, int]] = field(default_factory=list)

    def edited(self, edits: Iterable[Edit]) -> Statement:
        """The statement with parts of it replaced; one with a line's end in it stays."""
        new, end = Statement("", list(self.shifts)), 0
        for edit in sorted(edits, key=lambda one: one.start):
            if "\n" in self.sql[edit.start : edit.end]:
                continue
            new.sql += self.sql[end : edit.start]
            line, column = new.sql.count("\n") + 1, len(new.sql) - (new.sql.rfind("\n") + 1) + 1
            more = len(edit.text) - (edit.end - edit.start)
            new.shifts = [
                (at, start + more if at == line and start > column else start, by) for at, start, by in new.shifts
            ]
            new.shifts.append((line, column, more))
            new.sql, end = new.sql + edit.text, edit.end
        new.sql += self.sql[end:]
        return new

    def place(self, sentence: str) -> str:
        """Turns the place in an error's sentence into the place in the statement as it was sent."""
        return _PLACE.sub(lambda found: self._back(int(found[1]), int(found[2])), sentence)

    def _back(self, line: int, column: int) -> str:
        added = sum(more for where, start, more in self.shifts if where == line and start < column)
        return f"[at {line}:{column - added}]"


def parts(path: Iterable[str]) -> tuple[str, ...]:
    """A table's path in single parts, as (project, dataset, table) or its end."""
    joined = ".".join(path)
    found = _DOTS_OF_A_DOMAIN.match(joined)
    return (found[1], *found[2].split(".")) if found else tuple(joined.split("."))


def has_dotted_call(sql: str) -> bool:
    """Whether a call of a function with dots or backticks in its name may be in a text; False is certain."""
    return bool(re.search(r"(?i)\bCALL\b", sql) or _DOTTED_CALL.search(sql))


def with_named_parameters(sql: str) -> str:
    """The statement with @p1, @p2, ... in the place of its positional parameters."""
    pieces, end, count = [], 0, itertools.count(1)

    def named(text: str) -> str:
        return re.sub(r"\?", lambda found: f"@p{next(count)}", text)

    for token in TOKEN.finditer(sql):
        pieces += [named(sql[end : token.start()]), token[0]]
        end = token.end()
    return "".join([*pieces, named(sql[end:])])


def split_paths(sql: str, paths: Iterable[tuple[str, ...]]) -> Statement:
    """Splits names in backticks that are tables' paths, or parts of them, with dots.

    In front of a column, as in `` `d.t`.x ``, such a path stands for the table's alias, which is `t`.

    Args:
        sql: A statement.
        paths: The paths of its tables, in single parts.
    """
    ranges = [(path, i, j) for path in paths for i in range(len(path)) for j in range(i + 2, len(path) + 1)]
    dotted = {".".join(path[i:j]): path[i:j] for path, i, j in ranges}
    whole = {".".join(path[i:j]) for path, i, j in ranges if j == len(path)}
    statement = Statement("")
    end = 0
    for token in TOKEN.finditer(sql):
        if (name := token["name"]) is not None and name in dotted:
            statement.sql += sql[end : token.start()]
            is_alias = name in whole and _QUALIFIES.match(sql, token.end())
            written = ".".join(f"`{part}`" for part in (dotted[name][-1:] if is_alias else dotted[name]))
            line_start = statement.sql.rfind("\n") + 1
            place = (statement.sql.count("\n") + 1, len(statement.sql) - line_start + 1, len(written) - len(token[0]))
            statement.shifts.append(place)
            statement.sql += written
            end = token.end()
    statement.sql += sql[end:]
    return statement

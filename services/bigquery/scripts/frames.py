"""What a running script or procedure has: its variables, and where an error in it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.bigquery.errors import BigQueryError, invalid_query
from services.bigquery.scripts.syntax import Source
from services.bigquery.types import Type

Value = tuple[Type, Any]
_TEXT, _INTEGER = Type("STRING"), Type("INT64")
_TRACE = Type(
    "ARRAY",
    Type("STRUCT", fields=(("line", _INTEGER), ("column", _INTEGER), ("filename", _TEXT), ("location", _TEXT))),
)
"""The type of @@error.stack_trace."""


class Variable(NamedTuple):
    """A variable of a script.

    Attributes:
        kind: Its type.
        value: Its plain value.
        declared: Its type as DECLARE has it, if that has parameters, such as `STRING(3)`; otherwise empty.
    """

    kind: Type
    value: Any
    declared: str = ""


@dataclass
class Frame:
    """Variables of a script or procedure; inner blocks come last.

    Attributes:
        start: Where its statements begin in the source, in bytes: that is line 1, column 1 of a stack trace.
        procedure: Its full name; None for a script.
    """

    source: Source
    blocks: list[dict[str, Variable]] = field(default_factory=lambda: [{}])
    start: int = 0
    procedure: str | None = None

    def visible(self) -> dict[str, Value]:
        """The variables that a statement sees."""
        found: dict[str, Value] = {}
        for block in self.blocks:
            found.update({name: (one.kind, one.value) for name, one in block.items()})
        return found

    def block_of(self, name: str) -> dict[str, Variable]:
        """The block that declares a variable.

        Raises:
            BigQueryError: None does.
        """
        for block in self.blocks[::-1]:
            if name in block:
                return block
        raise invalid_query(f"Undeclared variable: {name}")


@dataclass
class Failure:
    """Where an error came from.

    Attributes:
        error: The error.
        statement: The text of the statement that failed.
        places: That statement, and the CALL statements on the way up; the innermost comes first.
    """

    error: BigQueryError
    statement: str
    places: list[tuple[Frame, Any]]

    def variables(self, callers: Sequence[tuple[Frame, Any]]) -> dict[str, Value]:
        """@@error.statement_text and the like, in a handler that was called by `callers`, the innermost last.

        https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language#beginexceptionend
        """
        trace, texts = [], []
        for frame, node in (*self.places, *reversed(callers)):
            line, column = frame.source.place(node, frame.start)
            trace.append({"f0": line, "f1": column, "f2": None, "f3": frame.procedure})
            texts.append(f"At {frame.procedure or ''}[{line}:{column}]")
        return {
            "error.message": (_TEXT, self.error.message),
            "error.statement_text": (_TEXT, self.statement),
            "error.stack_trace": (_TRACE, trace),
            "error.formatted_stack_trace": (_TEXT, "\n".join(texts)),
        }

"""The statements of a script, with their texts; the interpreter walks over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.bigquery.language import tree
from services.bigquery.language.analyzer import syntax_of
from services.bigquery.language.pool import Pool


def syntax_node(message: Any) -> Any:
    """The concrete node inside `AnyAST...` messages; None if there is none."""
    while message is not None and message.DESCRIPTOR.name.startswith("Any"):
        field = message.WhichOneof("node")
        message = getattr(message, field) if field else None
    return message


def kind_of(node: Any) -> str:
    """A node's kind: `IfStatement` of an `ASTIfStatementProto`."""
    return str(node.DESCRIPTOR.name).removeprefix("AST").removesuffix("Proto")


@dataclass(frozen=True)
class Source:
    """The text that a syntax tree was made of; its places count bytes."""

    data: bytes

    def text(self, node: Any) -> str:
        """The text of a node."""
        place = tree.get(node, "parse_location_range")
        return self.data[place.start : place.end].decode()

    def start(self, node: Any) -> int:
        """Where a node begins, in bytes."""
        return int(tree.get(node, "parse_location_range").start)

    def place(self, node: Any, start: int = 0) -> tuple[int, int]:
        """The line and column of a node, from 1; `start` is where line 1, column 1 is."""
        before = self.data[start : self.start(node)].decode()
        return before.count("\n") + 1, len(before) - before.rfind("\n")

    def statement(self, node: Any) -> str:
        """The text of a statement behind as much white space as text stands before it: its errors name their place."""
        place = tree.get(node, "parse_location_range")
        before = self.data[: place.start].decode()
        return "".join("\n" if char == "\n" else " " for char in before) + self.text(node)

    def query(self, node: Any) -> str:
        """SELECT of an expression, which stays in its place where there is room for the word before it."""
        text = self.statement(node)
        bare = text.lstrip()
        space, word = text[: len(text) - len(bare)], "SELECT ("
        if space.endswith(" " * len(word)):
            space = space[: -len(word)]
        return f"{space}{word}{bare})"


@dataclass(frozen=True)
class Parsed:
    """A parsed script.

    Attributes:
        source: Its text.
        statements: Its statements.
    """

    source: Source
    statements: Sequence[Any]

    @property
    def is_script(self) -> bool:
        """Whether it is more than one statement that can be sent as it is."""
        kinds = [kind_of(node) for node in self.statements]
        return len(kinds) != 1 or kinds[0] in OWN


def parse(pool: Pool, sql: str) -> Parsed:
    """Parses a script; a single statement is one, too.

    Raises:
        BigQueryError: Google's sentence.
    """
    found = syntax_of(pool, sql)
    return Parsed(Source(sql.encode()), statements(found.statement_list_node))


def statements(listed: Any) -> list[Any]:
    """The statements of a list."""
    return [syntax_node(one) for one in listed.statement_list]


OWN = {
    "VariableDeclaration", "SingleAssignment", "AssignmentFromStruct", "SystemVariableAssignment", "IfStatement",
    "CaseStatement", "BeginEndBlock", "WhileStatement", "RepeatStatement", "ForInStatement", "BreakStatement",
    "ContinueStatement", "ReturnStatement", "RaiseStatement", "ExecuteImmediateStatement", "CallStatement",
}  # fmt: skip
"""What the interpreter carries out itself; all other statements are run as they are."""

"""What a statement's text shows before it is analyzed: whether it is a script, and what ALTER names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.bigquery.language import names, tree
from services.bigquery.language.analyzer import syntax_of
from services.bigquery.language.pool import Pool
from services.bigquery.scripts.syntax import kind_of, syntax_node

_SCRIPT = re.compile(
    r"\s*(?:BEGIN|DECLARE|SET|IF|LOOP|WHILE|REPEAT|FOR|CASE|CALL|EXECUTE|RAISE|RETURN|COMMIT|ROLLBACK)\b", re.IGNORECASE
)
_CONTENT = re.compile(r"\S")


def is_script(sql: str) -> bool:
    """Whether it may have several statements, or one that only scripts have; the parser knows for certain."""
    return bool(_SCRIPT.match(_without_comments(sql))) or _has_several(sql)


def _tokens(sql: str) -> list[tuple[str, bool]]:
    """The text in pieces; True for strings, comments and names in backticks."""
    pieces, end = [], 0
    for token in names.TOKEN.finditer(sql):
        pieces += [(sql[end : token.start()], False), (token[0], True)]
        end = token.end()
    return [*pieces, (sql[end:], False)]


def _without_comments(sql: str) -> str:
    return "".join(text for text, is_token in _tokens(sql) if not (is_token and text[:1] in "#-/"))


def _has_several(sql: str) -> bool:
    if ";" not in sql:
        return False
    plain = "".join(("" if text[:1] in "#-/" else "x") if is_token else text for text, is_token in _tokens(sql))
    return bool(_CONTENT.search(plain.partition(";")[2].replace(";", "")))


_ALTER = re.compile(r"\s*ALTER\b", re.IGNORECASE)


@dataclass(frozen=True)
class Altered:
    """The table that ALTER names; the parser does not count it among the tables of a statement."""

    path: tuple[str, ...]
    is_if_exists: bool


def altered(pool: Pool, sql: str) -> Altered | None:
    """What an ALTER statement names; None of another statement, and of ALTER SCHEMA.

    Raises:
        BigQueryError: It cannot be parsed.
    """
    if not _ALTER.match(_without_comments(sql)):
        return None
    node = syntax_node(syntax_of(pool, sql).statement_list_node.statement_list[0])
    is_schema = "Schema" in kind_of(node)
    while node is not None and "path" not in node.DESCRIPTOR.fields_by_name:
        node = node.parent if "parent" in node.DESCRIPTOR.fields_by_name else None
    if node is None or is_schema:
        return None
    return Altered(tuple(part.id_string for part in node.path.names), node.is_if_exists)


_LOAD = re.compile(r"\s*LOAD\b", re.IGNORECASE)


def loaded(pool: Pool, sql: str) -> tuple[str, ...]:
    """The parts of the name of LOAD DATA's table; empty for another statement.

    Raises:
        BigQueryError: It cannot be parsed.
    """
    if not _LOAD.match(_without_comments(sql)):
        return ()
    node = syntax_node(syntax_of(pool, sql).statement_list_node.statement_list[0])
    return names.parts([part.id_string for part in tree.get(node, "name").names])

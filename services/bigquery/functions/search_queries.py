"""SEARCH: a query of terms, AND, OR and parentheses over the texts in a value.

https://cloud.google.com/bigquery/docs/reference/standard-sql/search_functions#search
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from services.bigquery import types
from services.bigquery.errors import NotBuilt
from services.bigquery.functions import analyzers
from services.bigquery.functions.analyzers import Analyzer, analyzer
from services.bigquery.types import Type

_RESERVED = re.escape("[]<>(){}|!'\"*&?+/:=-\\~^")
_PART = re.compile(
    rf"""(?P<space>\s+)|(?P<bracket>[()])|`(?P<exact>(?:\\`|[^`])+)`|"(?P<phrase>(?:\\"|[^"])+)"
    |(?P<word>(?:\\[`{_RESERVED}]|[^\s`{_RESERVED}])+)""",
    re.VERBOSE,
)
_WORDS = ("AND", "OR", "NOT", "IN", "NEAR")
_SCOPES = (None, "JSON_VALUES", "JSON_KEYS", "JSON_KEYS_AND_VALUES")


@dataclass(frozen=True)
class _Data:
    """A text that is searched."""

    text: str
    tokens: Sequence[str]
    known: frozenset[str]


Test = Callable[[_Data], bool]


def search(
    kind: Type,
    value: Any,
    query: str | None,
    scope: str | None = None,
    name: str | None = None,
    options: str | None = None,
) -> bool | None:
    """SEARCH.

    Raises:
        ValueError: The query is NULL, or is none.
        NotBuilt: The value has JSON in it, or the documentation does not say what the query means.
    """
    if query is None:
        raise ValueError("the search query must not be NULL")
    if scope not in _SCOPES:
        raise ValueError("json_scope must be JSON_VALUES, JSON_KEYS or JSON_KEYS_AND_VALUES")
    if types.contains(kind, "JSON"):
        raise NotBuilt("SEARCH in JSON")
    tokenizer, matches = analyzer(name, options), _query(query, name, options)
    is_unknown = False
    for text in _texts(kind, value):
        if text is None:
            is_unknown = True
        else:
            tokens = tokenizer.tokens(text)
            if matches(_Data(text, tokens, frozenset(tokens))):
                return True
    return None if is_unknown else False


def _texts(kind: Type, value: Any) -> Iterator[str | None]:
    """The strings in a value, None for each that is NULL; other types have none."""
    if not types.contains(kind, "STRING"):
        return
    if value is None or kind.kind == "STRING":
        yield value
    elif kind.kind == "ARRAY":
        for item in value:
            yield from _texts(kind.part, item)
    else:
        for number, (_, part) in enumerate(kind.fields):
            yield from _texts(part, value[f"f{number}"])


@lru_cache(maxsize=256)
def _query(text: str, name: str | None, options: str | None) -> Test:
    tokenizer = analyzer(name, options)
    if tokenizer.name == analyzers.NO_OP:
        return lambda data: data.text == text
    parts = _Parts(tokenizer, text)
    found = parts.either()
    if parts.ahead:
        raise ValueError(f"the search query is not well-formed: {text}")
    if found is None:
        raise ValueError("the search query has no tokens")
    return found


@dataclass
class _Parts:
    """A query while it is read."""

    tokenizer: Analyzer
    text: str
    ahead: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        place, text = 0, self.text.strip()
        while place < len(text):
            found = _PART.match(text, place)
            if found is None or found.lastgroup is None:
                raise ValueError(f"the search query has a reserved character that is not escaped: {text[place:]}")
            self.ahead.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()

    def either(self) -> Test | None:
        """Terms joined by OR, which binds least."""
        several = [self._all()]
        while self._take("word", "OR"):
            several.append(self._all())
        tests = [test for test in several if test is not None]
        if 0 < len(tests) < len(several):
            raise NotBuilt("SEARCH with OR beside a term without tokens")
        return (lambda data: any(test(data) for test in tests)) if tests else None

    def _all(self) -> Test | None:
        """Terms joined by AND or white space."""
        tests = [self._one()]
        while self._goes_on():
            tests.append(self._one())
        found = [test for test in tests if test is not None]
        return (lambda data: all(test(data) for test in found)) if found else None

    def _goes_on(self) -> bool:
        is_apart = self._take("space")
        if self._take("word", "AND"):
            return True
        if not self.ahead or self.ahead[0] in (("bracket", ")"), ("word", "OR")):
            return False
        if not is_apart:
            raise ValueError(f"the search query needs a space before {self.ahead[0][1]}")
        return True

    def _one(self) -> Test | None:
        self._take("space")
        if self._take("bracket", "("):
            found = self.either()
            self._take("space")
            if not self._take("bracket", ")"):
                raise ValueError("the search query has a parenthesis that is not closed")
            return found
        if not self.ahead or self.ahead[0][0] == "bracket":
            raise ValueError(f"the search query lacks a term: {self.text}")
        sort, text = self.ahead.pop(0)
        return {"word": self._word, "phrase": self._phrase, "exact": self._exact}[sort](text)

    def _take(self, sort: str, text: str = "") -> bool:
        is_next = bool(self.ahead) and self.ahead[0][0] == sort and text in ("", self.ahead[0][1])
        if is_next:
            self.ahead.pop(0)
        return is_next

    def _word(self, text: str) -> Test | None:
        if text in _WORDS:
            raise ValueError(f"the search query has a reserved word, which needs backticks: {text}")
        if text.upper() in _WORDS:
            raise NotBuilt(f"SEARCH with the reserved word {text} outside of backticks")
        wanted = frozenset(self.tokenizer.tokens(re.sub(r"\\(.)", r"\1", text)))
        return (lambda data: wanted <= data.known) if wanted else None

    def _phrase(self, text: str) -> Test | None:
        wanted = list(self.tokenizer.tokens(text.replace('\\"', '"')))
        size = len(wanted)

        def matches(data: _Data) -> bool:
            last = len(data.tokens) - size
            return any(list(data.tokens[start : start + size]) == wanted for start in range(last + 1))

        return matches if wanted else None

    def _exact(self, text: str) -> Test:
        """Text as it is, from the start or after a delimiter, to the end or before one."""
        if self.tokenizer.name != analyzers.LOG:
            raise NotBuilt("SEARCH with backticks and PATTERN_ANALYZER")
        wanted, around = text.replace("\\`", "`"), self.tokenizer.delimiters

        def matches(data: _Data) -> bool:
            start = data.text.find(wanted)
            while start >= 0:
                end = start + len(wanted)
                is_begin = start == 0 or data.text.endswith(around, 0, start)
                if is_begin and (end == len(data.text) or data.text.startswith(around, end)):
                    return True
                start = data.text.find(wanted, start + 1)
            return False

        return matches

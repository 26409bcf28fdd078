"""Text analyzers: how SEARCH and TEXT_ANALYZE break text into tokens.

https://cloud.google.com/bigquery/docs/reference/standard-sql/text-analysis
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.bigquery.errors import NotBuilt
from services.bigquery.functions.texts import FORMS, normalize, normalize_and_casefold

LOG, NO_OP, PATTERN = "LOG_ANALYZER", "NO_OP_ANALYZER", "PATTERN_ANALYZER"
_DELIMITERS = (
    "\n", "\r", " ", "\t", *"[]<>(){}|!;,'\"*&?+/:=@.-$%\\_",
    *"""%21 %26 %2526 %3B %3b %7C %7c %20 %2B %2b %3D %3d %2520 %5D %5d %5B %5b %3A %3a %0A %0a %2C %2c
    %28 %29""".split(),
)  # fmt: skip
_MOST_DELIMITER = 16
_WORDS = re.compile(r"\b\w{2,}\b", re.ASCII)
"""What PATTERN_ANALYZER finds unless `patterns` says otherwise."""

Filter = Callable[[Sequence[str]], Sequence[str]]


@dataclass(frozen=True)
class Analyzer:
    """An analyzer with its options.

    Attributes:
        name: One of the three.
        delimiters: What separates the tokens of LOG_ANALYZER.
        filters: What is done with the tokens, one after the other.
    """

    name: str
    delimiters: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()

    def tokens(self, text: str) -> Sequence[str]:
        """The tokens of a text, in order."""
        if self.name == NO_OP:
            return [text]
        found: Sequence[str] = _WORDS.findall(text)
        if self.name == LOG:
            # The longer of two delimiters goes first
            ordered = sorted(self.delimiters, key=len, reverse=True)
            pattern = "|".join(map(re.escape, ordered))
            found = [part for part in (re.split(pattern, text) if pattern else [text]) if part]
        for one in self.filters:
            found = one(found)
        return found


@lru_cache(maxsize=256)
def analyzer(name: str | None, options: str | None) -> Analyzer:
    """An analyzer by its name, LOG_ANALYZER if there is none, and its options in JSON.

    Raises:
        ValueError: There is no such analyzer or option.
        NotBuilt: It has patterns of its own, which are RE2's and not Python's.
    """
    name = name or LOG
    if name not in (LOG, NO_OP, PATTERN):
        raise ValueError(f"analyzer must be {LOG}, {NO_OP} or {PATTERN}, but is {name}")
    given = _object(options)
    allowed = {LOG: {"delimiters", "token_filters"}, PATTERN: {"patterns", "token_filters"}, NO_OP: set()}[name]
    if unknown := sorted(set(given) - allowed):
        raise ValueError(f"analyzer_options of {name} cannot have {unknown[0]}")
    if "patterns" in given:
        raise NotBuilt("patterns of PATTERN_ANALYZER")
    delimiters = given.get("delimiters", list(_DELIMITERS))
    if not _is_texts(delimiters) or any(not 0 < len(one) <= _MOST_DELIMITER or not one.isascii() for one in delimiters):
        raise ValueError(f"delimiters must be a list of ASCII strings of 1 to {_MOST_DELIMITER} characters")
    filters = given.get("token_filters", [{"normalizer": {"mode": "LOWER"}}])
    if not isinstance(filters, list):
        raise ValueError("token_filters must be a list")
    return Analyzer(name, tuple(delimiters), tuple(_filter(one) for one in filters))


def text_analyze(text: str, name: str | None, options: str | None) -> list[str]:
    """TEXT_ANALYZE."""
    return list(analyzer(name, options).tokens(text))


def _object(options: str | None) -> dict[str, Any]:
    if options is None:
        return {}
    try:
        found = json.loads(options)
    except ValueError as error:
        raise ValueError("analyzer_options must be JSON") from error
    if not isinstance(found, dict):
        raise ValueError("analyzer_options must be an object")
    return found


def _is_texts(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(one, str) for one in found)


def _filter(given: Any) -> Filter:
    if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in ("stop_words", "normalizer"):
        raise ValueError("each of token_filters must be an object with either stop_words or normalizer")
    if "stop_words" in given:
        words = given["stop_words"]
        if not _is_texts(words) or not words:
            raise ValueError("stop_words must be a list of at least one string")
        return lambda tokens: [token for token in tokens if token not in words]
    change = _normalizer(given["normalizer"])
    return lambda tokens: [change(token) for token in tokens]


def _normalizer(given: Any) -> Callable[[str], str]:
    """A change of a token; https://cloud.google.com/bigquery/docs/reference/standard-sql/text-analysis#token_filters."""
    about = given if isinstance(given, dict) else {}
    mode, form, folds = about.get("mode"), about.get("icu_normalize_mode"), about.get("icu_case_folding")
    plain: dict[Any, Callable[[str], str]] = {"NONE": str, "LOWER": _ascii_lower, "UNICODE_LOWER": str.lower}
    is_known = not set(about) - {"mode", "icu_normalize_mode", "icu_case_folding"}
    if is_known and mode in plain and form is None and folds is None:
        return plain[mode]
    if not is_known or mode != "ICU_NORMALIZE" or form not in (None, *FORMS) or folds not in (None, True, False):
        raise ValueError("normalizer must have a mode, and with ICU_NORMALIZE icu_normalize_mode and icu_case_folding")
    call = normalize if folds is False else normalize_and_casefold
    return lambda token: call(token, form or "NFKC")


def _ascii_lower(text: str) -> str:
    return re.sub("[A-Z]+", lambda found: found[0].lower(), text)

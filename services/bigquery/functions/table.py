"""The table of functions that Python computes, because Google's module does not: by the analyzer's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from services.bigquery import types
from services.bigquery.functions import domains, hll, kll, texts
from services.bigquery.functions.analyzers import text_analyze
from services.bigquery.functions.search import contains_substr
from services.bigquery.functions.search_queries import search
from services.bigquery.types import Type


@dataclass(frozen=True)
class Entry:
    """A function.

    Attributes:
        name: As messages have it.
        call: Gets the types of the arguments, and their plain values.
        needed: How many of its first arguments make the result NULL when they are NULL; all of them if it is None.
    """

    name: str
    call: Callable[[Sequence[Type], Sequence[Any]], Any]
    needed: int | None = None


def _plain(name: str, call: Callable[..., Any], needed: int | None = None) -> Entry:
    """A function that does not look at types."""
    return Entry(name, lambda kinds, values: call(*values), needed)


def _init(kinds: Sequence[Type], values: Sequence[Any]) -> bytes | None:
    numbers = [types.decimal_of(one) if kinds[0].part.kind == "BIGNUMERIC" else one for one in values[0]]
    return hll.init(numbers, *values[1:])


def _of_both(sort: str, call: Callable[..., Any], needed: int | None = None) -> dict[str, Entry]:
    """A function of KLL sketches for each of the types that they are of."""
    names = {name: f"KLL_QUANTILES.{sort}_{name}" for name in ("INT64", "FLOAT64")}
    return {shown.lower(): _plain(shown, partial(call, name), needed) for name, shown in names.items()}


SCALARS: Mapping[str, Entry] = {
    "normalize": _plain("NORMALIZE", texts.normalize),
    "normalize_and_casefold": _plain("NORMALIZE_AND_CASEFOLD", texts.normalize_and_casefold),
    "to_base32": _plain("TO_BASE32", texts.to_base32),
    "from_base32": _plain("FROM_BASE32", texts.from_base32),
    "contains_substr": Entry("CONTAINS_SUBSTR", lambda kinds, values: contains_substr(kinds[0], *values), 1),
    "net.public_suffix": _plain("NET.PUBLIC_SUFFIX", domains.public_suffix),
    "net.reg_domain": _plain("NET.REG_DOMAIN", domains.reg_domain),
    "search": Entry("SEARCH", lambda kinds, values: search(kinds[0], *values), 0),
    "text_analyze": _plain("TEXT_ANALYZE", text_analyze, 1),
    "hll_count.extract": _plain("HLL_COUNT.EXTRACT", hll.extract, 0),
    **_of_both("EXTRACT", kll.extract),
    **_of_both("EXTRACT_POINT", kll.extract_point),
}
AGGREGATES: Mapping[str, Entry] = {
    "hll_count.init": Entry("HLL_COUNT.INIT", _init, 0),
    "hll_count.merge": _plain("HLL_COUNT.MERGE", hll.merge, 0),
    "hll_count.merge_partial": _plain("HLL_COUNT.MERGE_PARTIAL", hll.merge_partial, 0),
    "kll_quantiles.merge_partial": _plain("KLL_QUANTILES.MERGE_PARTIAL", kll.merge_partial, 0),
    **_of_both("INIT", kll.init, 0),
    **_of_both("MERGE", kll.merge, 0),
    **_of_both("MERGE_POINT", kll.merge_point, 0),
}
"""Over the list of all values without NULL, which is empty where there are none."""

"""The table of functions: each line is compared, and a line that is not compared does not count."""

from __future__ import annotations

import pytest

from services.bigquery.compiler.signatures import lines as signatures
from services.bigquery.compiler.signatures.lines import AGGREGATES, SCALARS, SESSION, WINDOWS, Line, lookup
from services.bigquery.types import Type

INTEGER, TEXT = Type("INT64"), Type("STRING")


def test_each_line_has_been_compared_or_is_named_as_waiting() -> None:
    """Run `python -m tests.conformance.differential --lock` after a change of a line, of DuckDB or of the module."""
    compared = signatures.compared()
    assert compared, "signatures.lock is for another DuckDB or another module"
    waiting = [line.text for line in signatures.all_lines() if line.is_compared and line.hash not in compared]
    assert waiting == signatures.WAITING.read_text(encoding="utf-8").splitlines()


def test_each_entry_of_the_lock_has_fifty_values_and_a_line() -> None:
    hashes = {line.hash for line in signatures.all_lines()}
    assert {entry.removesuffix(signatures.OVER) for entry in signatures.compared()} <= hashes
    assert min(signatures.compared().values()) >= 50


def test_a_line_that_is_not_in_the_lock_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lookup(SCALARS, "$add", [INTEGER, INTEGER]) is not None
    signatures._counts.cache_clear()
    monkeypatch.setattr(signatures, "compared", lambda: {})
    assert lookup(SCALARS, "$add", [INTEGER, INTEGER]) is None
    signatures._counts.cache_clear()


def test_the_hash_covers_macros_and_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line("f(INT64) = g_date({0})", SCALARS, "f", (("INT64",),), "g_date({0})")
    before = line.hash
    changed = {**signatures.macros(), "g_no_date": "g_no_date(sentence) AS NULL"}
    monkeypatch.setattr(signatures, "macros", lambda: changed)
    assert line.hash != before


@pytest.mark.parametrize(
    ("arguments", "kinds", "fits"),
    [
        ((("INT64", "NUMERIC"),), [Type("NUMERIC")], True),
        ((("STRING...",),), [TEXT, TEXT, TEXT], True),
        ((("STRING...",),), [], True),
        ((("ORDERED",),), [Type("DOUBLE")], False),
        ((("?",),), [Type("DOUBLE")], True),
        ((("ARRAY",),), [Type("ARRAY", TEXT)], True),
        ((("ARRAY<INT64>",),), [Type("ARRAY", TEXT)], False),
        ((("INT64",), ("INT64",)), [INTEGER], False),
    ],
)
def test_a_line_fits_arguments(arguments: tuple[tuple[str, ...], ...], kinds: list[Type], fits: bool) -> None:
    assert Line("", SCALARS, "f", arguments, "").fits(kinds) is fits


def test_families_come_from_the_files() -> None:
    families = {line.name: line.family for line in signatures.all_lines()}
    assert families["countif"] == AGGREGATES and families["ntile"] == WINDOWS and families["rand"] == SESSION

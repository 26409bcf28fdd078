from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from orionbox.runs.read_ahead import read_ahead


def test_the_items_come_in_their_order() -> None:
    assert list(read_ahead(range(100))) == list(range(100))
    assert list(read_ahead([])) == []


def test_the_next_item_is_read_while_one_is_in_use() -> None:
    made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        made.set()
        yield 2

    used = read_ahead(items())
    assert next(used) == 1
    assert made.wait(10)


def test_the_first_item_is_made_before_anyone_asks() -> None:
    begun = threading.Event()

    def items() -> Iterator[int]:
        begun.set()
        yield 1

    used = read_ahead(items())
    assert begun.wait(10)
    assert list(used) == [1]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the last line is bad")

    used = read_ahead(items())
    assert next(used) == 1
    with pytest.raises(ValueError, match="the last line is bad"):
        next(used)


def test_stopping_early_leaves_no_thread() -> None:
    before = threading.active_count()
    used = read_ahead(iter(range(10)))
    assert next(used) == 0
    used.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before

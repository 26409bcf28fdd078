"""Runs two pipeline stages concurrently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yields the same items; while one is in use, a thread reads the next. An error comes after the items before it.

    The thread starts on the first item at once.
    """
    reader = ThreadPoolExecutor(1, "read-ahead")
    iterator = iter(items)
    return _items(reader, iterator, reader.submit(next, iterator, _END))


def _items(reader: ThreadPoolExecutor, iterator: Iterator[Item], following: Future[Item | object]) -> Iterator[Item]:
    with reader:
        while (item := following.result()) is not _END:
            following = reader.submit(next, iterator, _END)
            yield item  # type: ignore[misc]  # mypy does not know that this is no _END

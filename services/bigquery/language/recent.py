"""What was found out last, so that a statement that comes again is not analyzed again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Found = TypeVar("Found")
MOST = 128
"""How many answers are kept."""
LARGEST = 64 * 1024
"""Bytes of an answer with its question; larger ones are not kept. In memory they take about three times as much."""


class Recent(Generic[Found]):
    """The answers that were used last, for any number of threads; nobody may change them."""

    def __init__(self) -> None:
        """Makes one without answers."""
        self._known: OrderedDict[Hashable, Found] = OrderedDict()
        self._lock = Lock()

    def get(self, question: Hashable) -> Found | None:
        """The answer, if it is kept."""
        with self._lock:
            if question in self._known:
                self._known.move_to_end(question)
            return self._known.get(question)

    def put(self, question: Hashable, answer: Found, size: int) -> None:
        """Keeps an answer of so many bytes, in place of the one that was not used for longest."""
        if size > LARGEST:
            return
        with self._lock:
            self._known[question] = answer
            if len(self._known) > MOST:
                self._known.popitem(last=False)

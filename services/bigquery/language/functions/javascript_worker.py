"""Evaluates JavaScript in a process of its own: V8 ends its process where memory is short.

Reads requests from standard input and writes answers to standard output.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import py_mini_racer

from services.bigquery.language.functions.pipes import read, write

CONTEXTS = 8
"""How many contexts with a compiled function are kept; each takes some megabytes."""
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (py_mini_racer.JSTimeoutException, "timeout"),
    (TimeoutError, "timeout"),
    (py_mini_racer.JSOOMException, "memory"),
    (py_mini_racer.JSParseException, "parse"),
    (py_mini_racer.JSEvalException, "evaluation"),
    (py_mini_racer.JSPromiseError, "evaluation"),
)


class _Contexts:
    """V8 contexts by the texts that they have evaluated."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Any] = OrderedDict()

    def evaluate(self, request: Any) -> str:
        """The value of a call."""
        options = {"timeout_sec": request["seconds"], "max_memory": request["memory"]}
        key = json.dumps(request["texts"])
        context = self._known.pop(key, None) or self._new(request["texts"], options)
        answer = context.eval(request["call"], **options)
        if isinstance(answer, py_mini_racer.JSPromise):
            answer = answer.get(timeout=request["seconds"])
        # One that has failed is not used again
        self._known[key] = context
        while len(self._known) > CONTEXTS:
            self._known.popitem(last=False)[1].close()
        return str(answer)

    def _new(self, texts: list[str], options: Any) -> Any:
        context = py_mini_racer.MiniRacer()
        for text in texts:
            context.eval(text, **options)
        return context


def _confine(most: int) -> None:
    """Limits what this process may have more than what V8 reserves at its start, which it mostly does not use."""
    first = py_mini_racer.MiniRacer()
    first.eval("0")
    first.close()
    with contextlib.suppress(ValueError, OSError):
        reserved = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (reserved + most, reserved + most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Answers until standard input ends."""
    _confine(int(sys.argv[1]))
    contexts = _Contexts()
    while (request := read(sys.stdin.buffer)) is not None:
        try:
            answer = {"value": contexts.evaluate(request)}
        except Exception as error:
            kind = next((name for sort, name in _KINDS if isinstance(error, sort)), "evaluation")
            answer = {"error": kind, "text": str(error)}
        write(sys.stdout.buffer, answer)


if __name__ == "__main__":
    main()

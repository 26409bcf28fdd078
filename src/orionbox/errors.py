"""Errors shown to the user.

OrionboxError           what is wrong and where, and a fix: what to do next
  BadInputError         invalid input; retrying does not help; the command line exits with 2
  CommandError          a program that failed or could not start; the command line exits with 1
  IncompleteRunError    a run in which not every row arrived in every store
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class OrionboxError(Exception):
    """An error with a text for the user.

    Args:
        text: what is wrong, and where.
        fix: what to do next. The command line prints it on a separate line.
    """

    def __init__(self, text: str, fix: str = "") -> None:
        # Both are arguments of the exception, so that it can be pickled on its way between processes
        super().__init__(text, fix)
        self.text, self.fix = text, fix

    def __str__(self) -> str:
        return f"{self.text}; {self.fix}" if self.fix else self.text


class BadInputError(OrionboxError, ValueError):
    """Invalid input; retrying does not help."""


class CommandError(OrionboxError):
    """A program that failed, or could not start."""


class IncompleteRunError(OrionboxError, RuntimeError):
    """A run in which not every row arrived in every store. Its text has one line per problem."""


def printable(text: str, keep: str = "") -> str:
    """Returns a text from a file or a server as a terminal can show it without being changed by it.

    Escape sequences, line feeds, and characters that turn the direction of writing are shown as Python writes them.

    Args:
        text: what to show.
        keep: characters that stay as they are, such as a line feed in a text of several lines.
    """
    return "".join(one if one.isprintable() or one in keep else one.encode("unicode_escape").decode() for one in text)


FAILED = "failed: "
"""How the line for an OrionboxError begins in the log of a run."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ` (did you mean NAME?)` with the known name that is most like the word; empty if none is."""
    similar = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {similar[0]}?)" if similar else ""


def describe(error: BaseException) -> str:
    """Returns the error in one line, prefixed with its class unless it is a BadInputError."""
    return str(error) if isinstance(error, BadInputError) else f"{type(error).__name__}: {error}"


def is_worth_a_retry(task: Any, task_run: Any, state: Any) -> bool:
    """Returns whether Prefect should retry the task (`retry_condition_fn`): after any failure except bad input."""
    return not isinstance(state.result(raise_on_failure=False), BadInputError)


RETRY_IO: dict[str, Any] = {"retries": 3, "retry_delay_seconds": 2, "retry_condition_fn": is_worth_a_retry}
"""For `@task(**RETRY_IO)`: retries a task when a network or a server fails for a moment."""

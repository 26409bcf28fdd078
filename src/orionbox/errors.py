"""The errors that a user gets to read.

OrionboxError           what is wrong and where, and a fix: what to do next
  BadInputError         input that no retry will make better; the command line exits with 2
  CommandError          a program that failed or could not start; the command line exits with 1
  IncompleteRunError    a run in which not every row arrived in every store
"""

from __future__ import annotations

from typing import Any


class OrionboxError(Exception):
    """An error with a text for the user.

    Args:
        text: what is wrong, and where.
        fix: what to do next. The command line prints it on a line of its own.
    """

    def __init__(self, text: str, fix: str = "") -> None:
        # Both are arguments of the exception, so that it can be pickled on its way between processes
        super().__init__(text, fix)
        self.text, self.fix = text, fix

    def __str__(self) -> str:
        return f"{self.text}; {self.fix}" if self.fix else self.text


class BadInputError(OrionboxError, ValueError):
    """Input that no retry will make better."""


class CommandError(OrionboxError, RuntimeError):
    """A program that failed, or could not start."""


class IncompleteRunError(OrionboxError, RuntimeError):
    """A run in which not every row arrived in every store. Its text has a line for each thing that went wrong."""


def describe(error: BaseException) -> str:
    """Returns the error in one line; its class is named only where the text was not written for the user."""
    return str(error) if isinstance(error, BadInputError) else f"{type(error).__name__}: {error}"


def is_worth_a_retry(task: Any, task_run: Any, state: Any) -> bool:
    """Tells Prefect's `retry_condition_fn` whether the failure may pass by itself, as bad input does not."""
    return not isinstance(state.result(raise_on_failure=False), BadInputError)


RETRY_IO: dict[str, Any] = {"retries": 3, "retry_delay_seconds": 2, "retry_condition_fn": is_worth_a_retry}
"""For `@task(**RETRY_IO)`: what a task does when a network or a server fails for a moment."""

"""Errors that a user can mend."""

from typing import Any


class BadInputError(ValueError):
    """Input that no retry will make better. Its text says what is wrong, where, and what to do next."""


class IncompleteRunError(RuntimeError):
    """A run in which not every row arrived everywhere. Its text has a line for each thing that went wrong."""


def describe(error: BaseException) -> str:
    """The error in one line; its kind is named only where the text was not written for the user."""
    return str(error) if isinstance(error, BadInputError) else f"{type(error).__name__}: {error}"


def is_worth_a_retry(task: Any, task_run: Any, state: Any) -> bool:
    """For Prefect's `retry_condition_fn`: whether the failure may pass by itself, as bad input does not."""
    return not isinstance(state.result(raise_on_failure=False), BadInputError)


RETRY_IO: dict[str, Any] = {"retries": 3, "retry_delay_seconds": 2, "retry_condition_fn": is_worth_a_retry}
"""For `@task(**RETRY_IO)`: how tasks meet a network or a server that fails for a moment."""


class CommandError(RuntimeError):
    """A program that ended with an error, or could not start; the text is for the user."""

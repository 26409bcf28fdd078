"""Shortens the log of runs: an error that says what is wrong and what to do needs no traceback.

Prefect logs every exception of a task and of a flow with its traceback. For an `OrionboxError`, Orion gets the error's
own text instead, and the traceback at level DEBUG, where Orion's page shows it on request. All other exceptions, those
of a student's own code among them, keep their traceback.

compose/flow.env names this module in PREFECT_EXTRA_ENTRYPOINTS, so Prefect imports it as the last step of its own
import.
"""

from __future__ import annotations

import copy
import logging

from orionbox.errors import FAILED, IncompleteRunError, OrionboxError

LOGGERS = ("prefect.flow_runs", "prefect.task_runs")
"""The loggers of Prefect's engine, whose handlers send to Orion (prefect/logging/logging.yml)."""


class ShortErrors(logging.Filter):
    """Replaces the record of an `OrionboxError` by the error's text, and sends its traceback at level DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Changes the record in place; drops that of a run whose months have said themselves what went wrong."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OrionboxError):
            _send_traceback(record)
            if isinstance(error, IncompleteRunError):
                return False  # the next line, "Finished in state Failed", has all of its text
            record.msg, record.args, record.exc_info, record.exc_text = f"{FAILED}{error}", (), None, None
        return True


def _send_traceback(record: logging.LogRecord) -> None:
    """Sends the traceback to Orion alone, and not to the terminal."""
    details = copy.copy(record)
    details.levelno, details.levelname = logging.DEBUG, "DEBUG"
    for handler in logging.getLogger(record.name).handlers:
        handler.handle(details)


def install() -> None:
    """Adds the filter to Prefect's loggers of runs, once."""
    for logger in map(logging.getLogger, LOGGERS):
        if not any(isinstance(known, ShortErrors) for known in logger.filters):
            logger.addFilter(ShortErrors())

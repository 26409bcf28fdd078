"""What Orion gets of an error: its text, and the traceback at level DEBUG."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from orionbox.errors import BadInputError, IncompleteRunError
from orionbox.prefect2 import short_errors


class Sent(logging.Handler):
    """What would be sent to Orion: level and text."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the line."""
        self.lines.append((record.levelname, self.format(record)))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    logger, handler = logging.getLogger("prefect.task_runs"), Sent()
    monkeypatch.setattr(logger, "handlers", [handler])  # Prefect's own needs a run, and may be there already
    short_errors.install()
    short_errors.install()
    yield handler
    for name in short_errors.LOGGERS:
        logging.getLogger(name).filters.clear()


def log(error: Exception) -> None:
    """Logs the error as Prefect's engine does."""
    try:
        raise error
    except Exception:
        logging.getLogger("prefect.task_runs").exception("Encountered exception during execution:")


def test_an_error_that_explains_itself_has_its_traceback_at_level_debug(sent: Sent) -> None:
    log(BadInputError("a.csv.gz, line 3: a zero byte", "correct the line"))
    (details, text), line = sent.lines
    assert line == ("ERROR", "failed: a.csv.gz, line 3: a zero byte; correct the line")
    assert details == "DEBUG" and "Traceback (most recent call last)" in text and "BadInputError" in text


def test_any_other_error_keeps_its_traceback(sent: Sent) -> None:
    log(KeyError("column"))
    ((level, text),) = sent.lines
    assert level == "ERROR" and text.startswith("Encountered exception") and "Traceback" in text


def test_a_run_does_not_repeat_what_its_months_have_said(sent: Sent) -> None:
    log(IncompleteRunError("a.csv.gz, line 3: a zero byte"))
    assert [level for level, _ in sent.lines] == ["DEBUG"]


def test_a_line_without_an_exception_stays_as_it_is(sent: Sent) -> None:
    logging.getLogger("prefect.task_runs").error("no %s", "space")
    assert sent.lines == [("ERROR", "no space")]

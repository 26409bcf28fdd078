"""Bars below the lines that are printed, one for each month that is on its way."""

from __future__ import annotations

import shutil
import sys
from typing import TextIO

from orionbox.runs.progress import Progress, parse

WIDTH = 24
"""Characters of a bar."""
UP_AND_CLEAR = "\x1b[{}F\x1b[J"
"""So many lines up, and all from there on away (ECMA-48: CPL, ED)."""


class Bars:
    """The bars of a run; on what is no terminal there are none, and progress is a line like any other.

    Args:
        stream: where lines and bars are printed.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._moving: dict[tuple[str, str], Progress] = {}
        self._drawn: list[str] = []

    def print(self, lines: list[tuple[str, str]]) -> None:
        """Prints what the log has new, and the bars anew.

        Args:
            lines: of each its beginning, as "  1.2 s  ", and its message.
        """
        printed = [f"{start}{message}" for start, message in lines if not (self._live and self._take(message))]
        drawn = [bar(progress, shutil.get_terminal_size().columns) for progress in self._moving.values()]
        if printed or drawn != self._drawn:
            self.clear()
            self._stream.writelines(f"{line}\n" for line in printed + drawn)
            self._stream.flush()
            self._drawn = drawn

    def clear(self) -> None:
        """Takes the bars away."""
        if self._drawn:
            self._stream.write(UP_AND_CLEAR.format(len(self._drawn)))
            self._drawn = []

    def _take(self, message: str) -> bool:
        """Notes what the message says of a month's way; True if it says nothing else."""
        progress = parse(message)
        if progress is None:
            return False
        way = (progress.source, progress.target)
        if progress.percent is None:
            self._moving.pop(way, None)
            return False
        self._moving[way] = progress
        return True


def bar(progress: Progress, columns: int) -> str:
    """A line of at most so many columns."""
    percent = progress.percent or 0
    filled = WIDTH * percent // 100
    source, target = (name.rsplit("/", 1)[-1] for name in (progress.source, progress.target))
    text = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {percent:3} %  {progress.rows} rows  {source} -> {target}"
    return text[: columns - 1]

"""What the services print: a file each, which the supervisor rotates."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from cli.programs import last_lines, say
from cli.runtimes.embedded import variables
from cli.settings.settings import Settings

PAUSE = 0.2
"""Seconds between two looks at files that are followed."""
LAST_WORDS = 15
"""Lines that tell why a service failed."""


def file_of(settings: Settings, name: str) -> Path:
    """Returns the log of a service."""
    return variables.folder(settings) / "log" / f"{name}.log"


def last_words(settings: Settings, name: str) -> str:
    """Returns the end of a service's log, indented."""
    return last_lines("\n".join(_tail(file_of(settings, name), LAST_WORDS)), LAST_WORDS)


def show(settings: Settings, names: Sequence[str], tail: int, follow: bool) -> None:
    """Prints the last lines of each of these logs; with `follow` also what comes, until it is interrupted."""
    for name in names:
        _print(name, _tail(file_of(settings, name), tail))
    if follow:
        _follow({name: Log(file_of(settings, name)) for name in names})


def _follow(logs: Mapping[str, Log]) -> None:
    for log in logs.values():
        log.skip()
    while True:
        for name, log in logs.items():
            _print(name, log.new_lines())
        time.sleep(PAUSE)


class Log:
    """A log that is followed, also where the supervisor puts another file in its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None
        self._line = ""

    def skip(self) -> None:
        """Leaves out what it holds now."""
        for _ in self.new_lines():
            pass

    def new_lines(self) -> Iterator[str]:
        """Yields the lines that are complete and new."""
        yield from self._read()
        if self.path.exists() and not self._is_open():
            self.close()
            self._file = self.path.open(errors="replace")
            yield from self._read()

    def close(self) -> None:
        """Closes the file."""
        if self._file:
            self._file.close()

    def _is_open(self) -> bool:
        """Tells whether the file that was opened is still the one of that name."""
        return self._file is not None and os.path.samestat(self.path.stat(), os.fstat(self._file.fileno()))

    def _read(self) -> Iterator[str]:
        while self._file and (piece := self._file.readline()):
            self._line += piece
            if piece.endswith("\n"):
                yield self._line.rstrip("\n")
                self._line = ""


def _tail(path: Path, count: int) -> list[str]:
    older = path.with_name(f"{path.name}.1")
    lines = [line for file in (older, path) if file.exists() for line in file.read_text(errors="replace").splitlines()]
    return lines[-count:] if count else []


def _print(name: str, lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        say(f"{name:<12} | {line}")

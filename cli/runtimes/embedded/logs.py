"""What the services print: a file each, which the supervisor rotates."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from cli.programs import say
from cli.runtimes.embedded import variables
from cli.runtimes.failures import LINES
from cli.settings.settings import Settings
from orionbox.errors import printable

TAB = "\t"
PAUSE = 0.2
"""Seconds between two checks of files that are followed."""


def log_file(settings: Settings, name: str) -> Path:
    """Returns the log of a service."""
    return variables.folder(settings) / "log" / f"{name}.log"


def begin(settings: Settings, name: str) -> None:
    """Begins a new log for a service that is not running, so that its last words are those of this start."""
    log = log_file(settings, name)
    if log.exists() and log.stat().st_size:
        log.replace(_older(log))


def end_of_log(settings: Settings, name: str) -> str:
    """Returns the end of what a service has printed since its start."""
    log = log_file(settings, name)
    return "\n".join(_read(log)[-LINES:])


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _read(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def show(settings: Settings, names: Sequence[str], tail: int, follow: bool) -> None:
    """Prints the last lines of each of these logs; with `follow` also new lines, until it is interrupted."""
    for name in names:
        _print(name, _tail(log_file(settings, name), tail))
    if follow:
        _follow({name: Log(log_file(settings, name)) for name in names})


def _follow(logs: Mapping[str, Log]) -> None:
    for log in logs.values():
        log.skip()
    while True:
        for name, log in logs.items():
            _print(name, log.new_lines())
        time.sleep(PAUSE)


class Log:
    """A log that is followed across rotations."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None
        self._line = ""

    def skip(self) -> None:
        """Skips the lines that it has now."""
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
        """Returns whether the open file is still the one at this path."""
        return self._file is not None and os.path.samestat(self.path.stat(), os.fstat(self._file.fileno()))

    def _read(self) -> Iterator[str]:
        while self._file and (piece := self._file.readline()):
            self._line += piece
            if piece.endswith("\n"):
                yield self._line.rstrip("\n")
                self._line = ""


def _tail(path: Path, count: int) -> list[str]:
    return [*_read(_older(path)), *_read(path)][-count:] if count else []


def _print(name: str, lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        say(f"{name:<12} | {printable(line, keep=TAB)}")

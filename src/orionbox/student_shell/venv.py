"""The platform's `python -m venv` and `virtualenv`: the packages are in this environment, and an empty one has none.

So that the course's next command, `source env/bin/activate`, works, the folder gets an `activate` that keeps this
environment.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

ACTIVATE = """# Made by Orionbox. The platform's environment has the packages, so this keeps it.
echo "already active: the platform's environment, $(command -v python)"
deactivate() {{ unset -f deactivate; }}
"""
PROGRAM = '#!/bin/sh\nexec "{python}" "$@"\n'
WITH_VALUE = ("--prompt", "-p", "--python")


def main(arguments: Sequence[str]) -> int:
    """Creates the folders that the arguments name; returns the exit code."""
    folders, words = [], list(arguments)
    while words:
        word = words.pop(0)
        if word in WITH_VALUE and words:
            words.pop(0)
        elif not word.startswith("-"):
            folders.append(Path(word))
    if not folders:
        _print("name a folder: python -m venv env")
        return 2
    for folder in folders:
        try:
            create(folder)
        except OSError as error:
            _print(f"{folder}: {error.strerror}")
            return 1
        _print(f"{folder}: no environment of its own is needed, and pip list shows what is installed; its activate")
        _print("keeps the platform's environment, which all runs have")
    return 0


def create(folder: Path) -> None:
    """Writes the folder's `activate`, and the programs that a script may call by their path."""
    programs = folder / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "activate").write_text(ACTIVATE.format(), encoding="utf-8")
    for name in ("python", "python3", "pip", "pip3"):
        run = f'{sys.executable}" -m "pip' if name.startswith("pip") else sys.executable
        (programs / name).write_text(PROGRAM.format(python=run), encoding="utf-8")
        (programs / name).chmod(0o755)


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Starts servers of this checkout, and runs suites in a virtual environment of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python_with(folder: Path, packages: Sequence[str], name: str = "venv") -> str:
    """Return the Python of a virtual environment with packages; it is made once.

    Args:
        folder: Where it is.
        packages: Arguments of `pip install`.
        name: Its name.
    """
    python = folder / name / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return str(python)


@contextmanager
def server(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """Start a service of this checkout; give its address, which is empty if it ends before it listens."""
    command = [sys.executable, "-m", module, "--port", "0", *arguments]
    # A pipe that nobody reads would stop the server
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stderr=stream) as process,
    ):
        while not (found := re.search(r"http://\S+", log.read_text())) and process.poll() is None:
            time.sleep(0.1)
        yield found[0] if found else ""
        process.terminate()


def last_line(command: Sequence[str], environment: Mapping[str, str], folder: Path = ROOT) -> str:
    """Run a program; return the last line that it writes."""
    found = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    lines = (found.stdout.strip() or found.stderr.strip()).splitlines()  # warnings come on the other one
    return lines[-1] if lines else f"ended with {found.returncode}"

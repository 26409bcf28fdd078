"""What `make` checks before Python starts: line endings and python3; and the launcher under an old Python."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dev.throwaway_platform import clean_environment
from tests.conftest import ROOT

SCRIPT = "cli/doctor/doctor.sh"
FILES = (SCRIPT, "Makefile", "dev/dev.mk", "orionbox", ".env.example", "services/base/healthy")
PROGRAMS = ("sh", "grep", "dirname", "python3")
OLD_PYTHONS = [path for path in Path.home().glob(".pyenv/versions/3.[678].*/bin/python3") if path.exists()]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the files that the script reads, and the programs that it needs."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for program in PROGRAMS:
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or program)
    return tmp_path


def run(checkout: Path) -> tuple[int, str]:
    """The script's exit code, and what it prints."""
    env = {"PATH": str(checkout / "bin")}
    done = subprocess.run(["sh", SCRIPT], cwd=checkout, env=env, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout


def break_line_endings(path: Path) -> None:
    path.write_bytes((path.read_bytes() if path.exists() else b"WORKERS=2\n").replace(b"\n", b"\r\n"))


def test_it_prints_nothing_if_nothing_is_wrong(checkout: Path) -> None:
    assert run(checkout) == (0, "")


@pytest.mark.parametrize("name", ["Makefile", "services/base/healthy", "orionbox", SCRIPT])
def test_windows_line_endings_are_found_with_a_fix(checkout: Path, name: str) -> None:
    break_line_endings(checkout / name)
    code, text = run(checkout)
    assert code == 1 and text.startswith("fail  checkout ") and "fix: git config core.autocrlf false" in text
    assert len(text.splitlines()) == 1


def test_the_fix_for_windows_line_endings_in_the_settings_works(checkout: Path) -> None:
    break_line_endings(checkout / ".env")
    code, text = run(checkout)
    assert code == 1 and text.startswith("fail  checkout        .env has Windows line endings; fix: perl")
    subprocess.run(text.strip().partition("; fix: ")[2], shell=True, cwd=checkout, check=True)
    assert (checkout / ".env").read_bytes() == b"WORKERS=2\n"


def test_the_fix_for_windows_line_endings_works_and_git_does_not_make_them(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    script, attributes = tmp_path / "a.sh", tmp_path / ".gitattributes"

    def run(*arguments: str) -> None:
        subprocess.run([*git, *arguments], check=True, capture_output=True)

    def fix() -> bytes:
        command = "git config core.autocrlf false && git rm -r -q --cached . && git reset --hard"
        assert command in (ROOT / SCRIPT).read_text()
        subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True)
        return script.read_bytes()

    run("init", "--quiet")
    run("config", "core.autocrlf", "true")
    script.write_bytes(b"true\n")
    run("add", ".")
    run("commit", "--quiet", "--message", "one")
    script.unlink()
    run("checkout", "--", "a.sh")
    assert script.read_bytes() == b"true\r\n" and fix() == b"true\n"
    run("config", "core.autocrlf", "true")
    shutil.copy(ROOT / ".gitattributes", attributes)
    run("add", ".")
    run("commit", "--quiet", "--message", "two")
    script.unlink()
    run("checkout", "--", "a.sh")
    assert script.read_bytes() == b"true\n"


def test_without_python_it_prints_how_to_install_it(checkout: Path) -> None:
    (checkout / "bin" / "python3").unlink()
    assert run(checkout) == (
        1,
        "fail  python3         there is none; fix: install Python 3.9 or newer: apt-get install python3, "
        "or on macOS xcode-select --install\n",
    )


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
@pytest.mark.parametrize("command", ["doctor", "up"])
def test_make_works_in_a_checkout_with_windows_line_endings(checkout: Path, command: str) -> None:
    for name in FILES:
        break_line_endings(checkout / name)
    make = shutil.which("make")
    assert make
    env = clean_environment()  # or it would say where it is, as a make that another make calls
    done = subprocess.run([make, command], cwd=checkout, env=env, capture_output=True, text=True)
    assert done.stdout.startswith("fail  checkout        its files have Windows line endings"), done


@pytest.mark.skipif(not OLD_PYTHONS, reason="pyenv has no Python 3.6 to 3.8")
@pytest.mark.parametrize("python", OLD_PYTHONS, ids=lambda path: path.parent.parent.name)
def test_under_an_old_python_the_launcher_says_what_is_needed(python: Path) -> None:
    done = subprocess.run([str(python), "orionbox", "up"], cwd=ROOT, capture_output=True, text=True)
    version = ".".join(python.parent.parent.name.split(".")[:2])
    expected = f"Python 3.9 or newer is needed; this is {version}\nput a newer python3 first on PATH\n"
    assert (done.returncode, done.stderr) == (1, expected)

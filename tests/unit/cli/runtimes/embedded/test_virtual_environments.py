"""Virtual environments: built once, rebuilt if incomplete or outdated, and refused with a reason."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from cli.runtimes.embedded import virtual_environments
from orionbox.errors import CommandError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a virtual environment that does not exist yet."""
    folder = tmp_path / "flows"
    monkeypatch.setattr(virtual_environments, "ROOT", tmp_path)
    monkeypatch.setattr(virtual_environments, "LOCKS", {folder: ("services/flows",)})
    for name in ("services/flows/requirements.lock", *virtual_environments.ALSO_BUILT_FROM):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    return folder


def installed(folder: Path) -> bool:
    """Ensures it; whether anything was installed."""
    calls = []

    def install(folder: Path, interpreter: str) -> None:
        folder.mkdir()
        calls.append(interpreter)

    virtual_environments.ensure_one(folder, sys.executable, install)
    return bool(calls)


def test_a_virtual_environment_is_made_once(folder: Path) -> None:
    assert installed(folder)
    assert not installed(folder)


@pytest.mark.parametrize("changed", ["services/flows/requirements.lock", "pyproject.toml", "flows/.complete"])
def test_one_that_is_incomplete_or_outdated_is_made_again(changed: str, folder: Path) -> None:
    installed(folder)
    (folder / "half a program").touch()
    (folder.parent / changed).write_text("two")
    assert installed(folder)
    assert not (folder / "half a program").exists()


def test_an_installation_that_fails_leaves_no_mark(folder: Path) -> None:
    def fail(folder: Path, interpreter: str) -> None:
        folder.mkdir()
        raise CommandError("no space left on device")

    with pytest.raises(CommandError):
        virtual_environments.ensure_one(folder, sys.executable, fail)
    assert installed(folder)


class Programs:
    """Programs of a machine that has no Python of its own; each prints what a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, path: str, script: str) -> str:
        """Adds a program, as a shell script."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return str(file)

    def add_python(self, path: str, version: str, **answers: str) -> str:
        """Adds a Python of that version; `answers` are scripts by the module that `-m` starts."""
        lines = [f'[ "$1 $2" = "-m {module}" ] && {{ {script}; exit; }}' for module, script in answers.items()]
        lines += ['[ "$1" = -m ] && exit 1', f'echo "{version.replace(".", " ")} $0"']
        return self.add(path, "\n".join(lines))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """A machine whose python3 is 3.9, with a uv that knows no Python and cannot download one."""
    programs = Programs(tmp_path)
    monkeypatch.setattr(virtual_environments, "ROOT", tmp_path)
    monkeypatch.setattr(virtual_environments, "PYTHONS", tmp_path / "pythons")
    uv = programs.add("uv", "echo 'error: Failed to download `https://example.org/x`: dns error' >&2; exit 1")
    monkeypatch.setattr(virtual_environments, "_UV_PROGRAM", uv)
    monkeypatch.setattr(sys, "executable", programs.add_python("python3", "3.9"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: which(name, path=str(tmp_path / "bin")))
    return programs


PLACES = (
    "bin/python3.13",
    "bin/python3.11",
    "pyenv/versions/3.13.0/bin/python3.13",
    "pythons/cpython-3.13/bin/python3.13",
)


@pytest.mark.parametrize("place", PLACES)
def test_a_python_that_fits_is_found_where_machines_have_one(programs: Programs, place: str) -> None:
    assert virtual_environments.python_that_fits() == ""
    programs.add_python(place, "3.14")
    assert virtual_environments.python_that_fits() == "", "a shim of pyenv's may start another version"
    path = programs.add_python(place, "3.12")
    assert virtual_environments.python_that_fits() == path


def test_a_python_that_the_packages_have_no_wheels_for_is_none(programs: Programs) -> None:
    programs.add_python("bin/python3.13", "0.0")
    assert virtual_environments.python_that_fits() == ""
    programs.add("bin/python3.13", "exit 1")
    assert virtual_environments.python_that_fits() == "", "one that is broken"


def built(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The Python by virtual environment, after `ensure`, which installs nothing here."""
    pythons: dict[str, str] = {}

    def note(folder: Path, interpreter: str, install: object) -> None:
        pythons[folder.name] = interpreter

    monkeypatch.setattr(virtual_environments, "ensure_one", note)
    virtual_environments.ensure()
    return pythons


def test_a_missing_python_is_downloaded_into_the_checkout_and_one_line_says_so(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    python = programs.folder / "pythons/cpython-3.13.9/bin/python3.13"
    programs.add_python("a python", "3.13")
    options = f"python install --no-bin --install-dir {programs.folder}/pythons 3.13"
    script = [
        f'[ "$*" = \'{options}\' ] && [ "$UV_PYTHON_DOWNLOADS" = manual ] || exit 1',
        f"mkdir -p '{python.parent}' && cp '{programs.folder}/a python' '{python}'",
    ]
    programs.add("uv", "\n".join(script))
    assert built(monkeypatch) == {"uv": sys.executable, "flows": str(python)}
    (line,) = capsys.readouterr().out.splitlines()
    assert line == "Python 3.11, 3.12 or 3.13: none is here; downloading 3.13 into pythons (about 30 MB)"
    assert built(monkeypatch)["flows"] == str(python)
    assert capsys.readouterr().out == "", "it is there now"


def test_a_python_that_cannot_be_downloaded_is_one_message(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError) as error:
        built(monkeypatch)
    assert error.value.text.startswith(
        "without Docker, Python 3.11, 3.12 or 3.13 is needed; there is none on PATH, known to uv or"
    )
    assert "dns error" in error.value.text and "UV_PYTHON_INSTALL_MIRROR" in error.value.fix


def test_a_python_that_was_downloaded_and_does_not_run_is_one_message(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.add("uv", "exit 0")
    with pytest.raises(CommandError, match="does not run on this machine"):
        built(monkeypatch)


@pytest.mark.parametrize(
    ("version", "fits"),
    [("3.9", False), ("3.10", False), ("3.11", True), ("3.12", True), ("3.13", True), ("3.14", False)],
)
def test_flows_run_on_the_python3_of_this_machine_if_they_can(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, version: str, fits: bool
) -> None:
    own, other = programs.add_python("python3", version), programs.add_python("bin/python3.13", "3.13")
    pythons = built(monkeypatch)
    assert pythons["uv"] == own and pythons["flows"] == (own if fits else other)


VENV = 'mkdir -p "$3/bin" && printf "#!/bin/sh\\necho pip 24\\n" > "$3/bin/python" && chmod +x "$3/bin/python"'


def installer(programs: Programs, **answers: str) -> list[str]:
    """What installs uv on a machine with such a python3, from the folder of the programs."""
    python = programs.add_python("python3", "3.11", **answers)
    command = virtual_environments._installer(programs.folder / "new", python)
    return [word.replace(f"{programs.folder}/", "") for word in command]


def test_uv_is_installed_by_pip_or_by_what_takes_its_place(programs: Programs) -> None:
    assert installer(programs, pip="echo pip 24") == ["python3", "-m", "pip", "install"]
    assert installer(programs, venv=VENV) == ["new/pip/bin/python", "-m", "pip", "install"], "Debian"
    assert installer(programs, pip="exit 1", venv=VENV)[0] == "new/pip/bin/python", "a pip that is broken"
    programs.add("bin/uv", "exit 0")
    shutil.rmtree(programs.folder / "new")
    assert installer(programs) == ["bin/uv", "pip", "install", "--python", "python3"]


def test_without_pip_and_venv_the_message_names_debian_s_package(programs: Programs) -> None:
    with pytest.raises(CommandError, match="neither a pip that works nor venv") as error:
        installer(programs, venv="echo 'ensurepip is not available' >&2; exit 1")
    assert "sudo apt-get install python3-venv" in error.value.fix


def test_a_disk_without_symbolic_links_is_one_message(programs: Programs, folder: Path) -> None:
    programs.add("uv", "echo 'failed to symlink file from a to b: Function not implemented (os error 38)' >&2; exit 2")
    with pytest.raises(CommandError, match="failed to symlink") as error:
        virtual_environments._install(folder, "python3")
    assert error.value.fix == virtual_environments.NO_LINKS_FIX


@pytest.mark.parametrize(
    ("printed", "text", "fix"),
    [
        (
            "cause: Failed to fetch: http://mirror.example/simple/uv/\ncause: Connection refused (os error 111)",
            "the package index (http://mirror.example/simple) cannot be used: nothing answers there\n",
            "connect to the internet, or name your mirror",
        ),
        ("error: No space left on device (os error 28)", "exit 1\n    error: No space left", "delete something"),
        ("error: the wheel is broken", "exit 1\n    error: the wheel is broken", ""),
    ],
)
def test_an_installation_that_fails_says_why(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, printed: str, text: str, fix: str
) -> None:
    index = {"PATH": "/usr/bin:/bin", "UV_DEFAULT_INDEX": "http://ada:secret@mirror.example/simple"}
    monkeypatch.setattr(virtual_environments, "_to_install", lambda pip: index)
    pip = programs.add("pip", f"echo '{printed}' >&2; exit 1")
    with pytest.raises(CommandError) as error:
        virtual_environments._install_packages(pip, "install")
    assert text in error.value.text and error.value.fix.startswith(fix) and "secret" not in str(error.value)

"""The commands of the platform's shell, and their installation.

`python -m orionbox.student_shell install FOLDER` writes the commands into a folder for PATH, and makes each Python of
this environment import `orionbox.student_shell.start`. Each command runs `python -m orionbox.student_shell run NAME`.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from orionbox.student_shell import fetched, pip, psql, venv, words

HOOK = "z-orionbox-start.pth"
"""Python executes the line in this file at its start, the last of all such files: an editable installation has one, too
(https://docs.python.org/3/library/site.html)."""
COMMAND = """#!/bin/sh
exec "{python}" -m orionbox.student_shell run {name} "$@"
"""


def install(folder: Path) -> None:
    """Writes the commands, and the line that each Python of this environment executes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in words.NAMES:
        (folder / name).write_text(COMMAND.format(python=sys.executable, name=name), encoding="utf-8")
        (folder / name).chmod(0o755)
    hook = Path(sysconfig.get_paths()["purelib"], HOOK)
    hook.write_text("import orionbox.student_shell.start\n", encoding="utf-8")


def real_program(name: str) -> str:
    """Returns the machine's own program of this name; empty if there is none."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = Path(folder, name)
        if os.access(path, os.X_OK) and path.is_file() and b"orionbox.student_shell" not in path.read_bytes()[:4096]:
            return str(path)
    return ""


def run(name: str, arguments: Sequence[str]) -> int:
    """Runs a command; returns its exit code."""
    if name in ("pip", "pip3"):
        return pip.main(arguments)
    if name == "virtualenv":
        return venv.main(arguments)
    if name == "sudo":
        return _sudo(arguments)
    # Without Docker, too, whatever this machine has: runs are processes, and the emulators need no login
    is_answered_here = name.startswith("docker") or words.is_login(name, arguments)
    real = "" if is_answered_here else real_program(name)
    if name == "psql" and real:
        return psql.main(arguments, real)
    if name in ("curl", "wget"):
        fetched.look(" ".join(arguments))
    needs_root = name in ("apt", "apt-get") and os.geteuid() != 0
    if real and not needs_root:
        os.execv(real, [name, *arguments])
    if name in ("conda", "mamba", "pipenv") and arguments and arguments[0] in ("install", "list"):
        return pip.main(arguments)
    if name == "psql":
        text, code = "psql: not there; use `make psql`", 1
    else:
        text, code = words.answer(name, arguments)
    print(text, file=sys.stderr, flush=True)  # noqa: T201
    return code


OURS = ("docker", "docker-compose", "gcloud", "pip", "pip3", "virtualenv")
"""What `sudo` would run as the machine's own program, for another Python or another platform."""


def _sudo(arguments: Sequence[str]) -> int:
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        rest.pop(0)
    if rest and rest[0] in OURS:
        return run(rest[0], rest[1:])
    if real := real_program("sudo"):
        os.execv(real, ["sudo", *arguments])
    if rest and shutil.which(rest[0]):
        os.execvp(rest[0], rest)
    print("sudo: nobody is root in this shell, and nothing here needs it", file=sys.stderr)  # noqa: T201
    return 1


def main(arguments: Sequence[str]) -> int:
    """Runs one of the two commands of this module."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `pip list | head` ends without an error
    command, *rest = arguments
    if command == "install":
        install(Path(rest[0]))
        return 0
    return run(rest[0], rest[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A program that is watched ends with the process that started it, however that ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.archive.dumps import WATCHED
from tests.conftest import wait_for

START = """
import subprocess, sys
program = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(program.stdout.readline().decode(), end="", flush=True)
program.wait()
"""


def test_a_watched_program_ends_when_its_starter_is_killed() -> None:
    program = (*WATCHED, "sh", "-c", "echo $$; exec tail -f /dev/null")
    with subprocess.Popen([sys.executable, "-c", START, *program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        number = starter.stdout.readline().strip()
        assert is_running(number)
        starter.kill()
    wait_for(lambda: not is_running(number), "the end of the program")


def is_running(number: str) -> bool:
    return subprocess.run(["ps", "-o", "stat=", "-p", number], capture_output=True, text=True).stdout[:1] not in (
        "",
        "Z",
    )


@pytest.mark.parametrize("code", [0, 3])
def test_its_output_and_exit_code_are_its_own(code: int, tmp_path: Path) -> None:
    program = [*WATCHED, "sh", "-c", f"cat; echo out; echo error >&2; exit {code}"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        assert (process.stdout.read(), process.stderr.read(), process.wait()) == (b"out\n", b"error\n", code)

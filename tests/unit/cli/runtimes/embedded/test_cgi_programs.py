"""Programs that answer by CGI."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.runtimes.embedded.internet import cgi_programs


def answer(program: str, body: bytes = b"") -> cgi_programs.Answer:
    return cgi_programs.answer([sys.executable, "-c", program], {"REQUEST_METHOD": "POST"}, body, Path("/"))


@pytest.mark.parametrize("end", ["\\n", "\\r\\n"])
def test_a_program_gets_the_request_and_its_answer_is_read(end: str) -> None:
    program = f"""
import os, sys
asked = os.environ["REQUEST_METHOD"] + os.environ["CONTENT_LENGTH"] + sys.stdin.read()
sys.stdout.buffer.write(f"Status: 201 Created{end}X-Kind: a: b{end}{end}{{asked}}\\n\\nmore".encode())
"""
    assert answer(program, b"ride") == (201, {"X-Kind": "a: b"}, b"POST4ride\n\nmore")


def test_a_program_that_fails_is_no_empty_answer() -> None:
    status, _, content = answer("raise SystemExit(3)")
    assert status == 502 and b"ended with exit code 3, without an answer" in content


def test_a_missing_program_is_named() -> None:
    status, _, content = cgi_programs.answer(["/nowhere/program"], {}, b"", Path("/"))
    assert status == 502 and content.startswith(b"/nowhere/program cannot be started: ")

"""Every command, in conditions that nobody has foreseen for it, ends with a message.

Each condition is one process in a copy of the checkout. It forks for each command, so the modules are imported once.
`docker` is a program that does what the condition says. Where no engine answers, a file in the place of `.embedded`
ends the other runtime before it builds anything.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.bundle.checkout_copy import copy_checkout
from cli.options import COMMANDS
from orionbox.files import read_json

NOT_OURS = ("engine", "test", "test-unit", "test-integration", "test-e2e", "lint", "lock", "licences", "drawings")
"""Commands that become another program at once."""
OTHERS = ("bench", "bench-report", "chaos", "chaos-report", "neighbours", "busy", "peers")
"""Commands that become a program of the development environment, which the copy does not have."""
NAMES = [one.name for one in COMMANDS if one.name not in (*NOT_OURS, *OTHERS)]
READERS = tuple((name,) for name in ("up", "status", "run-etl", "data", "backup", "reset", "doctor"))
"""Commands that between them read all state."""
SECONDS = 20
DRIVER = f"""
import gc, json, os, resource, signal, sys, tempfile
sys.path[:0] = [os.getcwd(), os.getcwd() + "/src"]
import cli.__main__
from cli.error_reports import exit_with
gc.collect()
gc.freeze()  # or the end of each child would copy all pages that the modules take
for arguments in json.load(sys.stdin):
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if not child:
            for number in (1, 2):
                os.dup2(output.fileno(), number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            signal.alarm({SECONDS})
            if "FILES" in os.environ:
                resource.setrlimit(resource.RLIMIT_NOFILE, (int(os.environ["FILES"]),) * 2)
            exit_with(lambda: cli.__main__.main(arguments))
        _, status = os.waitpid(child, 0)
        output.seek(0)
        text = output.read().decode(errors="replace")
        print(json.dumps([arguments, os.waitstatus_to_exitcode(status), text]), flush=True)
"""


@dataclass(frozen=True)
class Condition:
    """What is odd about the checkout, its environment, and what Docker does."""

    docker: str = "echo 'Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?' >&2; exit 1"
    variables: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[Path], object] = lambda root: None
    calls: Sequence[Sequence[str]] = tuple((name,) for name in NAMES)


def file(name: str, content: bytes) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    return change


def folder(*names: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        for name in names:
            (root / name).mkdir(parents=True)

    return change


def link_to_itself(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).symlink_to(name)


def several(*changes: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda root: [change(root) for change in changes]


EMBEDDED = {"RUNTIME": "embedded"}
RECORD = ".ports/orionbox-compose.json"
WORDS = ("\udcff", "", "/dev/null", "/etc", "x" * 300, "~nobody-at-all/x", "/proc/1/mem/x")
OPTIONS = (
    ("run-etl", "--color"),
    ("ingest", "--months"),
    ("data", "--from"),
    ("backup", "--to"),
    ("psql", "--sql"),
    ("logs", "--tail"),
    ("up", "--task-runner"),
    ("--runtime",),
    ("restore",),
    ("load",),
    ("logs",),
    (),
)
ODD_CALLS = [
    *((name, "--no-such-option") for name in NAMES),
    *((*option, word, *(["status"] if option == ("--runtime",) else [])) for option in OPTIONS for word in WORDS),
]
CONDITIONS = {
    "no engine": Condition(),
    "odd arguments": Condition(calls=ODD_CALLS),
    "no engine, no docker": Condition(docker=""),
    "embedded is a file": Condition(calls=READERS, variables=EMBEDDED, change=file(".embedded", b"")),
    "embedded is a link to itself": Condition(calls=READERS, variables=EMBEDDED, change=link_to_itself(".embedded")),
    "docker talks nonsense": Condition(docker="echo nonsense"),
    "docker answers nonsense as JSON": Condition(docker="echo '[1]'"),
    "docker is killed": Condition(docker="kill -9 $$"),
    "docker is silent": Condition(docker="exit 0"),
    "docker writes bytes": Condition(docker=r"printf '\377\376\000'; exit 0"),
    "docker fails with bytes": Condition(docker=r"printf '\377\376' >&2; exit 3"),
    "docker is no program": Condition(docker="#!/no/such/interpreter"),
    "few open files": Condition(calls=READERS, variables={"FILES": "5"}),
    "no HOME": Condition(calls=READERS, variables={"HOME": "/nonexistent", "TMPDIR": "/nonexistent"}),
    "odd variables": Condition(
        calls=READERS, variables={"HOME": "\udcff", "COLUMNS": "many", "MAKEFLAGS": "\udcff=1", "TERM": "\udcff"}
    ),
    "odd settings": Condition(calls=READERS, variables={"ORION_PORT": "\udcff", "GCP_KEY_FILE": "\udcff"}),
    "odd key file": Condition(calls=READERS, variables={"GCP_KEY_FILE": "\udcff", "CLOUD": "gcp"}),
    "an unknown runtime": Condition(calls=READERS, variables={"RUNTIME": "\udcff"}),
    "make's variables": Condition(
        variables={"MAKEFLAGS": " -- COLOR=\udcff"}, calls=(("run-etl", "--make"), ("status", "--make"))
    ),
    ".env is binary": Condition(calls=READERS, change=file(".env", bytes(range(256)))),
    ".env has odd lines": Condition(calls=READERS, change=file(".env", b"ORION_PORT=99999999999999999999\nX\n=\n")),
    ".env is a folder": Condition(calls=READERS, change=folder(".env")),
    ".ports is a file": Condition(calls=READERS, change=file(".ports", b"")),
    ".ports has garbage": Condition(
        calls=READERS,
        change=several(file(RECORD, b"\xff{"), file(".ports/checkout.json", b"[]"), file(".ports/x.json", b"{")),
    ),
    ".ports has folders": Condition(
        calls=READERS, change=folder(RECORD, ".ports/checkout.json", ".ports/orionbox-embedded.json")
    ),
    ".ports has other JSON": Condition(
        calls=READERS,
        change=several(file(RECORD, b'{"ORION_PORT=4200": "x"}'), file(".ports/checkout.json", b'{"id": 1}')),
    ),
    "the user's folders are files": Condition(
        calls=READERS,
        change=lambda root: [file(name, b"")(root) for name in ("data", "reports", "secrets", "backups", "bundles")],
    ),
    "the folders are links to themselves": Condition(
        calls=READERS,
        change=lambda root: [link_to_itself(name)(root) for name in ("data", "reports", "secrets", "backups")],
    ),
    "the list of sources is damaged": Condition(
        variables=EMBEDDED,
        change=several(file("data/sources.json", b"\xff"), file("data/green/green_tripdata_2021-01.csv.gz", b"x")),
        calls=[(name, "--color", "green", "--months", "1") for name in ("data", "run-etl", "ingest")],
    ),
    "the versions are missing": Condition(calls=READERS, change=lambda root: (root / "compose/versions.env").unlink()),
    "the versions are damaged": Condition(calls=READERS, change=file("compose/versions.env", b"ORIONBOX_TAG\n")),
    "the example is missing": Condition(calls=READERS, change=lambda root: (root / ".env.example").unlink()),
    "a backup is damaged": Condition(
        change=file("x.tar", b"\x1f\x8b\x00garbage"), calls=(("restore", "x.tar"), ("load", "x.tar"))
    ),
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, with its modules compiled."""
    root = copy_checkout(tmp_path_factory.mktemp("original") / "orionbox")
    assert run(root, [], {}) == []
    return root


def run(root: Path, calls: Sequence[Sequence[str]], variables: Mapping[str, str]) -> list[Any]:
    """What each call comes to: its words, its exit code, and all that it prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "utf8", "-c", DRIVER],
        cwd=root,
        env={os.fsencode(key): os.fsencode(value) for key, value in variables.items()},
        input=json.dumps(calls).encode(),
        capture_output=True,
    )
    assert not done.stderr, done.stderr.decode(errors="replace")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_command_ends_with_a_message(name: str, original: Path, tmp_path: Path) -> None:
    condition, root, programs = CONDITIONS[name], tmp_path / "orionbox", tmp_path / "bin"
    shutil.copytree(original, root)
    programs.mkdir()
    if condition.docker:
        start = "" if condition.docker.startswith("#!") else "#!/bin/sh\n"
        (programs / "docker").write_text(f"{start}{condition.docker}\n")
        (programs / "docker").chmod(0o755)
    for program in ("sh", "git", "tar", "env"):
        (programs / program).symlink_to(shutil.which(program) or program)
    condition.change(root)
    if not os.path.lexists(root / ".embedded"):
        (root / ".embedded").touch()
    ends = run(root, condition.calls, {"PATH": str(programs), "HOME": str(tmp_path), **condition.variables})
    assert len(ends) == len(condition.calls)
    for call, code, text in ends:
        assert code in (0, 1, 2), (call, code, text)
        assert "Traceback" not in text and "internal error" not in text, (call, text, log(root))


def log(root: Path) -> str:
    found = root / "orionbox-error.log"
    return found.read_text(encoding="utf-8") if found.exists() else ""


def test_a_damaged_state_file_is_named_with_the_fix(tmp_path: Path) -> None:
    for content in (b"", b"\xff", b"[1]", b"{"):
        (tmp_path / "state.json").write_bytes(content)
        with pytest.raises(Exception, match=r"state\.json: not .*; delete it"):
            read_json(tmp_path / "state.json", "delete it")
    assert read_json(tmp_path / "missing.json", "") == {}

"""Running other programs."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import programs, waiting
from cli.programs import run_with_input
from orionbox.errors import CommandError


def test_a_program_reads_its_input(capfd: pytest.CaptureFixture[str]) -> None:
    run_with_input(["cat"], io.BytesIO(b"content\n"))
    assert capfd.readouterr().out == "content\n"


def test_a_program_that_fails_before_reading_everything_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match=r"sh -c echo no room >&2; exit 7 \.\.\.: exit 7\n    no room"):
        run_with_input(["sh", "-c", "echo no room >&2; exit 7"], io.BytesIO(bytes(10_000_000)))
    assert capfd.readouterr().err == ""


def test_what_a_program_quotes_of_a_file_cannot_write_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    run_with_input(["sh", "-c", r"printf '\033[2Jwarning\n' >&2"], io.BytesIO())
    assert capfd.readouterr().err == "    \\x1b[2Jwarning\n"


def test_a_program_that_is_not_there_is_named() -> None:
    starts: list[Callable[[], object]] = [
        lambda: programs.output("no-such-program"),
        lambda: programs.run("no-such-program"),
        lambda: run_with_input(["no-such-program"], io.BytesIO()),
    ]
    for start in starts:
        with pytest.raises(CommandError, match="no-such-program: no such program; install it"):
            start()


def test_a_slow_program_is_named_without_its_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said, text = tmp_path / "said", io.StringIO()
    os.mkfifo(said)
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.001)
    monkeypatch.setattr("sys.stderr", text)
    monkeypatch.setattr(text, "flush", lambda: said.write_text("go on\n") if text.getvalue().count("\n") == 1 else None)
    assert programs.output("head", str(said), "--lines=1") == "go on\n"
    assert text.getvalue().startswith(f"  waiting for head {said} (0 s)\n")


def test_a_program_that_a_signal_kills_is_reported_by_its_name() -> None:
    with pytest.raises(CommandError, match="killed by SIGKILL, perhaps because memory ran out"):
        programs.output("sh", "-c", "kill -9 $$")


def test_a_docker_command_that_fails_comes_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Error response from daemon: a strange thing' >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(CommandError, match="docker volume ls ...: exit 1\n.*a strange thing") as error:
        programs.output("docker", "volume", "ls")
    assert "make doctor" in error.value.fix


def test_output_in_another_encoding_is_no_error() -> None:
    assert programs.output("printf", r"caf\351") == "caf\N{REPLACEMENT CHARACTER}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_that_root_creates_belong_to_the_owner_of_the_checkout(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    (root / "secrets").mkdir(parents=True)
    for name in (".env", "secrets/a.key", "linked"):
        (root / name).touch()
    os.link(root / "linked", tmp_path / "in root's cache")
    (root / "link").symlink_to(tmp_path / "in root's cache")
    (root / "of a service").touch()
    os.chown(root / "of a service", 70, 70)
    programs.give_files_to_owner(root)
    assert (root / ".env").stat().st_uid == 0, "root's own checkout"
    os.chown(root, 1000, 1001)
    programs.give_files_to_owner(root)
    given = {path.name: path.lstat().st_uid for path in root.rglob("*")}
    assert given == {".env": 1000, "secrets": 1000, "a.key": 1000, "link": 1000, "linked": 0, "of a service": 70}
    assert (tmp_path / "in root's cache").stat().st_uid == 0

"""How commands end: every error is a message and an exit code, and never a traceback."""

from __future__ import annotations

import errno
import http.client
import json
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError, URLError

import pytest

from cli import error_reports
from orionbox import file_errors
from orionbox.errors import BadInputError, CommandError
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own, in which logs are written."""
    monkeypatch.setattr(error_reports, "ROOT", tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def end(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of a command that raises the error, and what it prints."""

    def main() -> int:
        raise error

    code = error_reports.exit_code(main)
    printed = capsys.readouterr()
    assert printed.err == "" and "Traceback" not in printed.out
    return code, printed.out


def fail(number: int, name: str | None = "file") -> OSError:
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (BadInputError("wrong", "do this"), 2, "wrong\ndo this\n"),
        (CommandError("broken"), 1, "broken\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (BrokenPipeError(), 1, ""),
        (SystemExit(3), 3, ""),
        (SystemExit(), 0, ""),
        (SystemExit("a text"), 1, "a text\n"),
        (fail(errno.ENOSPC), 1, "no space left on the disk of file\ndelete something; df -h shows what is free\n"),
        (fail(errno.ENOSPC, None), 1, "no space left on the disk\ndelete something; df -h shows what is free\n"),
        (fail(errno.EDQUOT), 1, "no space left on the disk of file\ndelete something; df -h shows what is free\n"),
        (fail(errno.EROFS), 1, "file is on a read-only file system\nuse a folder that you can write to\n"),
        (fail(errno.EISDIR), 1, "file is a folder, and a file is needed\nmove it away\n"),
        (
            fail(errno.ENOTDIR, "file/x"),
            1,
            "file/x: a part of this path is a file, and a folder is needed\nmove that file away\n",
        ),
        (fail(errno.ENOENT), 1, "file: there is no such file or folder\n"),
        (fail(errno.EEXIST), 1, "file exists already, and something else is needed\nmove it away\n"),
        (
            fail(errno.ENAMETOOLONG),
            1,
            "file: its name is too long for this file system\nuse a shorter name, or a shorter path\n",
        ),
        (fail(errno.EIO, None), 1, "a file: the disk reports an error\ncopy what you need to another disk\n"),
        (fail(errno.EMFILE), 1, "too many open files\nallow more, then run the command again: ulimit -n 4096\n"),
        (fail(errno.EAGAIN), 1, "this machine cannot start another process now\n"),
        (
            fail(errno.EPERM, None),
            1,
            "this user may not do that\nif the platform was started with sudo, use sudo again\n",
        ),
        (fail(errno.EXDEV), 1, "file: Invalid cross-device link\n"),
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
            1,
            "a connection failed: Connection refused\n",
        ),
        (URLError("unreachable"), 1, "a connection failed: unreachable\nsee what is running: make status\n"),
        (TimeoutError(), 1, "a connection failed: TimeoutError\n"),
        (http.client.RemoteDisconnected("closed"), 1, "a connection failed: closed\n"),
        (http.client.IncompleteRead(b""), 1, "a connection failed: IncompleteRead(0 bytes read)\n"),
        (HTTPError("http://x/", 503, "Unavailable", Message(), None), 1, "http://x/: the server answered 503 Unavail"),
        (subprocess.TimeoutExpired(["docker", "ps"], 5), 1, "docker ps ...: no answer within 5 s\nmake doctor\n"),
        (subprocess.CalledProcessError(3, ["docker", "ps"]), 1, "docker ps ...: exit 3\n"),
        (subprocess.CalledProcessError(-9, ["docker"]), 1, "docker ...: killed by SIGKILL, perhaps because memory"),
        (subprocess.CalledProcessError(-77, "docker"), 1, "docker ...: killed by signal 77\n"),
        (MemoryError(), 1, "memory has run out\nclose other programs\n"),
        (EOFError(), 1, "the input ended before the end\n"),
    ],
    ids=repr,
)
def test_a_known_error_is_a_message(
    error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str], checkout: Path
) -> None:
    found, printed = end(error, capsys)
    assert found == code and printed.startswith(text) and (printed == text or text)
    assert not (checkout / error_reports.LOG).exists()


def caught(main: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as error:  # noqa: PT011
        main()
    return error.value


def look_up() -> object:
    empty: dict[str, object] = {}
    return empty["x"]


def recurse() -> object:
    return recurse()


@pytest.mark.parametrize(
    ("main", "text"),
    [
        (look_up, "internal error: KeyError: 'x'"),
        (lambda: [][1], "internal error: IndexError: list index out of range"),
        (recurse, "internal error: RecursionError: maximum recursion depth exceeded"),
        (lambda: open("a\0b"), "internal error: ValueError: embedded null byte"),
        (lambda: json.loads("{"), "a file or an answer is not valid JSON (Expecting property name"),
        (lambda: b"\xff".decode(), "a file or an answer is not UTF-8 text (invalid start byte at byte 0)"),
        (lambda: "\udcff".encode(), r"a name or a value has characters that UTF-8 does not have ('\udcff')"),
    ],
)
def test_an_unforeseen_error_is_one_line_and_a_file(
    main: Callable[[], object], text: str, capsys: pytest.CaptureFixture[str], checkout: Path
) -> None:
    code, printed = end(caught(main), capsys)
    log = checkout / "orionbox-error.log"
    assert code == 1 and printed.startswith(text) and f"details: {log}" in printed
    assert "Traceback (most recent call last)" in log.read_text() and sys.version in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_line_of_ours_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_reports, "ROOT", ROOT)
    monkeypatch.setattr(error_reports, "LOG", "../no/such/folder")
    _, printed = end(caught(look_up), capsys)
    assert "KeyError: 'x' (tests/unit/cli/test_error_reports.py, line " in printed


@pytest.mark.parametrize("obstacle", ["folder", "link", "pipe"])
def test_without_a_place_in_the_checkout_the_file_is_a_temporary_one(
    obstacle: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = checkout / error_reports.LOG
    if obstacle == "folder":
        log.mkdir()
    elif obstacle == "pipe":
        os.mkfifo(log)
    else:
        log.symlink_to(checkout / "of another user")
    _, printed = end(KeyError("x"), capsys)
    (written,) = (checkout / "tmp").iterdir()
    assert f"details: {written}; please report it with that file\n" in printed
    assert not (checkout / "of another user").exists()


def test_without_any_place_the_line_is_printed_nevertheless(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_reports, "ROOT", checkout / "no such folder")
    monkeypatch.setattr("tempfile.tempdir", str(checkout / "nor this one"))
    assert end(KeyError("x"), capsys) == (1, "internal error: KeyError: 'x'; please report it\n")


def test_the_log_has_no_secrets(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / ".env").write_text(
        "WAREHOUSE_DB_PASSWORD='secret one'\nORION_PORT=4200\nGCP_KEY_FILE=secrets/mine.json\n"
    )
    monkeypatch.setenv("SOME_TOKEN", "secret two")
    text = "secret one, secret two, 4200, secrets/mine.json, http://ada:three@proxy:80/"
    _, printed = end(KeyError(text), capsys)
    masked = "…, …, 4200, secrets/mine.json, http://ada:…@proxy:80/"
    assert masked in printed and masked in (checkout / error_reports.LOG).read_text(encoding="utf-8")


def test_a_program_that_a_signal_has_ended_has_the_exit_code_of_shells() -> None:
    assert error_reports.exit_code(lambda: -signal.SIGTERM) == 143 and error_reports.exit_code(lambda: 3) == 3


# --- permissions ---


def refused(path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch, user: int) -> str:
    """The message for a file that is refused to that user."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    return str(file_errors.explain(PermissionError(errno.EACCES, "Permission denied", str(path)), checkout))


def test_a_checkout_of_another_user_stays_that_user_s(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_another = SimpleNamespace(st_mode=stat.S_IFREG | 0o600, st_uid=4711)
    monkeypatch.setattr(file_errors, "_existing", lambda path: (path, of_another))
    message = refused(checkout / ".env", checkout, monkeypatch, 1000)
    assert "it belongs to user 4711" in message and "use a checkout of your own" in message and "sudo" not in message


def test_a_file_of_another_user_is_named_with_its_owner(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = os.getuid()
    monkeypatch.setattr(file_errors, "_is_all_of_user", lambda folder, user: False)
    name, elsewhere = pwd.getpwuid(me).pw_name, Path("/etc/hosts")
    (checkout / "file").touch()
    (checkout / "folder").mkdir()
    fix = "sudo chown -R $USER ."
    assert refused(checkout / "file", checkout, monkeypatch, me + 1) == f"cannot use file: it belongs to {name}; {fix}"
    assert refused(checkout / "folder/new", checkout, monkeypatch, me + 1) == (
        f"cannot use folder/new: folder belongs to {name}; {fix}"
    )
    assert "sudo" not in refused(elsewhere, checkout, monkeypatch, me + 1), "not a file of the checkout"
    monkeypatch.chdir("/")
    assert refused(checkout / "file", checkout, monkeypatch, me + 1).endswith(f"sudo chown -R $USER {checkout}")
    assert "permission denied; see its permissions: ls -ld" in refused(checkout / "file", checkout, monkeypatch, me)


def test_a_program_on_a_file_system_without_programs_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_errors, "is_noexec", lambda path: True)
    (checkout / "uv").touch(mode=0o755)
    assert refused(checkout / "uv", checkout, monkeypatch, os.getuid()) == (
        "cannot run uv: its file system does not allow programs (noexec); "
        "move the checkout to a folder that does, such as your home"
    )


# --- the whole process ---

PROGRAM = """
import os, sys
sys.path[:0] = [{root!r}, {root!r} + "/src"]
from cli.error_reports import exit_with
def main():
    {code}
    return 0
exit_with(main)
"""


def run(code: str, shell: str = "{}") -> tuple[int, str]:
    """The exit code of a program that ends by `exit_with`, and all that it prints, started by a line of shell."""
    command = [sys.executable, "-I", "-S", "-c", PROGRAM.format(root=str(ROOT), code=code)]
    line = shell.format('"$@"')
    done = subprocess.run(["sh", "-c", line, "sh", *command], capture_output=True, encoding="utf-8")
    return done.returncode, done.stdout + done.stderr


def test_a_print_never_fails_for_a_letter() -> None:
    code = "print('\\u2192 \\udcff \\ud800'); print('\\ud800', file=sys.stderr)"
    assert run(code, "LC_ALL=C PYTHONUTF8=0 {}")[0] == 0
    assert run(code, "LC_ALL=en_US.ISO-8859-1 {}")[0] == 0


def test_closed_and_full_outputs_are_no_traceback() -> None:
    assert run("print('x')", "{} >&-") == (0, "")
    assert run("print('x'); print(sys.stdin.read())", "{} <&- >&- 2>&-") == (0, "")
    assert run("print('x')", "{} | true") == (0, "")
    if Path("/dev/full").exists():
        assert run("print('x')", "{} >/dev/full")[1].startswith("no space left on the disk\n")
        assert run("print('x')", "{} >/dev/full 2>&1") == (1, "")
        assert run("sys.exit(0)", "{} >/dev/full") == (0, "")


def test_an_interrupt_and_a_second_one_are_no_traceback() -> None:
    code = (
        "import atexit, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "atexit.register(signal.raise_signal, signal.SIGINT); signal.raise_signal(signal.SIGINT)"
    )
    assert run(code) == (130, "interrupted\n")


def test_an_error_that_python_would_only_print_is_not_printed() -> None:
    code = "type('A', (), {'__del__': lambda self: 1 / 0})()"
    assert run(code) == (0, "")

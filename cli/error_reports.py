"""How every command ends: with an exit code, and after an error with a message instead of a traceback.

The exit code is 0, 2 for bad input, 1 for any other failure, and 130 after Ctrl-C.
"""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import NoReturn
from urllib.error import HTTPError, URLError

from cli.programs import ROOT, describe_exit, give_files_to_owner
from orionbox import file_errors
from orionbox.errors import BadInputError, CommandError, OrionboxError, printable

LOG = "orionbox-error.log"
"""The file for the traceback of an error that nobody has foreseen."""
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY", re.IGNORECASE)
"""Names of variables whose values no file may show."""
LOGIN = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")
"""A password in an address."""


def exit_with(main: Callable[[], int]) -> NoReturn:
    """Ends this process with the exit code of `main`, or of the error that it raises."""
    _prepare_output()
    try:
        sys.exit(exit_code(main))
    finally:
        with suppress(OSError):
            give_files_to_owner()
        _flush()


def exit_code(main: Callable[[], int]) -> int:
    """Returns the exit code of `main`; an error is printed, and becomes its own exit code."""
    try:
        code = _code_of(main)
        sys.stdout.flush()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would end in a traceback
        _say("interrupted")
        return 130
    except BrokenPipeError:  # the reader has closed the pipe, as in `make status | head -1`
        return 1
    except BaseException as error:
        known = explain(error) or _internal(error)
        # It may quote a file or a server, which must not write to the terminal as they like
        _say(printable("\n".join(filter(None, [known.text, known.fix])), keep="\n\t"))
        return 2 if isinstance(known, BadInputError) else 1
    return 128 - code if code < 0 else code  # a program that a signal has ended, as shells count it


def _code_of(main: Callable[[], int]) -> int:
    try:
        return main()
    except SystemExit as end:  # argparse has printed help or the version; or the code is a text, which is to be printed
        if isinstance(end.code, str):
            raise CommandError(end.code) from end
        return end.code or 0


def explain(error: BaseException) -> OrionboxError | None:
    """Returns the message for an error of a known kind."""
    if isinstance(error, OrionboxError):
        return error
    if isinstance(error, (HTTPException, URLError, ConnectionError, TimeoutError)) or _is_of_the_network(error):
        return _explain_network(error)
    if isinstance(error, OSError):
        return file_errors.explain(error, ROOT)
    if isinstance(error, subprocess.SubprocessError):
        return _explain_program(error)
    if isinstance(error, MemoryError):
        return CommandError("memory has run out", "close other programs")
    if isinstance(error, EOFError):
        return CommandError("the input ended before the end", "a file may be cut off")
    return _explain_content(error)


def _is_of_the_network(error: BaseException) -> bool:
    """Returns whether an error is of sockets or TLS, without importing those modules, which a bare Python lacks."""
    return type(error).__module__ in ("socket", "ssl", "_ssl")


def _explain_network(error: BaseException) -> CommandError:
    if isinstance(error, HTTPError):
        return CommandError(f"{error.url}: the server answered {error.code} {error.reason}", "see why: make logs")
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    text = str(reason).strip() or type(error).__name__
    return CommandError(f"a connection failed: {text}", "see what is running: make status")


def _explain_program(error: subprocess.SubprocessError) -> CommandError | None:
    command = getattr(error, "cmd", None)
    name = " ".join(map(str, command[:4])) if isinstance(command, (list, tuple)) else str(command)
    if isinstance(error, subprocess.TimeoutExpired):
        return CommandError(f"{name} ...: no answer within {error.timeout:.0f} s", "make doctor")
    if isinstance(error, subprocess.CalledProcessError):
        return CommandError(f"{name} ...: {describe_exit(error.returncode)}")
    return None


def _explain_content(error: BaseException) -> CommandError | None:
    """Returns the message for content that cannot be read, whose place only the traceback has."""
    if isinstance(error, json.JSONDecodeError):
        what = f"a file or an answer is not valid JSON ({error})"
    elif isinstance(error, UnicodeDecodeError):
        what = f"a file or an answer is not UTF-8 text ({error.reason} at byte {error.start})"
    elif isinstance(error, UnicodeEncodeError):
        what = f"a name or a value has characters that UTF-8 does not have ({error.object[error.start : error.end]!r})"
    else:
        return None
    return CommandError(f"{what}{_place(error)}", f"details: {_write_log(error)}")


def _internal(error: BaseException) -> CommandError:
    text = _mask(f"internal error: {type(error).__name__}: {error}".splitlines()[0])
    log = _write_log(error)
    details = f"details: {log}; please report it with that file" if log else "please report it"
    return CommandError(f"{text}{_place(error)}; {details}")


def _place(error: BaseException) -> str:
    """Returns the line of ours in which the error occurred."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(f"{ROOT}{os.sep}")]
    return f" ({os.path.relpath(ours[-1].filename, ROOT)}, line {ours[-1].lineno})" if ours else ""


# --- the log of an unforeseen error ---


def _write_log(error: BaseException) -> str:
    """Writes the traceback into the checkout, or else the folder for temporary files; returns the file, if any."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    text = _mask(f"{' '.join(sys.argv)}\nPython {sys.version}\n{platform.platform()}\n\n{trace}")
    for create in (_log_here, _log_elsewhere):
        with suppress(OSError):
            name, descriptor = create()
            with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return name
    return ""


def _log_here() -> tuple[str, int]:
    name = str(ROOT / LOG)
    return name, os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


def _log_elsewhere() -> tuple[str, int]:
    descriptor, name = tempfile.mkstemp(prefix="orionbox-error-", suffix=".log")
    return name, descriptor


def _mask(text: str) -> str:
    """Returns the text without the passwords and keys of .env and of the environment."""
    for secret in sorted(set(_secrets()), key=len, reverse=True):
        text = text.replace(secret, "…")
    return LOGIN.sub(r"\1…@", text)


def _secrets() -> Iterator[str]:
    pairs = [f"{name}={value}" for name, value in os.environ.items()]
    with suppress(OSError):
        pairs += (ROOT / ".env").read_text(encoding="utf-8", errors="replace").splitlines()
    for name, _, value in (pair.partition("=") for pair in pairs):
        value = value.strip().strip("'\"")
        # A file's name is no secret, and a short value would be found everywhere
        if SECRET.search(name) and not name.strip().endswith("_FILE") and len(value) > 5:
            yield value


# --- standard output ---


def _prepare_output() -> None:
    """Opens what the caller has closed, and lets no print fail because of a letter."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed, as by `>&-`: the next file that is opened would get this number
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", errors="replace", closefd=False)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.unraisablehook = lambda _: None  # it prints tracebacks of errors that change nothing any more


def _say(text: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            print(text, file=stream, flush=True)
            return


def _flush() -> None:
    """Empties the outputs; or else Python complains at the end about a pipe that is closed, or a disk that is full."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

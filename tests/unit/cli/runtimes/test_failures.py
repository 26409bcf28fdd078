"""What to do about a failed start. Each log is what the real program printed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.runtimes import failures
from cli.runtimes.failures import LastWords, start_error
from orionbox.errors import CommandError

PORT = """
2026-11-26 17:41:31.830 UTC [3019] LOG:  could not bind IPv4 address "127.0.0.1": Address already in use
2026-11-26 17:41:31.830 UTC [3019] HINT:  Is another postmaster already running on port 55432? If not, wait and retry.
2026-11-26 17:41:31.830 UTC [3019] WARNING:  could not create listen socket for "127.0.0.1"
2026-11-26 17:41:31.830 UTC [3019] FATAL:  could not create any TCP/IP sockets
2026-11-26 17:41:31.838 UTC [3019] LOG:  database system is shut down
"""
OTHER_POSTGRES = """
2026-11-26 17:41:30.787 UTC [2850] FATAL:  database files are incompatible with server
2026-11-26 17:41:30.787 UTC [2850] DETAIL:  The data directory was initialized by PostgreSQL version 15, which is not \
compatible with this version 16.14.
"""
SHARED = """
2026-11-26 17:41:33.821 UTC [3317] FATAL:  could not map anonymous shared memory: Cannot allocate memory
2026-11-26 17:41:33.821 UTC [3317] HINT:  This error usually means that PostgreSQL's request for a shared memory \
segment exceeded available memory, swap space, or huge pages.
2026-11-26 17:41:33.824 UTC [3317] LOG:  database system is shut down
"""
SEGMENT = (
    '2026-11-26 17:41:51.809 UTC [16] FATAL:  could not resize shared memory segment "/PostgreSQL.4146344768" to '
    "1048576 bytes: No space left on device"
)
SECOND_SERVER = """
2026-11-26 17:41:34.376 UTC [3364] FATAL:  lock file "postmaster.pid" already exists
2026-11-26 17:41:34.376 UTC [3364] HINT:  Is another postmaster (PID 3322) running in data directory "/data/main"?
"""
MODES = """
2026-11-26 17:41:33.843 UTC [3319] FATAL:  data directory "/data/main" has invalid permissions
2026-11-26 17:41:33.843 UTC [3319] DETAIL:  Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).
"""
CERTIFICATES = """
  File "/usr/lib/python3.11/ssl.py", line 770, in create_default_context
    context.load_verify_locations(cafile, capath, cadata)
FileNotFoundError: [Errno 2] No such file or directory
"""
REAL_WORDS = {
    PORT: (failures.PORT_IN_USE, "make down"),
    "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 4200): address already in use": (
        failures.PORT_IN_USE,
        "make down",
    ),
    "OSError: [Errno 98] Address already in use": (failures.PORT_IN_USE, "make down"),
    "RuntimeError: Failed to bind to address 127.0.0.1:9060; set GRPC_VERBOSITY=debug environment variable to see": (
        failures.PORT_IN_USE,
        "make down",
    ),
    "Bind for 127.0.0.1:8080 failed: port is already allocated": (failures.PORT_IN_USE, "make down"),
    OTHER_POSTGRES: (failures.OTHER_VERSION, "whose PostgreSQL is 15,"),
    "the data in /data/main was written by PostgreSQL 15, and this is PostgreSQL 16": (
        failures.OTHER_VERSION,
        "whose PostgreSQL is 15,",
    ),
    SHARED: (failures.SHARED_MEMORY, "kernel.shmmax"),
    SEGMENT: (failures.SHARED_MEMORY, "df -h /dev/shm"),
    SECOND_SERVER: (failures.DATA_LOCKED, "end it"),
    '_duckdb.IOException: IO Error: Could not set lock on file "/data/orionbox.duckdb": Conflicting lock is held in '
    "/usr/bin/python3.13 (PID 3796). See also https://duckdb.org/docs/stable/connect/concurrency": (
        failures.DATA_LOCKED,
        "end it",
    ),
    "sqlite3.OperationalError: database is locked": (failures.DATA_LOCKED, "end it"),
    "postgres is already running": (failures.DATA_LOCKED, "end it"),
    "sqlite3.OperationalError: database or disk is full": (failures.DISK_FULL, "df -h"),
    "OSError: [Errno 28] No space left on device: '/data/x'": (failures.DISK_FULL, "df -h"),
    "MemoryError": (failures.OUT_OF_MEMORY, "end other programs"),
    "OSError: [Errno 30] Read-only file system: '/data/g'": (failures.READ_ONLY, "can be written"),
    CERTIFICATES: (failures.CERTIFICATES, "unset that variable"),
    "OSError: Could not find a suitable TLS CA certificate bundle, invalid path: /no/such.pem": (
        failures.CERTIFICATES,
        "unset that variable",
    ),
    MODES: (failures.PERMISSION, "chown"),
    "exec /etc/postgresql/start.sh: permission denied": (failures.PERMISSION, "chown"),
    'asyncpg.exceptions.InvalidCatalogNameError: database "orion" does not exist': (failures.NO_DATABASE, "restore"),
    'asyncpg.exceptions.InvalidPasswordError: password authentication failed for user "orion"': (
        failures.PASSWORD,
        "make down",
    ),
    "psql: error while loading shared libraries: libpq.so.5: cannot open shared object file: No such file": (
        failures.LIBRARY,
        "lacks the library libpq.so.5:",
    ),
    "ImportError: libGL.so.1: cannot open shared object file: No such file or directory": (
        failures.LIBRARY,
        "lacks the library libGL.so.1:",
    ),
    "postgres: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by postgres)": (
        failures.LIBRARY,
        "GLIBC_2.34 is missing",
    ),
    "sqlite3.DatabaseError: file is not a database": (failures.DAMAGED, "make restore"),
    'IO Error: The file "/data/c.duckdb" exists, but it is not a valid DuckDB database file!': (
        failures.DAMAGED,
        "make restore",
    ),
    "IO Error: Corrupt database file: computed checksum 164183 does not match stored checksum 13381279445268027142": (
        failures.DAMAGED,
        "make restore",
    ),
    "OSError: [Errno 24] Too many open files: '/etc/passwd'": (failures.OPEN_FILES, "ulimit"),
    "exec /usr/bin/python3: exec format error": (failures.PROCESSOR, "docker rmi"),
}
STATES = ("Exited (137) 2 seconds ago", "Restarting (137) 1 second ago", "restarting, exited 3 times, out of memory")


@pytest.mark.parametrize("log", REAL_WORDS)
def test_last_words_that_are_known_get_a_fix(log: str) -> None:
    kind, fix = REAL_WORDS[log]
    error = start_error([LastWords("orion", "exited 3 times", log)])
    assert error.kinds == {kind} and fix in error.fix.splitlines()[0]
    assert log.strip().splitlines()[-1] in error.text


@pytest.mark.parametrize("state", STATES)
def test_a_state_says_that_memory_ran_out(state: str) -> None:
    error = start_error([LastWords("orion", state, "importing\n")])
    assert error.kinds == {failures.OUT_OF_MEMORY}


def test_what_is_not_known_leads_to_the_log() -> None:
    error = start_error([LastWords("orion", "Exited (3)", "Traceback\nKeyError: 'x'")])
    assert error.text == "the platform did not start:\n  orion (Exited (3)):\n    Traceback\n    KeyError: 'x'"
    assert (error.fix, error.kinds) == ("see more with: make logs SERVICE=orion", frozenset())


def test_the_last_line_that_is_known_decides() -> None:
    log = "sqlite3.OperationalError: database is locked\nOSError: [Errno 98] Address already in use\nbye\n"
    assert start_error([LastWords("orion", "failed", log)]).kinds == {failures.PORT_IN_USE}


def test_services_that_failed_for_one_reason_share_its_fix() -> None:
    error = start_error([LastWords(name, "failed", "OSError: No space left on device") for name in ("gcs", "orion")])
    assert error.fix.count("df -h") == 1 and error.fix.endswith('make logs SERVICE="gcs orion"')


def test_a_disk_without_space_is_said_whatever_the_last_words_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "LOW_DISK", 1 << 62)
    error = start_error([LastWords("orion", "restarting")], [tmp_path / "not here", tmp_path])
    assert f"MB are free on the disk of {tmp_path}" in error.text.splitlines()[-1]
    assert error.kinds == {failures.DISK_FULL} and error.fix.startswith("the disk is full: free some space")


def test_a_disk_that_has_space_but_no_room_for_a_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = list(os.statvfs(tmp_path))
    values[5:8] = [1000, 0, 0]  # f_files, f_ffree, f_favail
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(values))
    assert failures.describe_full_disk(tmp_path, 0).endswith("has no room for another file (df -i shows it)")


def test_only_a_full_disk_is_no_use_to_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures.require_space([tmp_path / "not here", tmp_path])
    monkeypatch.setattr(failures, "FULL_DISK", 1 << 62)
    with pytest.raises(CommandError, match="MB are free on the disk of") as error:
        failures.require_space([tmp_path / "not here", tmp_path])
    assert error.value.fix == failures.FREE_SPACE


def test_a_disk_with_space_is_not_mentioned(tmp_path: Path) -> None:
    assert failures.describe_full_disk(tmp_path, 0) == ""

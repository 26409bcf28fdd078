"""Backups: all data of one moment as a tar, while others read and write; and the file made small again."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from services.bigquery.store import tables
from services.bigquery.store.catalogue import Catalogue, loaded
from services.bigquery.store.database import FILE, quoted

SUMMARY = ".backup.json"
"""The tar's last member, which shows that it is complete: rows by table."""
TEMPORARY = ".backup-"
"""Prefix of the folders in which copies are made."""
PIECE = 2**20
"""Bytes."""


def copy(cursor: Any, target: Path) -> None:
    """Copies what is committed into a new file, without the space of what was dropped."""
    name = f'"copy {target}"'
    cursor.execute(f"ATTACH {quoted(target)} AS {name}")
    try:
        cursor.execute(f"COPY FROM DATABASE store TO {name}")
    finally:
        cursor.execute(f"DETACH {name}")


def rows_by_table(cursor: Any, catalogue: Catalogue) -> dict[str, int]:
    """The rows by `project.dataset.table`, without those of anonymous datasets."""
    found = {}
    for path, contents in sorted(catalogue.datasets.items()):
        for name, entry in sorted(contents.tables.items()):
            if entry.number and not path[1].startswith("_"):
                count = cursor.execute(f"SELECT count(*) FROM {tables.sql_name(entry.number)}").fetchall()[0][0]
                found[".".join((*path, name))] = count
    return found


def stream(cursor: Any, folder: Path) -> Iterator[bytes]:
    """A tar of all data; the copy is made before this returns.

    Args:
        cursor: Of the database.
        folder: Where there is room for the copy.
    """
    copies = tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=folder)
    try:
        file = Path(copies.name) / FILE
        copy(cursor, file)
        with duckdb.connect() as engine:
            engine.execute(f"ATTACH {quoted(file)} AS store (READ_ONLY)")
            catalogue = loaded(engine.execute("SELECT key, value FROM store.main.catalogue").fetchall())
            summary = {"rows": rows_by_table(engine, catalogue)}
    except BaseException:
        copies.cleanup()
        raise
    return _pieces(copies, file, summary)


def _pieces(copies: tempfile.TemporaryDirectory[str], file: Path, summary: dict[str, Any]) -> Iterator[bytes]:
    with copies:
        reader, writer = os.pipe()
        thread = threading.Thread(target=_write, args=(writer, file, summary), daemon=True)
        thread.start()
        with open(reader, "rb") as pipe:
            while piece := pipe.read(PIECE):
                yield piece
        thread.join()


def _write(writer: int, file: Path, summary: dict[str, Any]) -> None:
    with open(writer, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|") as tar:
        tar.add(file, file.name)
        content = json.dumps(summary).encode()
        member = tarfile.TarInfo(SUMMARY)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))


def sweep(folder: Path) -> None:
    """Deletes what a server that was killed left behind."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)

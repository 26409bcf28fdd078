"""Serves a tar of all data (`GET /backup`) and row counts (`GET /counts`) while the emulator is running.

DuckLake never changes a data file that it has written, and lists a table's files in its catalog. So a copy of the
catalog, made in one transaction, and the files that the copy lists are the tables of one moment.
"""

# mypy: disable-error-code="import-untyped,import-not-found"
# The emulator is installed in its own image only.

import io
import json
import os
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from local_bigquery.catalog import metadata
from local_bigquery.engine import database
from local_bigquery.models import Dataset, Model, Routine
from local_bigquery.settings import settings

EMULATOR, LAKE = ".duckdb", ".ducklake"
SUMMARY = ".backup.json"
"""The tar's last member, which shows that it is complete: rows by table."""
TEMPORARY = ".backup-"
"""Prefix of the folders in which snapshots are made."""
PIECE = 2**20
"""Bytes."""


def snapshot(folder: Path) -> None:
    """Copy all catalogs into ``folder``.

    The emulator's own metadata comes first. A table without metadata is valid, as if created by SQL; metadata without
    a table is ignored.
    """
    _copy("emulator", folder / f"emulator{EMULATOR}")
    for project in database.projects():
        _copy(f"__ducklake_metadata_{project}", folder / f"{project}{LAKE}")


def _copy(name: str, target: Path) -> None:
    with database.cursor() as cursor:
        cursor.execute(f"ATTACH '{_quoted(target)}' AS {_alias(target)}")
        try:
            cursor.execute(f"COPY FROM DATABASE {database.quote(name)} TO {_alias(target)}")
        finally:
            cursor.execute(f"DETACH {_alias(target)}")


def _alias(target: Path) -> str:
    # Two backups at once are two folders
    return str(database.quote(f"copy {target}"))


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def data_files(folder: Path) -> list[Path]:
    """Return the data files that the copies in ``folder`` list."""
    return [
        file for copy in sorted(folder.glob(f"*{LAKE}")) for file in _data_files(copy, settings.data_dir / copy.stem)
    ]


def _data_files(catalog: Path, folder: Path) -> list[Path]:
    """Return every file that the copy lists; their names are unique. FileNotFoundError if one is missing."""
    with duckdb.connect(str(catalog)) as copy:
        # These files are not in the backup
        copy.execute("DELETE FROM ducklake_files_scheduled_for_deletion")
        rows = copy.execute("SELECT path FROM ducklake_data_file UNION ALL SELECT path FROM ducklake_delete_file")
        names = {Path(path).name for (path,) in rows.fetchall()}
    found = [file for file in folder.rglob("*") if file.name in names]
    if len(found) < len(names):
        raise FileNotFoundError(f"{folder}: {len(names) - len(found)} files of its tables are missing")
    return found


def counts(cursor: duckdb.DuckDBPyConnection, catalogs: dict[str, str]) -> dict[str, int]:
    """Return the rows by `project.dataset.table`; ``catalogs`` are the projects by the name each is attached as."""
    tables = cursor.execute(
        "SELECT database_name, schema_name, table_name FROM duckdb_tables() "
        "WHERE list_contains($1, database_name) ORDER BY ALL",
        [list(catalogs)],
    ).fetchall()
    found = {}
    for name, dataset, table in tables:
        cursor.execute(f"SELECT count(*) FROM {database.quote(name, dataset, table)}")
        found[f"{catalogs[name]}.{dataset}.{table}"] = cursor.fetchall()[0][0]
    return found


def definitions(cursor: duckdb.DuckDBPyConnection, projects: list[str]) -> list[str]:
    """Return the names of datasets, views, routines and models, which have no rows of their own."""
    views = cursor.execute(
        "SELECT database_name, schema_name, view_name FROM duckdb_views() "
        "WHERE NOT internal AND list_contains($1, database_name)",
        [projects],
    ).fetchall()
    names = [".".join(parts) for parts in views]
    for project in projects:
        datasets = (one.datasetReference for one in metadata.list_(Dataset, project))
        routines = (one.routineReference for one in metadata.list_(Routine, project))
        models = (one.modelReference for one in metadata.list_(Model, project))
        names += [f"{project}.{one.datasetId}" for one in datasets]
        names += [f"{project}.{one.datasetId}.{one.routineId}" for one in routines]
        names += [f"{project}.{one.datasetId}.{one.modelId}" for one in models]
    return sorted(names)


def prepare(folder: Path) -> dict[str, int]:
    """Expire old table versions in the copies, whose files would be most of a backup; return their rows by table.

    Uses a separate DuckDB: in the emulator's, queries would find the copies' tables.
    """
    found: dict[str, int] = {}
    for catalog in sorted(folder.glob(f"*{LAKE}")):
        data = settings.data_dir / catalog.stem
        with duckdb.connect() as engine:
            engine.execute(f"ATTACH 'ducklake:{_quoted(catalog)}' AS lake (DATA_PATH '{_quoted(data)}/')")
            engine.execute("CALL ducklake_expire_snapshots('lake', older_than => now())")
            found |= counts(engine, {"lake": catalog.stem})
    return found


def counts_now() -> dict[str, Any]:
    """Return the rows by table, the names of what has no rows, and the bytes of data, as of now."""
    size = sum(file.stat().st_size for file in settings.data_dir.rglob("*.parquet"))
    projects = list(database.projects())
    with database.cursor() as cursor:
        rows = counts(cursor, {name: name for name in projects})
        return {"rows": rows, "definitions": definitions(cursor, projects), "bytes": size}


def backup() -> StreamingResponse:
    """Answer with the tar of a snapshot; it is made before the first byte is sent."""
    folder = tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=settings.data_dir)
    try:
        copies = Path(folder.name)
        snapshot(copies)
        summary = {"rows": prepare(copies)}
        files = data_files(copies)
    except BaseException:
        folder.cleanup()
        raise
    return StreamingResponse(_tar(folder, files, summary), media_type="application/x-tar")


def _tar(folder: tempfile.TemporaryDirectory[str], files: list[Path], summary: dict[str, Any]) -> Iterator[bytes]:
    with folder:
        reader, writer = os.pipe()
        thread = threading.Thread(target=_write, args=(writer, Path(folder.name), files, summary), daemon=True)
        thread.start()
        with open(reader, "rb") as pipe:
            while piece := pipe.read(PIECE):
                yield piece
        thread.join()


def _write(writer: int, copies: Path, files: list[Path], summary: dict[str, Any]) -> None:
    with open(writer, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|") as tar:
        for copy in sorted(copies.iterdir()):
            tar.add(copy, copy.name)
        for file in files:
            tar.add(file, str(file.relative_to(settings.data_dir)))
        content = json.dumps(summary).encode()
        member = tarfile.TarInfo(SUMMARY)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))


def with_current_data_path(attach: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    """Make ``attach`` update the catalog's data path first: a restore may have put the data into another folder."""

    def attach_with_current_path(connection: Any, project_id: str) -> None:
        folder = settings.data_dir / project_id
        catalog = folder.with_name(f"{folder.name}{LAKE}")
        if catalog.exists():
            with duckdb.connect(str(catalog)) as owner:
                sql = "UPDATE ducklake_metadata SET value = $1 WHERE key = 'data_path' AND value <> $1"
                owner.execute(sql, [f"{folder}/"])
        attach(connection, project_id)

    return attach_with_current_path


def install(app: FastAPI) -> None:
    """Add the two routes, and let the emulator find its data wherever it was restored to."""
    for leftover in settings.data_dir.glob(f"{TEMPORARY}*"):  # left by an emulator that was killed
        shutil.rmtree(leftover)
    database._attach = with_current_data_path(database._attach)
    app.add_api_route("/backup", backup, methods=["GET"])
    app.add_api_route("/counts", counts_now, methods=["GET"])

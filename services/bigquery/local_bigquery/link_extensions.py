"""Link the DuckDB extensions that came as wheels to where DuckDB looks for them, so that it never downloads any.

Run once, when the image is built, by the user and with the HOME that the emulator will have.
"""

# mypy: disable-error-code="import-not-found"
# DuckDB is installed in the emulator's own image only.

import sys
from importlib.util import find_spec
from pathlib import Path

import duckdb

# What local-bigquery loads when it starts; each comes as the wheel duckdb-extension-<name>.
EXTENSIONS = ("icu", "ducklake", "spatial")


def packaged(name: str, version: str) -> Path:
    """Return the extension's file inside its wheel; FileNotFoundError if the wheel is for another DuckDB."""
    spec = find_spec(f"duckdb_extension_{name}")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the wheel duckdb-extension-{name} is not installed")
    return (Path(spec.origin).parent / "extensions" / version / f"{name}.duckdb_extension").resolve(strict=True)


def link(connection: duckdb.DuckDBPyConnection, home: Path) -> None:
    """Link every extension below ``home`` and load it once: DuckDB checks its signature then.

    The folder is DuckDB's own: ``~/.duckdb/extensions/<version>/<platform>/<name>.duckdb_extension``.
    """
    version, platform = (connection.execute(f"PRAGMA {fact}").fetchall()[0][0] for fact in ("version", "platform"))
    folder = home / ".duckdb" / "extensions" / version / platform
    folder.mkdir(parents=True, exist_ok=True)
    for name in EXTENSIONS:
        target = folder / f"{name}.duckdb_extension"
        target.unlink(missing_ok=True)
        target.symlink_to(packaged(name, version))
        connection.execute(f"LOAD {name}")


if __name__ == "__main__":
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as memory:
        link(memory, Path.home())
    sys.exit(0)

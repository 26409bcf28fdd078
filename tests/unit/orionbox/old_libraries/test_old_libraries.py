"""Code for SQLAlchemy 1.4 and pandas 1.5 on versions 2, in a process of its own, because the changes stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

START = """
import gc, io, sys
from orionbox.student_shell import start
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, select, text
import pandas as pd
engine = create_engine(f"sqlite:///{sys.argv[1]}")
DELETE = text('DELETE FROM trips')
def rows(): return engine.execute("SELECT count(*) FROM trips").scalar()
engine.execute("CREATE TABLE trips (id INTEGER, color TEXT)")
engine.execute("INSERT INTO trips VALUES (?, ?)", (1, "green"))
frame = pd.DataFrame({"id": [1, 2], "color": ["green", "yellow"]})
"""
SQLALCHEMY = {
    "engine.execute('INSERT INTO trips VALUES (?, ?)', [(2, 'a'), (3, 'b')]); print(rows())": "3",
    "print(engine.execute('INSERT INTO trips VALUES (2, NULL)').rowcount, engine.scalar('SELECT 7'))": "1 7",
    "print([dict(row) for row in engine.execute('SELECT * FROM trips')])": "[{'id': 1, 'color': 'green'}]",
    "row = engine.execute('SELECT * FROM trips').first(); print(row['color'], row[0], row.id)": "green 1 1",
    "engine.execute('SELECT * FROM trips').fetchone(); print(engine.pool.checkedout())": "0",
    "print(engine.has_table('trips'), engine.has_table('cars'), engine.table_names())": "True False ['trips']",
    "c = engine.connect(); c.execute('DELETE FROM trips'); print(rows())": "0",
    "c = engine.connect(); c.execute(DELETE); c.close(); print(rows())": "0",
    "with engine.connect() as c: c.execute(DELETE)\nprint(rows())": "0",
    "c = engine.connect(); c.execute(DELETE); del c; gc.collect(); print(rows())": "0",
    "c = engine.connect(); c.execute(DELETE); c.rollback(); c.close(); print(rows())": "1",
    "c = engine.connect(); t = c.begin(); c.execute(DELETE); t.rollback(); c.close(); print(rows())": "1",
    "try:\n with engine.connect() as c: c.execute(DELETE); 1 / 0\nexcept Exception: print(rows())": "1",
    "c = engine.connect(); c.execute(text('SELECT 1'))\nwith c.begin(): c.execute(DELETE)\nprint(rows())": "0",
    "m = MetaData(bind=engine); print(Table('trips', m, autoload=True).columns.keys())": "['id', 'color']",
    "m = MetaData(engine); Table('a', m, Column('id', Integer)); m.create_all(); print(engine.table_names()[0])": "a",
    "t = Table('trips', MetaData(), autoload_with=engine); engine.execute(t.insert(), id=2); print(rows())": "2",
    "t = Table('trips', MetaData(), autoload_with=engine); print(engine.execute(select([t.c.id])).scalar())": "1",
    "from sqlalchemy.orm import Session\nprint(Session(engine).execute('SELECT count(*) FROM trips').scalar())": "1",
    "frame.to_sql('trips', con=engine, if_exists='append', index=False); print(rows())": "3",
    "c = engine.connect(); print(len(pd.read_sql('SELECT * FROM trips', con=c)))": "1",
}
PANDAS = {
    "print(len(frame.append(frame)), len(frame.append({'id': 3}, ignore_index=True)))": "4 3",
    "print(len(frame.append([frame, frame])))": "6",
    "print(frame.id.append(frame.id).tolist(), [name for name, _ in frame.iteritems()][0])": "[1, 2, 1, 2] id",
    "print(list(frame.drop('id', 1)), pd.concat([frame, frame], 1).shape)": "['color'] (2, 4)",
    "print(pd.read_csv(io.StringIO('a;b'), ';').shape)": "(0, 2)",
    "print(len(pd.read_csv(io.StringIO('a,b\\n1,2\\n1,2,3'), error_bad_lines=False, warn_bad_lines=False)))": "1",
    "print(repr(frame.to_csv(line_terminator=';', index=False)))": "'id,color;1,green;2,yellow;'",
    "print(pd.read_csv(io.StringIO('a\\n1'), squeeze=True).tolist(), frame.id.is_monotonic)": "[1] True",
    "print(pd.to_datetime(pd.Series(['2021-01-04'])).dt.week.tolist(), frame.id.mad())": "[1] 0.5",
    "print(pd.np.sum([1, 2]), pd.Int64Index([1])[0])": "3 1",
}


def run(code: str, database: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", START + code, str(database)], capture_output=True, text=True)


def test_old_code_does_what_it_did(tmp_path: Path) -> None:
    """In one process, because each import of pandas takes a second; each case gets the tables anew."""
    cases = {**SQLALCHEMY, **PANDAS}
    code = START.replace('create_engine(f"sqlite:///{sys.argv[1]}")', "None")
    code = code.partition("engine = None")[0] + "for number, case in enumerate(CASES):\n"
    fresh = START.partition("import pandas as pd\n")[2].replace("{sys.argv[1]}", "{sys.argv[1]}{number}")
    code += "    names = {**globals(), 'number': number}\n    exec(FRESH + case, names); print('@')\n"
    code = f"CASES, FRESH = {list(cases)!r}, {fresh!r}\n" + code
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "db")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = dict(zip(cases, (part.strip() for part in done.stdout.split("@\n")), strict=False))
    assert printed == cases


def test_what_is_open_at_the_end_is_committed_and_said(tmp_path: Path) -> None:
    done = run("c = engine.connect(); c.execute(text('INSERT INTO trips VALUES (9, NULL)'))", tmp_path / "db")
    assert done.stderr == "SQLAlchemy 2 does not commit by itself; committed, as 1.4 did. Write connection.commit()\n"
    assert run("", tmp_path / "other").stderr == ""
    code = (
        "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM trips').fetchone()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "db")], capture_output=True, text=True)
    assert done.stdout == "2\n"


@pytest.mark.parametrize("code", ["engine.execute('no sql')", "engine.connect().execute('SELECT * FROM nothing')"])
def test_an_error_is_sqlalchemy_s_own(tmp_path: Path, code: str) -> None:
    assert "sqlalchemy.exc.OperationalError" in run(code, tmp_path / "db").stderr


def test_services_can_leave_the_libraries_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORIONBOX_UNCHANGED", "yes")
    assert "has no attribute 'execute'" in run("", tmp_path / "db").stderr

"""Code of a student's first week, unchanged: the course's addresses and users of Postgres, and its set-up commands."""

from __future__ import annotations

from tests.conftest import Answer

TYPED = (
    "pip install -r requirements.txt",
    "python -m venv env && . env/bin/activate && pip install --upgrade pip",
    "cp settings.env .env && python ingest.py --host localhost",
    "python ingest.py --host pgdatabase --port 5433",
    "python count.py",
    "psql -h localhost -p 5433 -U root -d ny_taxi -c 'SELECT count(*) FROM week1_trips'",
    "psql postgresql://postgres:admin@localhost:5433/ny_taxi -c 'CREATE DATABASE zoomcamp'; test $? = 1",
    "psql postgresql://root:guessed@localhost:5433/ny_taxi -c 'SELECT 1'; test $? = 2",
    "python -m pip install no-such-package; test $? = 1",
    "prefect cloud login",
    "prefect block register -m prefect_github",
)
SAID = (
    "pandas==1.5.2: 2.",
    "not needed here",
    "rows: 2 True",
    "rows: 2 True",
    "counted 2",
    "2",
    "permission denied to create database",
    'user "root"',
    "MISSING no-such-package",
    "No login and no account are needed",
    "Successfully registered",
)
"""A part of what each command answers."""


def assert_as_in_the_course(answers: list[Answer]) -> None:
    """Every command has worked, and answered what it should."""
    for answer, said in zip(answers, SAID, strict=True):
        assert answer.code == 0 and said in answer.output, f"{answer.command}\n{answer.output}"

"""A student's code of week 1, in the shell and in runs of both kinds; nobody outside is one of the course's users."""

from __future__ import annotations

import subprocess

import pytest

from tests.e2e.course.conftest import CutOff
from tests.week1 import TYPED, assert_as_in_the_course

FOLDER = "/workspace/week1"


def test_it_works_in_the_shell(cut_off: CutOff) -> None:
    assert_as_in_the_course(cut_off.shell(*TYPED, folder=FOLDER))


@pytest.mark.parametrize("infrastructure", ["process/agent", "docker-container/zoom"])
def test_it_works_in_runs(cut_off: CutOff, infrastructure: str) -> None:
    name = infrastructure.partition("/")[0]
    build = f"prefect deployment build count.py:count_trips -n {name} -ib {infrastructure} -a"
    ingest, built = cut_off.shell("cp settings.env .env && python ingest.py", build, folder=FOLDER)
    assert (ingest.code, built.code) == (0, 0), built.output
    run_id = cut_off.orion.start_run(f"count week 1/{name}", {})
    cut_off.completed(run_id)
    assert "counted 2" in cut_off.log(run_id)


@pytest.mark.parametrize(("user", "password"), [("root", "root"), ("postgres", "admin"), ("postgres", "postgres")])
def test_the_course_s_users_cannot_log_in_from_outside(cut_off: CutOff, user: str, password: str) -> None:
    """By the host's published port."""
    port = cut_off.settings["POSTGRES_PORT"]
    code = f"import psycopg2; psycopg2.connect('postgresql://{user}:{password}@localhost:{port}/ny_taxi')"
    done = subprocess.run([".venv/bin/python", "-c", code], capture_output=True, text=True)
    assert "no pg_hba.conf entry" in done.stderr

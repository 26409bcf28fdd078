"""Students' code for Google Cloud without Docker: a key of their own, no key, buckets and folders of their own."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT, Checkout, wait_for

SCRIPTS = ("buckets.py", "no_credentials.py", "bucket_folder.py", "projects.py", "make_gcp_blocks.py", "own_key.py")


@pytest.fixture(scope="module")
def folder(platform: Checkout) -> Path:
    """The students' files, in the workspace."""
    folder = platform.root / "workspace" / "google"
    shutil.copytree(ROOT / "tests/e2e/course/repositories/google", folder)
    return folder


@pytest.fixture(scope="module")
def printed(platform: Checkout, folder: Path) -> dict[str, str]:
    """What each of the files prints; the environment of whoever runs the tests has nothing to do with it."""
    answers = platform.shell(*(f"python {name}" for name in SCRIPTS), folder=shlex.quote(str(folder)))
    for answer in answers:
        assert answer.code == 0, answer.output
    return {name: answer.output for name, answer in zip(SCRIPTS, answers, strict=True)}


def test_a_bucket_of_any_name_is_created_by_its_first_write(platform: Checkout, printed: dict[str, str]) -> None:
    lines = printed["buckets.py"]
    assert "made True a" in lines
    assert "looked up None False" in lines
    assert lines.count("NotFound 404") == 2
    for name in ("My_Lake", "goog-lake", "192.168.5.4"):  # the line about the bucket may come between two words
        assert f"{name} BadRequest 400" in lines
    assert "made by hand BadRequest 400 by-hand" in lines
    assert "bucket lake-of-week-1 does not exist; a first write creates it, if its name is allowed" in lines
    assert "bucket copy-of-lake: created at the first write to it" in platform.make(
        "logs", "SERVICE=gcs", "NO_FOLLOW=yes"
    )


def test_without_credentials_every_client_finds_the_default_ones(printed: dict[str, str]) -> None:
    lines = printed["no_credentials.py"]
    for line in (
        "project orionbox-local orionbox-local orionbox-local",
        "read 7 7",
        "rows 7",
        "loaded 7",
        "buckets ['lake-of-frames', 'lake-without-credentials']",
    ):
        assert line in lines


def test_a_bucket_s_folder_is_added_once(printed: dict[str, str]) -> None:
    lines = printed["bucket_folder.py"]
    for line in (
        "put 2 ['code/deep/er.py', 'code/top.py']",
        "put 2 ['code/v/2/deep/er.py', 'code/v/2/top.py']",
        "written code/notes.txt b'notes'",
        "uploaded code/more ['code/more/deep/er.py', 'code/more/left_out.txt', 'code/more/top.py']",
        "got project/deep/er.py False",
        "got notes",
        "deployed True []",
    ):
        assert line in lines
    (got,) = re.findall(r"got (\[.*\])", lines)
    assert "'top.py'" in got and "'v/2/deep/er.py'" in got and "beside" not in got and "code/" not in got


def test_a_deployment_runs_from_a_bucket_s_folder(platform: Checkout, folder: Path, printed: dict[str, str]) -> None:
    (answer,) = platform.shell("prefect deployment run stored/bucket", folder=shlex.quote(str(folder)))
    (run,) = re.findall(r"UUID: ([0-9a-f-]{36})", answer.output)

    def ended() -> str | None:
        state = platform.orion.run(run)["state_type"]
        return str(state) if state in ("COMPLETED", "FAILED", "CRASHED") else None

    assert wait_for(ended, "the end of the run", 300) == "COMPLETED"
    messages = [message for _, _, message in platform.orion.logs(run, set())]
    assert "from the bucket" in messages


def test_a_table_belongs_to_its_project_and_a_query_looks_there_first(printed: dict[str, str]) -> None:
    """docs/week2.md says so."""
    assert "one 2 2 2 2" in printed["projects.py"]
    assert "two 2 2 3 3" in printed["projects.py"]


def test_a_key_of_one_s_own_works_and_the_main_job_needs_no_block(platform: Checkout, printed: dict[str, str]) -> None:
    lines = printed["own_key.py"]
    for line in ("token local", "rows 3", "uploaded scripts/own_key.py", "'frames/a.parquet'", "'scripts/own_key.py'"):
        assert line in lines
    rows = platform.rows_in("green/green_tripdata_2021-01.csv.gz")
    assert f"{rows:,}" in platform.make("run-etl", "COLOR=green", "YEAR=2021", "MONTHS=1")


def test_curl_wget_and_python_reach_the_stand_in_and_trust_it(platform: Checkout) -> None:
    url = "https://oauth2.googleapis.com/tokeninfo"
    by_python = f"python -c \"import requests; print(requests.get('{url}').text)\""
    commands = (f"curl -sS {url}", f"wget -qO- {url}", by_python)
    for answer in platform.shell(*commands, folder="/"):
        if answer.code != 127:  # a machine may lack curl or wget
            assert '"aud":"orionbox"' in answer.output, answer


def test_a_key_file_of_the_student_s_own_wins(platform: Checkout) -> None:
    (answer,) = platform.shell(
        "GOOGLE_APPLICATION_CREDENTIALS=/nowhere.json python -c 'import google.auth; google.auth.default()'", folder="/"
    )
    assert "File /nowhere.json was not found" in answer.output

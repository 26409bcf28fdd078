"""Students' code for Google Cloud in containers: a key of their own, no key, buckets and folders of their own."""

from __future__ import annotations

import re

import pytest

from tests.e2e.course.conftest import CutOff
from tests.e2e.course.test_course_code import INFRASTRUCTURE, run_ids, succeed

SCRIPTS = ("make_gcp_blocks.py", "own_key.py", "no_credentials.py", "bucket_folder.py")


@pytest.fixture(scope="module")
def printed(cut_off: CutOff) -> dict[str, str]:
    """What each of the files prints."""
    commands = [f"python {name}" for name in SCRIPTS]
    return dict(zip(SCRIPTS, succeed(*cut_off.shell(*commands, folder="/workspace/google")), strict=True))


def test_a_key_a_bucket_and_a_folder_of_one_s_own_and_no_key_at_all_work(printed: dict[str, str]) -> None:
    assert "token local" in printed["own_key.py"] and "rows 3" in printed["own_key.py"]
    assert "read 7 7" in printed["no_credentials.py"] and "loaded 7" in printed["no_credentials.py"]
    assert "put 2 ['code/deep/er.py', 'code/top.py']" in printed["bucket_folder.py"]


@pytest.mark.parametrize("kind", INFRASTRUCTURE)
def test_a_deployment_with_them_runs(cut_off: CutOff, printed: dict[str, str], kind: str) -> None:
    build = f"prefect deployment build own_key.py:own_key -n {kind} -ib {INFRASTRUCTURE[kind]} -a"
    run = f"prefect deployment run own-key/{kind}"
    (run_id,) = run_ids(succeed(*cut_off.shell(build, run, folder="/workspace/google"))[1])
    cut_off.completed(run_id)
    assert "rows 3" in cut_off.log(run_id)


def test_the_main_job_uses_no_block_that_the_course_overwrites(cut_off: CutOff, printed: dict[str, str]) -> None:
    (run_id,) = run_ids(succeed(*cut_off.shell('prefect deployment run etl/docker -p "months=[1]"'))[0])
    cut_off.completed(run_id)
    assert "gs://prefect-de-zoomcamp/" in cut_off.log(run_id)


def test_certificates_are_trusted_by_everything_that_asks(cut_off: CutOff) -> None:
    url = "https://www.googleapis.com/oauth2/v3/certs"
    by_python = f"python -c \"import requests; print(requests.get('{url}').text)\""
    by_httplib2 = f"python -c \"import httplib2; print(httplib2.Http().request('{url}')[1].decode())\""
    answers = succeed(*cut_off.shell(f"curl -sS {url}", f"wget -qO- {url}", by_python, by_httplib2))
    # The first one begins with the line about the runtime
    assert [re.sub(r"\s", "", answer)[-11:] for answer in answers] == ['{"keys":[]}'] * 4

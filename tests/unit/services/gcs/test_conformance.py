"""Cloud Storage answers as Google documents it: every step in tests/conformance/storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("httptools")
pytest.importorskip("yaml")

from tests.conformance.storage.runner import Case, Runner, count_steps, read_cases
from tests.conformance.storage.server import running

CASES = list(read_cases())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("gcs")) as server:
        yield server.url


@pytest.mark.filterwarnings("ignore")  # what clients' libraries warn of is not our concern here
@pytest.mark.parametrize("case", CASES, ids=[f"{case.file}: {case.name}" for case in CASES])
def test_answers_as_google_does(url: str, case: Case) -> None:
    assert Runner(url, case).run() == []


def test_each_case_names_the_page_of_googles_documentation() -> None:
    assert count_steps() >= 300
    assert [case.name for case in CASES if not case.page.startswith("https://cloud.google.com/storage/docs/")] == []

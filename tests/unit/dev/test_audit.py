"""Known vulnerabilities of locked packages, with a database that is a fake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dev import audit
from dev.audit import Package
from orionbox.orion.client import JsonApi
from tests.conftest import ROOT
from tests.unit.fake_api import FakeApi

BAD = {
    "id": "GHSA-1",
    "aliases": ["CVE-2021-1", "PYSEC-2021-1"],
    "summary": "reads\x1b[2J any file\n",
    "affected": [
        {
            "package": {"name": "Jinja2"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.6"}]}, {"type": "GIT"}],
        },
        {"package": {"name": "other"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "9"}]}]},
    ],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("services/start", "tests", ".venv/x"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "services/start/requirements.lock").write_text(
        "jinja2==3.1.0 \\\n    --hash=sha256:0\n    # via start\n"
        'idna==3.1 ; python_version > "3" \\\n    --hash=sha256:0\n'
    )
    (tmp_path / "tests/requirements.lock").write_text("jinja2==3.1.0 \\\n    --hash=sha256:0\n")
    (tmp_path / ".venv/x/requirements.lock").write_text("mine==1\n")
    return tmp_path


class Database:
    """A database that knows these vulnerabilities of jinja2, the second one on a page of its own."""

    def __init__(self, *entries: dict[str, Any]) -> None:
        self.entries = {entry["id"]: entry for entry in entries}

    def answer(self, path: str, body: Any) -> Any:
        if path != "/querybatch":
            return self.entries[path.rpartition("/")[2]]
        return {"results": [self._result(query) for query in body["queries"]]}

    def _result(self, query: dict[str, Any]) -> dict[str, Any]:
        if query["package"] != {"name": "jinja2", "ecosystem": "PyPI"} or not self.entries:
            return {}
        first, *others = [{"id": id_} for id_ in self.entries]
        if "page_token" in query:
            return {"vulns": others}
        return {"vulns": [first], **({"next_page_token": "two"} if others else {})}


def run(database: Database, root: Path) -> int:
    with FakeApi(route=database.answer).serving() as api:
        return audit.audit(JsonApi(api.url), root)


def test_each_locked_package_is_known_with_its_files(root: Path) -> None:
    assert audit.locked_packages(root) == {
        Package("jinja2", "3.1.0"): ["services/start/requirements.lock", "tests/requirements.lock"],
        Package("idna", "3.1"): ["services/start/requirements.lock"],
    }


def test_this_checkout_has_packages_to_audit() -> None:
    assert len(audit.locked_packages(ROOT)) > 200


def test_a_vulnerability_is_shown_once_with_its_fix(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = {"id": "PYSEC-2021-1", "aliases": ["GHSA-1"]}
    withdrawn = {"id": "GHSA-0", "withdrawn": "2021-01-01T00:00:00Z"}
    assert run(Database(BAD, same, withdrawn), root) == 1
    said = capsys.readouterr().out
    assert "jinja2 3.1.0: GHSA-1 (CVE-2021-1, PYSEC-2021-1)\n    reads [2J any file" in said
    assert "fixed in 3.1.6; locked by services/start/requirements.lock, tests/requirements.lock" in said
    assert "2 locked packages, 1 known vulnerabilities" in said and "\x1b" not in said


def test_none_known_is_not_the_same_as_not_looked_up(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Database(), root) == 0
    assert "2 locked packages, 0 known vulnerabilities" in capsys.readouterr().out
    assert audit.audit(JsonApi("http://127.0.0.1:1"), root) == 3
    said = capsys.readouterr().out
    assert "not audited: " in said and "nothing is known about the 2 locked packages" in said


@pytest.mark.parametrize("answer", [{}, [], {"results": []}, {"results": [1, 2]}, "sign in"])
def test_an_answer_of_something_else_is_no_audit(answer: Any, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeApi(route=lambda path, body: answer).serving() as api:
        assert audit.audit(JsonApi(api.url), root) == 3
    assert "not audited: " in capsys.readouterr().out

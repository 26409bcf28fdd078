"""What makes the bootstrap run its steps again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from services.bootstrap import unchanged


@pytest.fixture
def flows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the flows, in a process with the variables of a bootstrap."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "etl.py").write_text("1")
    (tmp_path / "key.json").write_text("{}")
    monkeypatch.setenv("FLOWS_FOLDER", str(tmp_path / "flows"))
    monkeypatch.setenv("GCP_KEY_FILE", str(tmp_path / "key.json"))
    return tmp_path / "flows"


CHANGES: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "a flow": lambda flows, env: (flows / "etl.py").write_text("2"),
    "a new flow": lambda flows, env: (flows / "more.py").write_text(""),
    "the key": lambda flows, env: (flows.parent / "key.json").write_text('{"private_key": ""}'),
    "a setting": lambda flows, env: env.setenv("RUN_IMAGE", "orionbox/flows:7"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_steps_run_again_after_a_change(flows: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    before = unchanged.inputs()
    CHANGES[change](flows, monkeypatch)
    assert unchanged.inputs() != before


def test_the_steps_do_not_run_again_in_the_next_container(flows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = unchanged.inputs()
    monkeypatch.setenv("HOSTNAME", "another")
    assert unchanged.inputs() == before


def test_the_code_that_counts_is_the_bootstrap_s_and_the_package_s() -> None:
    names = {path.name for path in unchanged.code_files()}
    assert {"blocks.py", "deployments.py", "old_names.py", "schema.py"} <= names


def test_without_a_note_the_steps_run(flows: Path, tmp_path: Path) -> None:
    assert not unchanged.is_as_noted(tmp_path / "ready.json", unchanged.inputs())

"""Copies of the checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cli.bundle import checkout_copy
from tests.conftest import ROOT


def test_a_checkout_without_git_lists_its_own_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout_copy.copy_checkout(tmp_path)
    theirs = {"data/green/x.csv.gz", ".env", ".venv/bin/python", "cli/__pycache__/x.pyc", ".ruff_cache/x"}
    for name in theirs:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(checkout_copy, "ROOT", tmp_path)
    assert not checkout_copy.has_history()
    known = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    present = [name for name in known.stdout.splitlines() if (ROOT / name).exists()]
    assert set(present) <= set(checkout_copy.list_sources())
    assert not theirs & set(checkout_copy.list_sources())

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


def test_a_link_in_the_checkout_brings_no_other_file_into_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flow may have left it in a folder that it can write to."""
    root = tmp_path / "checkout"
    (root / "services/flows").mkdir(parents=True)
    (root / ".env").write_text("secret")
    (root / ".gitignore").write_text("/.env\n")
    (root / "services/flows/mine.py").write_text("mine")
    (root / "services/flows/link.py").symlink_to("../../.env")
    (root / "services/flows/folder").symlink_to(tmp_path)
    (tmp_path / "outside.py").write_text("secret")
    monkeypatch.setattr(checkout_copy, "ROOT", root)
    monkeypatch.setattr(
        checkout_copy,
        "list_sources",
        lambda: [f"services/flows/{name}" for name in ("mine.py", "link.py", "folder/outside.py")],
    )
    copy = checkout_copy.copy_checkout(tmp_path / "copy")
    assert [path.name for path in copy.rglob("*") if path.is_file()] == ["mine.py"]
    assert "left out 'services/flows/link.py': a link" in capsys.readouterr().out

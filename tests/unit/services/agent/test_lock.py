"""The agent's lock, held by another process."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from services.agent import lock
from tests.conftest import ROOT

HOLD = "import pathlib, sys; from services.agent import lock; lock.hold(pathlib.Path(sys.argv[1]), 'agent-1'); "


def test_the_lock_tells_whether_an_agent_is_running_since_when_and_its_name(tmp_path: Path) -> None:
    path, before = tmp_path / "agent.lock", datetime.now(UTC)
    assert lock.running_agent(path) is None
    command = [sys.executable, "-c", f"{HOLD} print('held', flush=True); sys.stdin.read()", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        agent = lock.running_agent(path)
        assert agent and agent.name == "agent-1"
        assert before < agent.started <= datetime.now(UTC)
        process.kill()
    assert lock.running_agent(path) is None, "the lock ends with its process"


def test_an_agent_that_has_not_written_its_name_yet_has_only_just_started(tmp_path: Path) -> None:
    path, before = tmp_path / "agent.lock", datetime.now(UTC)
    command = [sys.executable, "-c", f"{HOLD} print('held', flush=True); sys.stdin.read()", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        path.write_text("")
        agent = lock.running_agent(path)
        assert agent and agent.name == "" and agent.started > before
        process.kill()

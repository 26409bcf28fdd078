"""What the checks ask this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cli.doctor.machine import Answer, Machine
from tests.unit.cli.doctor.fake_machine import FakeMachine, Line


@pytest.mark.parametrize(
    ("lsof", "owner"),
    [("COMMAND\npython3 7 me 3u IPv4 1 0t0 TCP 127.0.0.1:4200 (LISTEN)\n", ", by python3"), (None, "")],
)
def test_the_program_on_a_port_is_found_without_ss_too(
    machine: FakeMachine, line: Line, lsof: str | None, owner: str
) -> None:
    busy = replace(machine.but(ss=None, lsof=lsof), used_ports=frozenset({4200}))
    assert f"is in use on this machine{owner};" in line(busy, "port 4200")


def test_the_machine_itself_answers(tmp_path: Path) -> None:
    here = Machine(tmp_path, variables={})
    assert here.has("sh") and not here.has("no-such-program")
    assert here.ask("sh", "-c", "echo yes") == Answer(True, "yes\n")
    assert here.ask("sh", "-c", "echo no >&2; exit 3") == Answer(False, "no\n")
    assert here.ask("no-such-program") == Answer(False, "") == here.ask("sleep", "9", seconds=0.01)
    assert (
        here.disk(tmp_path / "not yet").free_mb > 0
        and here.now() > 1_700_000_000
        and here.python_version.startswith("3.")
    )

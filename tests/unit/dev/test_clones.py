"""`make neighbours` and `make busy` without a platform: what is started, compared, ended and said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import messages
from cli.settings.settings import Settings
from dev import busy, clones
from dev.clones import Clone, make_together, printed_ports
from dev.neighbours import __main__ as neighbours
from dev.neighbours.stores import Holdings
from orionbox.errors import BadInputError
from tests.conftest import wait_for

JANUARY = Holdings({"run"}, {"one": 1_001}, {"one": 1_001}, {"one.parquet"}, ("127.0.0.1", "5432", "secret-one"))


def clone(folder: Path, number: int, *recipes: str) -> Clone:
    """A clone whose Makefile has these targets."""
    root = folder / f"clone-{number}"
    root.mkdir()
    (root / "Makefile").write_text("\n".join([*recipes, ""]))
    return Clone(root, {"PATH": os.environ["PATH"], "RUNTIME": "embedded"}, number)


def test_commands_run_at_the_same_time_and_each_failure_is_told(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # opening it waits for the other end: one after the other, these commands would never end
    reader = clone(tmp_path, 1, f"up:\n\t@read line <{pipe} && echo got $$line")
    writer = clone(tmp_path, 2, f"up:\n\t@echo hello >{pipe}; echo no room >&2; exit 3")
    failures = make_together([(reader, ["up"]), (writer, ["up"])])
    assert reader.output.read_text() == "got hello\n"
    assert len(failures) == 1 and failures[0].startswith("clone 2 (embedded): make up: exit ")
    assert "no room" in failures[0]


def test_a_command_that_takes_too_long_is_ended_with_its_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(clones.LIMITS, "up", 0.5)
    slow = clone(tmp_path, 1, "up:\n\t@echo $$$$; exec sleep 600")
    (failure,) = make_together([(slow, ["up"])])
    assert failure.startswith("clone 1 (embedded): make up: not within 0.5 s")
    (number,) = map(int, slow.output.read_text().split()[:1])
    wait_for(lambda: not is_running(number), "its end", 30)


def test_processes_that_work_in_a_clone_are_found(tmp_path: Path) -> None:
    found = clone(tmp_path, 1)
    assert clones.leftovers(found) == []
    process = subprocess.Popen(["sleep", "600"], cwd=found.root)
    try:
        # Between the end of Popen and that of exec, Linux shows no command
        wait_for(lambda: clones.leftovers(found), "the process", 30)
        assert clones.leftovers(found) == [f"process {process.pid}: sleep 600 "]
    finally:
        process.kill()
        process.wait()


def test_the_ports_are_those_that_make_up_prints(settings: Settings) -> None:
    ports = {"ORION_PORT": 4201, "POSTGRES_PORT": 5433, "GCS_PORT": 9024, "BIGQUERY_PORT": 9051, "START_PORT": 4281}
    text = f"ORION_PORT=4200 is in use on this machine\n\n{messages.addresses(settings, ports)}\n"
    assert printed_ports(text) == {name: str(port) for name, port in ports.items()}


def test_what_another_clone_has_put_into_a_store_is_told() -> None:
    assert JANUARY.differences(JANUARY) == []
    rows = {"one": 1_001, "two": 2_001}
    mixed = Holdings({"run", "other"}, rows, {}, {"one.parquet"}, ("127.0.0.1", "5433", "secret-two"))
    assert mixed.differences(JANUARY) == [
        "Orion: other, run, expected run",
        "Postgres: 1,001 rows of one, 2,001 rows of two, expected 1,001 rows of one",
        "BigQuery: no rows, expected 1,001 rows of one",
        "connector: 127.0.0.1:5433 with password secr…, expected 127.0.0.1:5432 with password secr…",
    ]


def test_no_two_clones_and_no_two_rounds_load_the_same_rows(tmp_path: Path) -> None:
    loaded = set()
    for number in (1, 2):
        (tmp_path / f"clone-{number}").mkdir()
        neighbour = neighbours.Neighbour(Clone(tmp_path / f"clone-{number}", {}, number))
        for played in (1, 2):
            neighbour.put_file(played)
            (file,) = (tmp_path / f"clone-{number}" / "data/green").iterdir()
            loaded.add((file.name, neighbour.rows))
    assert len(loaded) == len({rows for _, rows in loaded}) == 4
    assert len({name for name, _ in loaded}) == 2


def test_every_group_from_two_on_is_a_mixture_of_both_runtimes() -> None:
    for count in range(2, len(neighbours.RUNTIMES) + 1):
        assert set(neighbours.RUNTIMES[:count]) == {"compose", "embedded"}


@pytest.mark.parametrize("arguments", [["--rounds=0"], ["--rounds=many"], ["--clones=6"], ["--clones=2,,3"]])
def test_a_wrong_number_of_rounds_or_clones_is_refused(arguments: list[str]) -> None:
    with pytest.raises(BadInputError, match="not (a number|numbers)"):
        neighbours.parse(arguments)


def test_the_usual_numbers() -> None:
    assert neighbours.parse([]) == (20, [2, 3, 5])
    assert busy.parse([]) == (10, 6)
    with pytest.raises(BadInputError, match="LOAD=none: not a number from 1 on"):
        busy.parse(["--load=none"])


def test_the_verdict_names_the_rounds_that_failed() -> None:
    assert neighbours.verdict(20, []).startswith("20 of 20 rounds: ")
    assert neighbours.verdict(20, [3, 17]).startswith("18 of 20 rounds: ")
    assert neighbours.verdict(20, [3, 17]).endswith("; failed: 3, 17")
    assert "started 10 of 10 times in compose, 9 of 10 times in embedded" in busy.verdict(
        10, 6, {"compose": 10, "embedded": 9}
    )


def test_a_busy_process_ends_with_the_one_that_started_it() -> None:
    program = (
        "import os, subprocess, sys; command = [sys.executable, '-c', sys.argv[1], str(os.getpid())]; "
        "print(subprocess.Popen(command, stdout=subprocess.DEVNULL).pid)"
    )
    done = subprocess.run([sys.executable, "-c", program, busy.COMPUTE], stdout=subprocess.PIPE, check=True, timeout=30)
    wait_for(lambda: not is_running(int(done.stdout)), "its end", 30)


def is_running(process: int) -> bool:
    """Whether there is such a process; one that has ended may stay as a zombie where nobody asks for its end."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False

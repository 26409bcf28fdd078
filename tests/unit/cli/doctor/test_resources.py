"""The checks of memory, CPUs and limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.cli.doctor.fake_machine import Doctor, FakeMachine, Line
from tests.unit.cli.doctor.test_cgroups import MB, V2, write


def memory(machine: FakeMachine, megabytes: int) -> None:
    (machine.proc / "meminfo").write_text(f"MemAvailable: {megabytes}000 kB\n")


def test_too_little_memory_is_a_warning_and_never_a_failure(machine: FakeMachine, doctor: Doctor, line: Line) -> None:
    memory(machine, 1500)
    assert line(machine, "memory") == (
        "warn  memory          1500 MB free, about 1900 MB needed: the platform may be slow; fix: close other programs"
    )
    assert doctor(machine, quick=True)[-1] == "exit 0"


def test_memory_that_cannot_be_measured_is_reported(machine: FakeMachine, doctor: Doctor, line: Line) -> None:
    (machine.proc / "meminfo").unlink()
    assert "about 1900 MB" in line(machine.but(docker=None), "memory")
    assert doctor(machine, quick=True) == ["exit 0"]


def test_dask_needs_more_memory_and_a_running_platform_less(machine: FakeMachine, line: Line) -> None:
    memory(machine, 100)
    (machine.root / ".env").write_text("ENGINE=dask\nWORKERS=4\n")
    assert "about 3400 MB needed" in line(machine, "memory")
    assert "about 600 MB needed" in line(replace(machine, used_ports=frozenset({4280})), "memory")


def test_in_a_container_its_limit_counts(machine: FakeMachine, line: Line) -> None:
    write(machine.proc / "self", cgroup="0::/", mountinfo=V2)
    write(machine.proc.parent / "sys/fs/cgroup", memory__max=600 * MB, memory__current=100 * MB)
    assert line(machine, "memory", runtime="embedded") == (
        "warn  memory          500 MB free of the 600 MB that this session or container may use, about 1900 MB needed: "
        "services may be killed; fix: raise the limit (docker run --memory; a larger machine type)"
    )
    assert line(machine, "memory").startswith("ok "), "the engine is outside of it"


def test_an_engine_that_this_machine_does_not_see_says_what_it_has(machine: FakeMachine, line: Line) -> None:
    printed = line(replace(machine, engine_process=0), "memory")
    assert printed.startswith(
        "ok    memory          the machine of the Docker engine has 8000 MB, about 1900 MB needed"
    )


def test_less_than_a_cpu_is_reported(machine: FakeMachine, line: Line) -> None:
    assert line(machine, "cpu") == "ok    cpu             4"
    assert line(replace(machine, cpu_count=0.5), "cpu").startswith("warn  cpu             only 0.5 of a CPU")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("RLIMIT_NOFILE", 512, "fail  limits          a process may open 512 files, and 1024 are needed"),
        ("RLIMIT_NPROC", 100, "warn  limits          at most 100 more processes and threads may run"),
        ("RLIMIT_AS", 2e9, "warn  limits          ulimit -v: a process gets 2000000000 bytes of address space"),
        ("RLIMIT_CPU", 600, "warn  limits          ulimit -t: a process gets 600 seconds of CPU time"),
    ],
)
def test_limits_of_the_session_matter_to_processes_and_not_to_containers(
    machine: FakeMachine, line: Line, lines: Doctor, name: str, value: float, text: str
) -> None:
    limited = replace(machine, limits={name: value})
    assert line(limited, "limits", runtime="embedded").startswith(text)
    assert lines(limited, "limits", runtime="compose") == []


def test_a_container_s_limit_of_processes_is_seen(machine: FakeMachine, line: Line) -> None:
    write(machine.proc / "self", cgroup="0::/", mountinfo=V2)
    write(machine.proc.parent / "sys/fs/cgroup", pids__max=150, pids__current=30)
    assert "at most 120 more processes and threads may run" in line(machine, "limits", runtime="embedded")

"""The checks of the disks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.doctor.machine import Answer, Disk
from tests.unit.cli.doctor.fake_machine import INFO, Doctor, FakeMachine, Line, not_built


@pytest.mark.parametrize(("megabytes", "state"), [(50_000, "ok "), (1_500, "warn"), (300, "fail")])
def test_a_disk_that_is_nearly_full_is_reported(machine: FakeMachine, line: Line, megabytes: int, state: str) -> None:
    assert line(machine.with_free(megabytes), "disk").startswith(state)


def test_images_that_are_not_built_yet_need_disk_too(machine: FakeMachine, lines: Doctor) -> None:
    folder = str(machine.home)
    here = replace(
        not_built(machine).but(docker_info=INFO.replace("||", f"|{folder}|")), disks={folder: Disk(2, 5_000, None)}
    )
    assert f"5000 MB free in {folder}, about 10000 MB needed" in lines(here, "disk")[1]


def test_a_clock_that_is_slow_by_years_is_seen(machine: FakeMachine, line: Line) -> None:
    printed = line(machine.but(git_log="4102444800\n"), "clock")
    assert printed.startswith("fail ") and "timedatectl" in printed
    assert line(machine.but(git_log=Answer(False, "not a git repository")), "clock").startswith("ok ")


def test_without_git_the_date_of_the_release_is_the_earliest(machine: FakeMachine, line: Line) -> None:
    archive = machine.but(git_log=None)
    (machine.root / "CHANGELOG.md").write_text("## Unreleased\n\n## 0.2.0 - 2030-05-01\n\n## 0.1.0 - 2020-01-01\n")
    assert line(archive, "clock").startswith(
        "fail  clock           2027-01-15 08:00 UTC is before this checkout was made"
    )
    (machine.root / "CHANGELOG.md").write_text("## 0.2.0 - 2027-01-16\n")
    assert line(archive, "clock").startswith("ok "), "in Auckland the day has begun"


def test_a_clock_of_docker_that_has_stopped_is_seen(machine: FakeMachine, line: Line) -> None:
    asleep = machine.but(docker_info=INFO.replace("T08:00:01.421723392Z", "T09:30:00+02:00"))
    printed = line(asleep, "clock")
    assert printed.startswith(
        "warn  clock           2027-01-15 08:00 UTC here, and the Docker engine's clock differs by 1800 s"
    )


def test_the_engine_s_disk_counts_and_one_that_is_shared_counts_once(machine: FakeMachine, lines: Doctor) -> None:
    folder = machine.root.parent / "docker"
    folder.mkdir()
    here = machine.but(docker_info=INFO.replace("||", f"|{folder}|"))
    shared = replace(not_built(here), disks={str(here.root): Disk(1, 900, None), str(folder): Disk(1, 900, None)})
    assert lines(shared, "disk") == [
        "warn  disk            900 MB free here, about 12000 MB needed; "
        "fix: delete something; with Docker, old builds: docker builder prune"
    ]
    small = replace(not_built(here), disks={str(folder): Disk(2, 300, 1_000_000)})
    printed = lines(small, "disk")
    assert printed[0].startswith("ok ")
    assert printed[1].startswith(f"fail  disk            300 MB free in {folder}, about 10000 MB needed")


def test_an_engine_whose_disk_is_elsewhere_is_reported_as_not_measured(machine: FakeMachine, lines: Doctor) -> None:
    desktop = machine.but(docker_info=INFO.replace("||", "|/no/such/folder|"))
    assert lines(desktop, "disk")[0] == (
        "ok    disk            that of the Docker engine cannot be measured from here: docker system df"
    )


@pytest.mark.parametrize(("count", "state"), [(20_000, "warn"), (10, "fail")])
def test_a_disk_that_takes_no_more_files_is_reported(
    machine: FakeMachine, lines: Doctor, count: int, state: str
) -> None:
    full = replace(machine, disks={str(machine.root): Disk(1, 50_000, count)})
    assert lines(full, "disk")[1].startswith(f"{state}  disk            only {count} more files fit here")
    without_limit = replace(machine, disks={str(machine.root): Disk(1, 50_000, None)})
    assert len(lines(without_limit, "disk")) == 1


def test_virtual_environments_need_room_here_and_in_the_cache(machine: FakeMachine, line: Line) -> None:
    new = replace(machine.with_free(4_000), has_environments=False)
    shared = replace(new, disks={**new.disks, str(new.home): Disk(1, 4_000, None)})
    assert "4000 MB free here, about 5200 MB needed" in line(shared, "disk", runtime="embedded")


def test_postgres_needs_shared_memory_without_docker(machine: FakeMachine, line: Line) -> None:
    assert line(machine, "shared memory", runtime="embedded").startswith("ok ")
    closed = replace(machine, write_errors={machine.shared_memory.name: "Permission denied"})
    assert line(closed, "shared memory", runtime="embedded").startswith("fail  shared memory   PostgreSQL cannot use ")
    small = replace(machine, disks={str(machine.shared_memory): Disk(9, 8, None)})
    assert "--shm-size=256m" in line(small, "shared memory", runtime="embedded")

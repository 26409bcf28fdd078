"""What cgroups leave of the machine, read from files as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.doctor import cgroups
from cli.doctor.cgroups import Share

MB = 1_000_000
NO_LIMIT_V1 = 9223372036854771712


def write(folder: Path, **files: object) -> None:
    """Writes the files of a cgroup, with `__` for the dot in their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def system(tmp_path: Path, cgroup: str, mountinfo: str, available_mb: int = 15_000, process: str = "self") -> Path:
    """Writes /proc of a process in those cgroups; returns its path."""
    proc = tmp_path / "proc"
    write(proc / process, cgroup=cgroup)
    write(proc / "self", mountinfo=mountinfo)
    write(proc, meminfo=f"MemTotal: 16000000 kB\nMemAvailable: {available_mb}000 kB")
    return proc


V2 = "35 24 0:31 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw"
V1 = (
    "36 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "37 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "38 31 0:34 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids"
)


def test_without_a_limit_the_machine_s_free_memory_counts(tmp_path: Path) -> None:
    proc = system(tmp_path, "0::/user.slice", V2)
    write(tmp_path / "sys/fs/cgroup/user.slice", memory__max="max", memory__high="max", memory__current=900 * MB)
    assert cgroups.free_memory(proc) == Share(15_000, 0)


def test_in_a_container_its_own_limit_counts_and_cached_files_are_free(tmp_path: Path) -> None:
    proc = system(tmp_path, "0::/", V2)
    statistics = f"anon {200 * MB}\ninactive_file {150 * MB}\nactive_file {40 * MB}\nslab_reclaimable {10 * MB}"
    root = tmp_path / "sys/fs/cgroup"
    write(root, memory__max=600 * MB, memory__current=400 * MB, memory__stat=statistics)
    assert cgroups.free_memory(proc) == Share(400, 600)


@pytest.mark.parametrize("limited", ["lab.slice", "lab.slice/ada", "lab.slice/ada/shell"])
def test_the_smallest_of_nested_limits_counts(tmp_path: Path, limited: str) -> None:
    proc = system(tmp_path, "0::/lab.slice/ada/shell", V2)
    for name in ("lab.slice", "lab.slice/ada", "lab.slice/ada/shell"):
        limit = 700 * MB if name == limited else 4_000 * MB
        write(tmp_path / "sys/fs/cgroup" / name, memory__max=limit, memory__current=200 * MB)
    assert cgroups.free_memory(proc) == Share(500, 700)


def test_a_threshold_for_throttling_counts_as_a_limit(tmp_path: Path) -> None:
    proc = system(tmp_path, "0::/job", V2)
    write(tmp_path / "sys/fs/cgroup/job", memory__max=4_000 * MB, memory__high=900 * MB, memory__current=0)
    assert cgroups.free_memory(proc) == Share(900, 900)


def test_version_1_counts_the_limits_of_the_cgroups_above_that_a_container_cannot_see(tmp_path: Path) -> None:
    proc = system(tmp_path, "4:memory:/\n0::/", V1)
    statistics = f"cache 5\ninactive_file 1\nhierarchical_memory_limit {800 * MB}\ntotal_inactive_file {100 * MB}"
    files = {"memory__limit_in_bytes": NO_LIMIT_V1, "memory__usage_in_bytes": 300 * MB, "memory__stat": statistics}
    write(tmp_path / "sys/fs/cgroup/memory", **files)
    assert cgroups.free_memory(proc) == Share(600, 800)


def test_version_1_without_a_hierarchy_limits_only_itself(tmp_path: Path) -> None:
    proc = system(tmp_path, "4:memory:/lab/ada", V1)
    top = tmp_path / "sys/fs/cgroup/memory"
    write(top / "lab", memory__limit_in_bytes=100 * MB, memory__usage_in_bytes=0, memory__use_hierarchy=0)
    write(top / "lab/ada", memory__limit_in_bytes=2_000 * MB, memory__usage_in_bytes=0)
    assert cgroups.free_memory(proc) == Share(2_000, 2_000)


def test_a_container_that_sees_the_machine_s_paths_finds_its_own_part(tmp_path: Path) -> None:
    mountinfo = V1.replace("0:32 / /sys", "0:32 /docker/1234 /sys")
    proc = system(tmp_path, "4:memory:/docker/1234/inner", mountinfo)
    top = tmp_path / "sys/fs/cgroup/memory"
    write(top, memory__limit_in_bytes=600 * MB, memory__usage_in_bytes=100 * MB)
    write(top / "inner", memory__limit_in_bytes=NO_LIMIT_V1, memory__usage_in_bytes=50 * MB)
    assert cgroups.free_memory(proc) == Share(500, 600)


def test_a_path_that_is_not_mounted_here_counts_from_the_top_of_the_mount(tmp_path: Path) -> None:
    proc = system(tmp_path, "0::/../other", V2.replace(" / /sys", " /docker/1 /sys"))
    write(tmp_path / "sys/fs/cgroup", memory__max=600 * MB, memory__current=0)
    assert cgroups.free_memory(proc) == Share(600, 600)


def test_of_a_container_engine_only_common_limits_count(tmp_path: Path) -> None:
    proc = system(tmp_path, "0::/lab/user.slice", V2)
    system(tmp_path, "0::/lab/docker.service", V2, process="77")
    top = tmp_path / "sys/fs/cgroup"
    write(top / "lab", memory__max=3_000 * MB, memory__current=0)
    write(top / "lab/user.slice", memory__max=500 * MB, memory__current=0)
    write(top / "lab/docker.service", memory__max=200 * MB, memory__current=0)
    assert cgroups.free_memory(proc) == Share(500, 500)
    assert cgroups.free_memory(proc, engine=77) == Share(3_000, 3_000)


def test_more_than_the_limit_in_use_leaves_nothing(tmp_path: Path) -> None:
    proc = system(tmp_path, "0::/", V2)
    write(tmp_path / "sys/fs/cgroup", memory__max=600 * MB, memory__current=601 * MB)
    assert cgroups.free_memory(proc) == Share(0, 600)


def test_cpus_and_processes_follow_their_limits(tmp_path: Path) -> None:
    proc = system(tmp_path, "0::/job", V2)
    write(tmp_path / "sys/fs/cgroup/job", cpu__max="50000 100000", pids__max=500, pids__current=120)
    assert cgroups.cpus(proc) == 0.5 and cgroups.free_processes(proc) == 380
    write(tmp_path / "sys/fs/cgroup/job", cpu__max="max 100000", pids__max="max")
    assert cgroups.cpus(proc) >= 1 and cgroups.free_processes(proc) is None


def test_cpus_of_version_1(tmp_path: Path) -> None:
    proc = system(tmp_path, "4:memory:/a\n1:cpu,cpuacct:/a", V1)
    folder = tmp_path / "sys/fs/cgroup/cpu,cpuacct/a"
    write(folder, cpu__cfs_quota_us=25_000, cpu__cfs_period_us=100_000)
    assert cgroups.cpus(proc) == 0.25
    write(folder, cpu__cfs_quota_us=-1)
    assert cgroups.cpus(proc) >= 1


@pytest.mark.parametrize("text", ["", "nonsense", "0::", "9:memory"])
def test_files_in_another_form_limit_nothing(tmp_path: Path, text: str) -> None:
    assert cgroups.free_memory(system(tmp_path, text, text)) == Share(15_000, 0)
    assert cgroups.free_memory(tmp_path / "no-such-folder") is None


def test_this_machine_answers() -> None:
    assert cgroups.cpus() > 0

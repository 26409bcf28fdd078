"""Checks of what this machine, session or container lets the platform use: memory, CPUs, processes and open files."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor.docker import Engine
from cli.doctor.machine import Finding, Machine, fail, ok, warn
from cli.settings.settings import Settings

IDLE_MB = 1300
"""Memory of all services at rest, with some room; dev/bench/README.md has the measured figure."""
RUN_MB = 600
"""Memory of a run of the main job."""
WORKER_MB = 300
"""Memory of a Dask worker, or of its scheduler, at rest."""
OPEN_FILES = 1024
"""What supervisord requires."""
PROCESSES = 400
"""Processes and threads of all services and a run, with some room."""
LIMITS = (
    ("RLIMIT_AS", "v", 8_000_000_000, "bytes of address space"),
    ("RLIMIT_DATA", "d", 4_000_000_000, "bytes of data"),
    ("RLIMIT_FSIZE", "f", 2_000_000_000, "bytes in a file"),
    ("RLIMIT_CPU", "t", 24 * 3600, "seconds of CPU time"),
)
"""Other limits: the name in the module `resource`, the option of `ulimit`, what services need, and its unit."""


def check_memory(settings: Settings, machine: Machine, runtime: str, engine: Engine | None = None) -> Finding:
    """Checks the free memory; too little only makes the platform slow.

    Args:
        settings: the user's.
        machine: the machine to check.
        runtime: the runtime in use; empty if it is not known, and containers may be meant.
        engine: the container engine if it has been asked.
    """
    need = IDLE_MB + RUN_MB
    if settings.task_runner == "dask":
        need += WORKER_MB * (int(settings["WORKERS"]) + 1)
    if machine.port_obstacle(settings.ports["START_PORT"]):
        need = RUN_MB  # the platform is running already: its memory is not free any more
    daemon = 0 if runtime == "embedded" else machine.process_named("dockerd")
    share = machine.free_memory(daemon)
    if engine and (engine.is_desktop or not daemon or share is None):
        return _check_engine_memory(engine, need)
    if share is None:
        return ok("memory", f"cannot be measured here; the platform needs about {need} MB")
    text = f"{share.free_mb} MB free, about {need} MB needed"
    if share.limit_mb:
        text = f"{share.free_mb} MB free of the {share.limit_mb} MB that this session or container may use, "
        text += f"about {need} MB needed"
    if share.free_mb >= need:
        return ok("memory", text)
    fix = "raise the limit (docker run --memory; a larger machine type)" if share.limit_mb else "close other programs"
    danger = "services may be killed" if share.limit_mb and share.limit_mb < need else "the platform may be slow"
    return warn("memory", f"{text}: {danger}", fix)


def _check_engine_memory(engine: Engine, need: int) -> Finding:
    where = "Docker's virtual machine" if engine.is_desktop else "the machine of the Docker engine"
    text = f"{where} has {engine.memory_mb} MB, about {need} MB needed; how much of it is free cannot be measured here"
    if engine.memory_mb >= need:
        return ok("memory", text)
    return warn("memory", text, "Docker Desktop: Settings, Resources, Memory")


def check_cpus(machine: Machine) -> Finding:
    """Checks how many CPUs the platform may use."""
    count = machine.cpus()
    if count >= 1:
        return ok("cpu", f"{count:g}")
    return warn(
        "cpu", f"only {count:g} of a CPU may be used here: a start takes long", "raise the container's CPU limit"
    )


def check_limits(machine: Machine) -> Iterator[Finding]:
    """Checks what one process and one user may use; only processes of the embedded runtime inherit it."""
    findings = [*_check_files(machine), *_check_processes(machine), *_check_others(machine)]
    yield from findings or [ok("limits", "ulimit allows what the services need")]


def _check_files(machine: Machine) -> Iterator[Finding]:
    _, hard = machine.limit("RLIMIT_NOFILE")
    if hard < OPEN_FILES:
        text = f"a process may open {hard:.0f} files, and {OPEN_FILES} are needed"
        yield fail("limits", text, "raise it: /etc/security/limits.conf, or docker run --ulimit nofile=65536")


def _check_processes(machine: Machine) -> Iterator[Finding]:
    soft, _ = machine.limit("RLIMIT_NPROC")
    allowed = [soft] if machine.user else []  # root may start any number
    if (free := machine.free_processes()) is not None:
        allowed.append(free)
    if allowed and min(allowed) < PROCESSES:
        text = f"at most {min(allowed):.0f} more processes and threads may run, and about {PROCESSES} are needed"
        yield warn("limits", text, "raise ulimit -u, or the container's --pids-limit")


def _check_others(machine: Machine) -> Iterator[Finding]:
    for name, letter, needed, unit in LIMITS:
        soft, hard = machine.limit(name)
        if soft < needed:
            fix = f"ulimit -{letter} unlimited" if hard >= needed else "ask who set it in /etc/security/limits.conf"
            yield warn("limits", f"ulimit -{letter}: a process gets {soft:.0f} {unit}, and services may end there", fix)

"""`./orionbox doctor`: checks what the platform needs of this machine, and prints a line for each check.

What must be right before Python starts is checked by the script `orionbox`; the checks of Docker are in docker.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

from cli.doctor import docker
from cli.doctor.docker import Engine
from cli.doctor.machine import Answer, Finding, Machine, fail, ok, warn
from cli.programs import say
from cli.runtimes.compose import google_cloud
from cli.runtimes.compose.compose import Compose
from cli.settings import env_file
from cli.settings.settings import Settings
from orionbox.errors import BadInputError

IDLE_MB = 1300
"""Memory of all services at rest, with some room; docs/benchmarks.md has the measured figure."""
RUN_MB = 600
"""Memory of a run of the main job."""
WORKER_MB = 300
"""Memory of a Dask worker, or of its scheduler, at rest."""
BUILD_MB = 8000
"""Disk for the images and the build cache."""
DATA_MB = 2000
"""Disk for taxi files and their copies in the stores."""
FULL_MB = 500
"""Disk below which nothing works any more."""


def doctor(typed: Mapping[str, str], runtime: str, quick: bool, machine: Machine | None = None) -> int:
    """Prints its findings; returns 1 if something must be fixed before the platform can run.

    Args:
        typed: settings that the user typed, and the environment.
        runtime: the runtime that the user named; empty to choose automatically.
        quick: run only the fast checks and print only problems.
        machine: the machine to check; this one by default.
    """
    machine = machine or Machine()
    settings, finding = _settings(typed, machine)
    if quick:
        return _print(each for each in [finding, *quick_checks(settings, machine)] if each.state != "ok")
    return _print(_all_checks(settings, finding, runtime, machine))


def is_ready_for_start(settings: Settings, machine: Machine | None = None) -> bool:
    """Prints the problems that the quick checks find; returns whether the platform can be started."""
    return not _print(each for each in quick_checks(settings, machine or Machine()) if each.state != "ok")


def _print(findings: Iterable[Finding]) -> int:
    has_failed = False
    for finding in findings:
        say(str(finding))
        has_failed = has_failed or finding.state == "fail"
    return int(has_failed)


def quick_checks(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Runs the fast checks, which also run before each start."""
    yield check_memory(settings, machine, None)
    yield check_disk(machine, are_images_built=True)
    yield check_clock(machine)


def _all_checks(settings: Settings, settings_finding: Finding, runtime: str, machine: Machine) -> Iterator[Finding]:
    yield ok("checkout", "its line endings are right")  # or the script `orionbox` had refused to start
    yield ok("python3", machine.python_version)
    yield settings_finding
    engine, finding = docker.check_engine(machine, runtime)
    yield finding
    tag = machine.variables.get("ORIONBOX_TAG") or env_file.version()
    are_images_built = bool(engine) and docker.are_images_built(machine, tag)
    if engine:
        yield from docker.check_plugins(machine)
        yield from _check_images(machine, are_images_built)
    yield from check_ports(settings, machine, engine)
    yield from check_certificates(machine)
    yield from check_google(settings, machine, are_images_built)
    yield check_memory(settings, machine, engine)
    yield check_disk(machine, are_images_built or not engine)
    yield check_clock(machine)


def _settings(typed: Mapping[str, str], machine: Machine) -> tuple[Settings, Finding]:
    """Returns the settings, and the finding about them; falls back to .env.example if .env is invalid."""
    try:
        settings = Settings.read(typed, machine.root)
    except BadInputError as error:
        example = env_file.parse(machine.root / env_file.EXAMPLE.name)
        return Settings(env_file.fill_in(example)), fail("settings", error.text, error.fix)
    if not (machine.root / ".env").exists():
        return settings, ok("settings", "there is no .env yet; the first make up writes it")
    return settings, ok("settings", "every setting in .env is valid")


def _check_images(machine: Machine, are_images_built: bool) -> Iterator[Finding]:
    if are_images_built:
        yield ok("images", "built; neither registry nor package index is needed until their sources change")
    else:
        yield from docker.check_image_sources(machine)


def check_ports(settings: Settings, machine: Machine, engine: Engine | None) -> Iterator[Finding]:
    """Checks whether something else listens on the platform's ports."""
    are_all_free = True
    for name, port in settings.ports.items():
        if machine.is_port_free(port):
            continue
        project, container = docker.container_at(machine, port) if engine else ("", "")
        if project == settings.platform:
            continue
        are_all_free = False
        owner = f"container {container}" if container else machine.port_owner(port) or "another program"
        free = next(other for other in range(port + 1, 65_536) if machine.is_port_free(other))
        fix = f"nothing to do: make up takes the next free one; or set {name}={free} in .env"
        yield warn(f"port {port}", f"is in use by {owner}", fix)
    if are_all_free:
        yield ok("ports", "all are free, or this platform's own")


def check_certificates(machine: Machine) -> Iterator[Finding]:
    """Checks the certificates of this site's own authorities."""
    files = machine.certificates()
    findings = [finding for file in files if (finding := _check_certificate(machine, file))]
    yield from findings
    if not findings:
        count = len({file.name for file in files})
        yield ok("ca", f"{count} certificates of this site's authorities go into the images")


def _check_certificate(machine: Machine, file: Path) -> Finding | None:
    name = file.relative_to(machine.root) if machine.root in file.parents else file
    if b"BEGIN CERTIFICATE" not in file.read_bytes():
        fix = f"openssl x509 -inform der -in '{name}' -out '{name}'"
        return fail("ca", f"{name} is not a PEM certificate", fix)
    expiry = ("openssl", "x509", "-checkend", "0", "-noout", "-in", str(file))
    if machine.has("openssl") and not machine.ask(*expiry).is_ok:
        return fail("ca", f"{name} has expired", "get a new one from your network's administrators")
    return None


def check_google(settings: Settings, machine: Machine, are_images_built: bool) -> Iterator[Finding]:
    """With CLOUD=gcp, checks the key and then access to Google from a container."""
    if not settings.is_real_cloud:
        yield ok("gcp key", f"none is needed: Cloud Storage and BigQuery are emulated (CLOUD={settings['CLOUD']})")
        return
    try:
        key = google_cloud.read_key(settings)
    except BadInputError as error:
        yield fail("gcp key", error.text, error.fix)
        return
    file, project = settings["GCP_KEY_FILE"], settings["GCP_PROJECT"]
    if key["project_id"] == project:
        yield ok("gcp key", f"{file}, of project {project}")
    else:
        text = f"{file} is of project {key['project_id']}, and GCP_PROJECT is {project}"
        fix = "nothing to do if its account has roles there; else set GCP_PROJECT in .env"
        yield warn("gcp key", text, fix)
    if are_images_built and (machine.root / ".env").exists() and (machine.root / "secrets/ca-bundle.crt").exists():
        yield from _ask_google(settings)
    else:
        text = "bucket, datasets and roles cannot be checked before the images are built"
        yield warn("gcp account", text, "make up, which builds them and checks before it starts anything")


def _ask_google(settings: Settings) -> Iterator[Finding]:
    """Passes on what the dry run finds."""
    google_cloud.copy_key(settings)
    try:
        done = google_cloud.dry_run(Compose(settings))
    except BadInputError as error:
        yield fail("gcp account", error.text, error.fix)
        return
    findings = google_cloud.read_findings(done.stdout)
    for state, subject, text, fix in findings:
        yield Finding(state, subject, text, fix)
    if not findings:
        why = docker.reason(Answer(False, done.stderr))
        yield fail("gcp account", f"Google could not be checked ({why})", "run make up for details")


def check_memory(settings: Settings, machine: Machine, engine: Engine | None) -> Finding:
    """Checks the free memory; too little only makes the platform slow."""
    need = IDLE_MB + RUN_MB
    if settings.task_runner == "dask":
        need += WORKER_MB * (int(settings["WORKERS"]) + 1)
    if not machine.is_port_free(settings.ports["START_PORT"]):
        need = RUN_MB  # the platform is running already: its memory is not free any more
    free = machine.free_memory_mb()
    if engine and (engine.is_desktop or free is None):
        return _check_engine_memory(engine.memory_mb, need)
    if free is None:
        return ok("memory", f"cannot be measured here; the platform needs about {need} MB")
    if free >= need:
        return ok("memory", f"{free} MB free, about {need} MB needed")
    text = f"{free} MB free, about {need} MB needed: the platform may be slow"
    return warn("memory", text, "close other programs")


def _check_engine_memory(memory_mb: int, need: int) -> Finding:
    text = f"Docker's virtual machine has {memory_mb} MB, about {need} MB needed"
    if memory_mb >= need:
        return ok("memory", text)
    return warn("memory", text, "Docker Desktop: Settings, Resources, Memory")


def check_disk(machine: Machine, are_images_built: bool) -> Finding:
    """Checks the free space on the checkout's disk."""
    free, need = machine.free_disk_mb(), DATA_MB if are_images_built else DATA_MB + BUILD_MB
    text = f"{free} MB free here, about {need} MB needed"
    if free >= need:
        return ok("disk", f"{free // 1000} GB free here")
    if free < FULL_MB:
        return fail("disk", text, "delete something; Docker's share: docker system df")
    return warn("disk", text, "delete something; old builds: docker builder prune")


def check_clock(machine: Machine) -> Finding:
    """Checks that the clock is not before the checkout's last commit: certificates would not be valid yet."""
    answer = machine.ask("git", "log", "-1", "--format=%ct")
    committed = int(answer.text) if answer.is_ok and answer.text.strip().isdecimal() else 0
    now = datetime.fromtimestamp(machine.now(), timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    if machine.now() >= committed:
        return ok("clock", now)
    fix = "sudo timedatectl set-ntp true, or set it by hand: sudo date -u -s 'YYYY-MM-DD HH:MM'"
    return fail("clock", f"{now} is before this checkout was made: downloads would fail", fix)

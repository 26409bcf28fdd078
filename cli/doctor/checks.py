"""`./orionbox doctor`: checks what the platform needs of this machine, and prints a line for each check.

What must be right before Python starts is checked by the script `orionbox`. Each check has a time limit; one that fails
itself is a finding, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from cli import error_reports
from cli.doctor import docker
from cli.doctor.checkout import check_checkout
from cli.doctor.clock import check_clock
from cli.doctor.disk import check_disks, check_shared_memory
from cli.doctor.docker import Engine
from cli.doctor.google import check_google
from cli.doctor.machine import Finding, Machine, fail, ok, warn
from cli.doctor.network import check_certificates, check_proxies
from cli.doctor.ports import check_ports
from cli.doctor.pythons import check_pythons
from cli.doctor.resources import check_cpus, check_limits, check_memory
from cli.programs import say
from cli.runtimes.embedded import unsupported_settings
from cli.settings import env_file
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError, OrionboxError, describe

QUICK, SLOW = 5, 90
"""Seconds for a check of this machine, and for one that asks others: an engine, a registry, a package index."""


class Check(NamedTuple):
    """A check, with what it is about."""

    subject: str
    run: Callable[[], Iterable[Finding]]
    seconds: float = QUICK


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
        return _print(
            each for each in [finding, *run_all(quick_checks(settings, runtime, machine))] if each.state != "ok"
        )
    return _print(_full(settings, finding, runtime, machine))


def is_ready_for_start(settings: Settings, runtime: str = "", machine: Machine | None = None) -> bool:
    """Prints the problems that the quick checks find; returns whether the platform can be started.

    Args:
        settings: the user's.
        runtime: the runtime that the user named; empty if the commands choose it.
        machine: the machine to check; this one by default.
    """
    findings = run_all(quick_checks(settings, runtime, machine or Machine()))
    return not _print(each for each in findings if each.state != "ok")


def _print(findings: Iterable[Finding]) -> int:
    has_failed = False
    for finding in findings:
        say(str(finding))
        has_failed = has_failed or finding.state == "fail"
    return int(has_failed)


def run_all(checks: Iterable[Check]) -> Iterator[Finding]:
    """Yields what the checks find, one after the other."""
    for check in checks:
        yield from run(check)


def run(check: Check) -> list[Finding]:
    """Returns what a check finds; that it fails or hangs, as on a dead network drive, is a finding, too."""
    findings: list[Finding] = []

    def collect() -> None:
        try:
            for finding in check.run():
                findings.append(finding)
        except Exception as error:  # whatever it is, the other checks go on
            text = f"could not be checked ({error_reports.explain(error) or describe(error)})"
            findings.append(warn(check.subject, text, "nothing to do if the platform runs; else report this line"))

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(check.seconds)
    if thread.is_alive():
        text = f"could not be checked: no answer within {check.seconds:.0f} s"
        return [*findings, warn(check.subject, text, "see whether a network drive or Docker hangs, then try again")]
    return findings


def quick_checks(settings: Settings, runtime: str, machine: Machine) -> Iterator[Check]:
    """Returns the fast checks, which also run before each start."""
    yield Check("checkout", lambda: check_checkout(machine, runtime, quick=True))
    yield Check("memory", lambda: [check_memory(settings, machine, runtime)])
    yield Check("disk", lambda: check_disks(machine, "", needs_images=False, needs_environments=False))
    yield Check("clock", lambda: check_clock(machine))


def _full(settings: Settings, finding: Finding, runtime: str, machine: Machine) -> Iterator[Finding]:
    yield ok("python3", machine.python_version)
    yield finding
    chosen, finding = choose_runtime(settings, machine, runtime)
    yield finding
    yield from run_all(_checks_of_embedded(settings, machine) if chosen == "embedded" else ())
    if chosen != "embedded":
        yield from _check_compose(settings, machine)


def choose_runtime(settings: Settings, machine: Machine, name: str) -> tuple[str, Finding]:
    """Returns the runtime that the commands use, and why; compose if they refuse to choose."""
    try:
        chosen, reason = machine.choose_runtime(name, settings)
    except OrionboxError as error:
        return "compose", fail("runtime", error.text, error.fix)
    if name:
        return chosen, ok("runtime", f"{chosen}, as RUNTIME says")
    problem = docker.problem(machine)
    if chosen == "embedded" and problem and problem.text in reason:
        text = f"{chosen} would be used ({reason}); docs/embedded.md says what is different there"
        return chosen, warn("runtime", text, f"nothing to do; or for Docker: {problem.fix}")
    return chosen, ok("runtime", f"{chosen} would be used ({reason})")


def _checks_of_embedded(settings: Settings, machine: Machine) -> Iterator[Check]:
    is_built = machine.are_environments_built
    yield Check("checkout", lambda: check_checkout(machine, "embedded"))
    yield Check("settings", lambda: _check_supported(settings))
    yield Check("python", lambda: check_pythons(machine), SLOW)
    yield Check("ports", lambda: check_ports(settings, machine, "embedded"), SLOW)
    yield from _common(settings, machine, "embedded", None, not is_built)
    yield Check("disk", lambda: check_disks(machine, "", needs_images=False, needs_environments=not is_built))
    yield Check("shared memory", lambda: [check_shared_memory(machine)])
    yield Check("limits", lambda: check_limits(machine))
    yield Check("clock", lambda: check_clock(machine))


def _check_compose(settings: Settings, machine: Machine) -> Iterator[Finding]:
    yield from run(Check("checkout", lambda: check_checkout(machine, "compose")))
    engine, finding = docker.check_engine(machine)
    yield finding
    tag = machine.variables.get("ORIONBOX_TAG") or env_file.version()
    are_built = bool(engine) and docker.are_images_built(machine, tag)
    yield from run_all(_checks_of_compose(settings, machine, engine, are_built))


def _checks_of_compose(settings: Settings, machine: Machine, engine: Engine | None, are_built: bool) -> Iterator[Check]:
    if engine:
        yield Check("name", lambda: docker.check_name(settings, machine), SLOW)
        yield Check("compose", lambda: docker.check_plugins(machine), SLOW)
        yield Check("images", lambda: docker.check_images(machine, are_built), SLOW)
    yield Check("ports", lambda: check_ports(settings, machine, "compose"), SLOW)
    yield from _common(settings, machine, "compose", engine, not are_built)
    yield Check("ca", lambda: check_certificates(machine), SLOW)
    yield Check("gcp key", lambda: check_google(settings, machine, are_built), SLOW)
    folder = engine.folder if engine else ""
    needs_images = bool(engine) and not are_built
    yield Check("disk", lambda: check_disks(machine, folder, needs_images, needs_environments=False))
    yield Check("clock", lambda: check_clock(machine, engine))


def _common(
    settings: Settings, machine: Machine, runtime: str, engine: Engine | None, needs_build: bool
) -> Iterator[Check]:
    yield Check("proxy", lambda: check_proxies(settings, machine, runtime, needs_build))
    yield Check("memory", lambda: [check_memory(settings, machine, runtime, engine)])
    yield Check("cpu", lambda: [check_cpus(machine)])


def _check_supported(settings: Settings) -> Iterator[Finding]:
    """Passes on what the embedded runtime refuses."""
    try:
        unsupported_settings.refuse(settings)
    except BadInputError as error:
        yield fail("settings", error.text, error.fix)


def _settings(typed: Mapping[str, str], machine: Machine) -> tuple[Settings, Finding]:
    """Returns the settings, and the finding about them; falls back to .env.example if .env is invalid."""
    try:
        settings = Settings.read(typed, machine.root)
    except Exception as error:  # of .env, whatever is wrong with it
        known = error_reports.explain(error) or CommandError(describe(error), "correct .env, or move it away")
        example = env_file.parse(machine.root / env_file.EXAMPLE.name)
        return Settings(env_file.fill_in(example)), fail("settings", known.text, known.fix)
    if not (machine.root / ".env").exists():
        return settings, ok("settings", "there is no .env yet; the first make up writes it")
    return settings, ok("settings", "every setting in .env is valid")

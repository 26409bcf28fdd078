"""The maintainers' commands; their programs are in dev/, tests/ and infra/."""

from __future__ import annotations

from argparse import Namespace

from cli import options
from cli.environments import inherited
from cli.programs import ROOT, replace_process, run, say

PYTHON = str(ROOT / ".venv/bin/python")


def run_maintainer_command(arguments: Namespace) -> int:
    """Runs the command; replaces this process with its program, except for `lint` and `dev-help`."""
    if arguments.command == "dev-help":
        say(options.overview("make {}", for_maintainers=True))
        return 0
    if arguments.command == "engine":
        replace_process(["sh", "infra/engine/install.sh"], inherited.for_developers())
    if run("sh", "tests/setup.sh", environment=inherited.for_developers()):
        return 1
    if arguments.command == "lint":
        return _lint()
    replace_process(_command(arguments), inherited.for_developers())


def _lint() -> int:
    checks = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))
    environment = inherited.for_developers()
    return max(run(str(ROOT / ".venv/bin" / program), *rest, environment=environment) for program, *rest in checks)


TESTS = {"test": "tests", "test-unit": "tests/unit", "test-integration": "tests/integration", "test-e2e": "tests/e2e"}
WORKERS = ("--numprocesses=3", "--dist=loadscope", "--no-loadscope-reorder")
"""Tests of one platform stay in one process, in the order that tests/conftest.py gives them.

Platforms wait much, so three of them keep two processors busy.
"""
MODULES = {
    "audit": "dev.audit",
    "licences": "dev.licences",
    "drawings": "dev.drawings",
    "bench": "dev.bench",
    "bench-report": "dev.bench.report",
    "chaos": "dev.chaos",
    "chaos-report": "dev.chaos.report",
    "neighbours": "dev.neighbours",
    "busy": "dev.busy",
    "fuzz": "tests.conformance.differential",
    "peers": "dev.peers",
}
PROGRAM_OPTIONS = ("only", "rows", "rounds", "clones", "load", "minutes", "suites", "url")


def _command(arguments: Namespace) -> list[str]:
    if arguments.command in TESTS:
        return [PYTHON, "-m", "pytest", *WORKERS, TESTS[arguments.command]]
    if arguments.command == "lock":
        return ["sh", "dev/lock.sh"]
    choices = [f"--{name}={value}" for name in PROGRAM_OPTIONS if (value := getattr(arguments, name, ""))]
    return [PYTHON, "-m", MODULES[arguments.command], *choices]

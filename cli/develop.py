"""The commands for those who work on Orionbox itself; what they run stands in dev/, tests/ and infra/."""

from __future__ import annotations

from argparse import Namespace

from cli import options
from cli.programs import ROOT, replace_process, say
from cli.programs import run as run_program

PYTHON = str(ROOT / ".venv/bin/python")


def run(arguments: Namespace) -> int:
    """Runs the command; becomes its program."""
    if arguments.command == "dev-help":
        say(options.overview("make {}", for_maintainers=True))
        return 0
    if arguments.command == "engine":
        replace_process(["sh", "infra/engine/install.sh"])
    if run_program("sh", "tests/setup.sh"):
        return 1
    if arguments.command == "lint":
        return _lint()
    replace_process(_command(arguments))


def _lint() -> int:
    checks = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))
    return max(run_program(str(ROOT / ".venv/bin" / program), *rest) for program, *rest in checks)


TESTS = {"test": "tests", "test-unit": "tests/unit", "test-integration": "tests/integration", "test-e2e": "tests/e2e"}
TWO_WORKERS = ("--numprocesses=2", "--dist=loadgroup", "--no-loadscope-reorder")
"""Tests of one platform stay in one process, in the order that tests/conftest.py gives them."""


def _command(arguments: Namespace) -> list[str]:
    if arguments.command in TESTS:
        return [PYTHON, "-m", "pytest", *TWO_WORKERS, TESTS[arguments.command]]
    if arguments.command == "lock":
        return ["sh", "dev/lock.sh"]
    if arguments.command == "licences":
        return [PYTHON, "-m", "dev.licences"]
    program, _, report = arguments.command.partition("-")
    if report:
        return [PYTHON, "-m", f"dev.{program}.report"]
    choices = [f"--{name}={value}" for name in ("only", "rows") if (value := getattr(arguments, name, ""))]
    return [PYTHON, "-m", f"dev.{program}", *choices]

"""The command line starts no program with the user's whole environment."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

STARTS_A_PROGRAM = {"run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}
"""Functions of subprocess."""
OF_OS = {"system", "popen", "execv", "execvp", "execl", "execlp", "spawnv", "spawnvp", "posix_spawn", "startfile"}
"""Functions of os that pass the whole environment on, or that nobody needs here."""
READERS = {
    "cli/__main__.py",  # settings may be typed as variables
    "cli/environments/inherited.py",
    "cli/error_reports.py",  # hides the passwords in them
    "cli/launcher.py",  # removes those of Python
    "cli/environments/package_index.py",
    "cli/settings/env_file.py",  # adds what .env says about the engine
    "cli/settings/settings.py",
    "cli/terminal_colors.py",  # NO_COLOR and TERM
    "cli/doctor/machine.py",  # the doctor speaks of them
    "cli/runtimes/compose/compose.py",
    "cli/runtimes/compose/images.py",  # the proxies
    "cli/runtimes/compose/engine.py",  # names the variable that misleads
    "cli/runtimes/embedded/service_lock.py",  # runs in a service, with its environment
    "cli/runtimes/embedded/supervisor.py",  # likewise
    "cli/runtimes/embedded/runtime.py",  # the proxies
    "cli/runtimes/embedded/users/account.py",  # becomes the same command, as another user
    "cli/runtimes/embedded/users/peers.py",  # runs in a service
    "cli/runtimes/embedded/variables.py",
    "cli/runtimes/embedded/virtual_environments.py",
}
"""The modules that may look at the user's environment."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Every module of cli/, parsed."""
    for path in sorted((ROOT / "cli").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.Module, module: str) -> Iterator[ast.Call]:
    """Each call of a function of that module, written `module.function`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if isinstance(node.func.value, ast.Name) and node.func.value.id == module:
                yield node


def name_of(call: ast.Call) -> str:
    assert isinstance(call.func, ast.Attribute)
    return call.func.attr


def test_every_program_is_started_with_an_environment_of_its_own() -> None:
    started, without = 0, []
    for file, tree in trees():
        for call in calls(tree, "subprocess"):
            if name_of(call) in STARTS_A_PROGRAM:
                started += 1
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
                if given.get("env", "None") == "None" or "os.environ" in given["env"]:
                    without.append(f"{file}, line {call.lineno}")
        imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "subprocess"]
        assert not imported, f"{file}: write subprocess.run, so that this test finds it"
    assert started > 10 and without == []


def test_no_program_is_started_by_a_function_that_passes_everything_on() -> None:
    found = {(file, name_of(call)) for file, tree in trees() for call in calls(tree, "os") if name_of(call) in OF_OS}
    assert found == {("cli/runtimes/embedded/service_lock.py", "execvp")}, "which has the environment of a service"


def test_only_few_modules_look_at_the_user_s_environment() -> None:
    readers = {
        file
        for file, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
    }
    assert readers - READERS == set()
    assert all(Path(ROOT, file).is_file() for file in READERS)

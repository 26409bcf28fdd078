"""Each folder is one program or one feature, and imports run downwards."""

from __future__ import annotations

import ast
import functools
import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.runtimes.compose.dockerfiles import Dockerfile
from tests.conftest import ROOT
from tests.tracked import tracked_files

LAYERS = (
    ("orionbox.errors", "orionbox.http_guard", "orionbox.http_server", "orionbox.loopback"),
    ("orionbox.services",),
    ("orionbox.file_errors",),
    ("orionbox.files", "orionbox.orion", "orionbox.trips"),
    ("orionbox.flow_settings",),
    ("orionbox.lesson", "orionbox.release", "orionbox.runs", "orionbox.stores"),
    ("orionbox.old_libraries",),
    ("orionbox.prefect2", "orionbox.student_shell"),
    ("cli.environments", "cli.options", "cli.terminal_colors", "cli.waiting"),
    ("cli.programs",),
    ("cli.error_reports",),
    ("cli.archive", "cli.maintainer_commands", "cli.make_variables", "cli.runtimes.checkout", "cli.settings"),
    ("cli.messages", "cli.runtimes.failures", "cli.runtimes.folders", "cli.runtimes.listeners", "cli.runtimes.ports"),
    ("cli.runtimes.certificates",),
    ("cli.runtimes.ownership", "cli.runtimes.runtime", "cli.runtimes.start_up"),
    ("cli.runtimes.compose", "cli.runtimes.embedded"),
    ("cli.runtimes.platforms", "cli.runtimes.restore_note"),
    ("cli.backup", "cli.check", "cli.prune", "cli.runtimes.choose", "cli.status", "cli.taxi_files"),
    ("cli.bundle", "cli.doctor", "cli.runs"),
    ("cli.__main__",),
    ("cli.launcher",),
    ("services.bigquery.clock", "services.bigquery.errors", "services.bigquery.settings"),
    ("services.bigquery.bodies", "services.bigquery.disk"),
    ("services.bigquery.pressure",),
    ("services.bigquery.geography",),
    ("services.bigquery.types",),
    ("services.bigquery.functions",),
    ("services.bigquery.language",),
    ("services.bigquery.compiler",),
    ("services.bigquery.cost", "services.bigquery.queries", "services.bigquery.schema"),
    ("services.bigquery.records",),
    ("services.bigquery.views",),
    ("services.bigquery.store", "services.bigquery.loads", "services.bigquery.scripts"),
    ("services.bigquery.jobs",),
    ("services.bigquery.routes", "services.bigquery.storage_api"),
    ("services.bigquery.app",),
    ("services.bigquery.__main__",),
    ("services.agent", "services.bootstrap", "services.docker-proxy", "services.flows"),
    ("services.gcs", "services.internet", "services.orion", "services.start", "infra.pgadmin"),
    ("dev",),
)
"""Modules and folders, the lowest layer first. Each imports only from lower layers, a service only from the package."""
SOURCES = ("src", "cli", "services", "infra", "dev")
NEWER_THAN_3_9 = {"tomllib"}
"""Modules of the standard library that Python 3.9 does not have."""
MOST_FILES = 13


def name_of(path: Path) -> str:
    """The name under which a file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "src" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    name_of(path): path
    for path in tracked_files()
    if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in SOURCES
}


@functools.cache
def imports(module: str) -> frozenset[str]:
    """Everything that a module imports: ours by the module's name, others as they are written."""
    found = set[str]()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(inside & MODULES.keys() or {node.module or ""})
    return frozenset(found)


def own_imports() -> Iterator[tuple[str, str]]:
    """Each pair of modules of which the first imports the second."""
    for module in MODULES:
        yield from ((module, other) for other in imports(module) & MODULES.keys())


def layer(module: str) -> tuple[int, str]:
    """Returns the number of its layer, and its entry in that layer."""
    found = [
        (number, entry)
        for number, entries in enumerate(LAYERS)
        for entry in entries
        if module == entry or module.startswith(f"{entry}.")
    ]
    assert len(found) == 1, f"{module}: give it a layer"
    return found[0]


def test_no_import_runs_upwards() -> None:
    upwards = []
    for module, other in own_imports():
        (here, entry), (there, other_entry) = layer(module), layer(other)
        if entry != other_entry and there >= here:
            upwards.append(f"{module} imports {other}")
    assert upwards == []


def test_folders_import_without_cycles() -> None:
    """Of a folder with folders in it each module counts: its program is at the top, what all share at the bottom."""
    folders = {path.parent for path in MODULES.values()}

    def package_of(module: str) -> str:
        folder = MODULES[module].parent
        has_folders = any(folder in other.parents for other in folders)
        return module if has_folders else name_of(folder / "__init__.py")

    imports_by_package: dict[str, set[str]] = {}
    for module, other in own_imports():
        imports_by_package.setdefault(package_of(module), set()).add(package_of(other))
    remaining = {here: there - {here} for here, there in imports_by_package.items()}
    while ends := [here for here, there in remaining.items() if not there & remaining.keys()]:
        for here in ends:
            del remaining[here]
    assert remaining == {}


def reached_from_the_command_line() -> set[str]:
    """The modules behind `./orionbox`, whichever command it runs."""
    reached, ahead = set[str](), ["cli.__main__"]
    while ahead:
        module = ahead.pop()
        if module not in reached:
            reached.add(module)
            ahead += imports(module) & MODULES.keys()
    return reached


def test_the_command_line_needs_nothing_but_the_standard_library_of_python_3_9() -> None:
    reached = reached_from_the_command_line()
    assert len(reached) > 50 and {module.split(".")[0] for module in reached} == {"cli", "orionbox"}
    known = sys.stdlib_module_names - NEWER_THAN_3_9 | {"cli", "orionbox"}
    foreign = [(module, other) for module in reached for other in imports(module) if other.split(".")[0] not in known]
    assert foreign == []
    for module in reached:
        ast.parse(MODULES[module].read_text(), feature_version=(3, 9))


def python_3_9() -> str:
    """A Python 3.9 of this machine that works; empty if there is none."""
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    candidates = [shutil.which("python3.9"), *glob.glob(f"{glob.escape(pyenv)}/versions/3.9.*/bin/python3.9")]
    for candidate in filter(None, candidates):
        # One of pyenv's shims may stand for another version, or none
        done = subprocess.run([candidate, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True)
        if done.stdout == b"(3, 9)\n":
            return candidate
    return ""


def test_the_command_line_can_be_imported_by_python_3_9() -> None:
    interpreter = python_3_9()
    if not interpreter:
        pytest.skip("there is no Python 3.9 on this machine")
    program = (
        "import importlib, sys; sys.path[:0] = sys.argv[1:3]; "
        "[importlib.import_module(name) for name in sys.argv[3:]]; "
    )
    folders = [str(ROOT), str(ROOT / "src")]
    command = [
        interpreter,
        "-I",
        "-S",
        "-W",
        "error",
        "-c",
        program,
        *folders,
        *sorted(reached_from_the_command_line()),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_folder_that_flows_may_write_to_is_on_the_path_of_the_tests() -> None:
    """A file planted there, say sqlite3.py, would run on this machine in place of the standard library's."""
    folders = {ROOT / name for name in ("data", "reports", "services/flows/flows", "workspace")}
    assert {Path(place).resolve() for place in sys.path if place}.isdisjoint(folders)


def test_a_folder_has_about_a_dozen_files_of_code_at_most() -> None:
    counts: dict[Path, int] = {}
    for path in MODULES.values():
        folder = path.parent.relative_to(ROOT)
        counts[folder] = counts.get(folder, 0) + (path.name != "__init__.py")
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_neither_runtime_imports_the_other() -> None:
    runtimes = ("cli.runtimes.compose", "cli.runtimes.embedded")
    mixed = [
        (module, other)
        for module, other in own_imports()
        for here, there in (runtimes, runtimes[::-1])
        if module.startswith(here) and other.startswith(there)
    ]
    assert mixed == []


def test_no_service_imports_another_or_the_command_line() -> None:
    foreign = [
        (module, other)
        for module, other in own_imports()
        if module.startswith("services.")
        and not other.startswith("orionbox")
        and module.split(".")[:2] != other.split(".")[:2]
    ]
    assert foreign == []


def test_an_image_has_what_its_program_imports_of_the_package() -> None:
    looked_at, missing = set(), []
    for module in MODULES:
        for other in imports(module) & MODULES.keys():
            dockerfile = MODULES[module].parent / "Dockerfile"
            if not other.startswith("orionbox") or not dockerfile.exists():
                continue
            image = Dockerfile(dockerfile, ROOT, {"TAG": "1"})
            if image.parents() != ["orionbox/flows:1"]:  # which has all of it
                looked_at.add(module.split(".")[1])
                missing += [(module, other)] if MODULES[other] not in image.files() else []
    assert {"gcs", "bigquery", "orion", "pgadmin", "start"} <= looked_at and missing == []


def lines(*suffixes: str) -> Iterator[tuple[str, str]]:
    """Each line of the tracked files with such a suffix, or of all, with the file's name."""
    for path in tracked_files():
        if path.suffix in suffixes or (not suffixes and path.suffix not in (".gz", ".png", ".lock", ".md")):
            for line in path.read_text(encoding="utf-8").splitlines():
                yield path.relative_to(ROOT).as_posix(), line


def test_no_file_sets_a_search_path_for_modules() -> None:
    setting = re.compile(r"PYTHON" + r"PATH[\"']?\s*[=:]|python" + "path")
    assert [(name, line) for name, line in lines() if setting.search(line)] == []


def test_programs_of_the_platform_are_started_by_module_and_not_by_path() -> None:
    by_path = re.compile(r"\bpython[\d.]*[\"']?,?\s+[\"']?(?!-)[^\s\"']*\.py\b")
    folders = ("compose", "services", "infra", "cli")
    started = [
        (name, line)
        for name, line in lines("", ".py", ".sh", ".yaml", ".conf")
        if by_path.search(line) and name.split("/")[0] in folders and "workspace$" not in line
    ]
    students_own = "src/orionbox/lesson/steps.py"
    assert [found for found in started if found[0] != students_own] == []

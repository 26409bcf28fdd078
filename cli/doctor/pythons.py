"""Checks of the Pythons and installers that the embedded runtime needs."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor.machine import Finding, Machine, fail, ok, warn
from cli.doctor.network import check_index
from cli.runtimes.embedded.virtual_environments import DOWNLOADED, FIX_PIP, SUITABLE


def check_pythons(machine: Machine) -> Iterator[Finding]:
    """Checks what the virtual environments are built with; nothing is needed once they are."""
    if machine.user == 0 and not machine.has("setpriv"):
        yield fail("setpriv", "is missing: the embedded runtime does not run as root", "apt-get install util-linux")
    if machine.are_environments_built:
        yield ok("environments", "built; neither Python nor package index is needed until their sources change")
        return
    found = machine.python
    if found:
        yield ok("python", found)
    else:
        text = f"there is no Python {SUITABLE}; the first start downloads {DOWNLOADED} (about 30 MB)"
        fix = f"nothing to do with the internet at hand; else install python{DOWNLOADED}"
        yield warn("python", text, fix)
    yield _check_installer(machine)
    yield check_index(machine)


def _check_installer(machine: Machine) -> Finding:
    if machine.ask("python3", "-m", "pip", "--version").is_ok:
        return ok("pip", "works")
    if machine.ask("python3", "-c", "import venv, ensurepip").is_ok:
        return ok("pip", "python3 has none that works; a virtual environment gets its own")
    if machine.has("uv"):
        return ok("pip", "python3 has none that works; your uv takes its place")
    return fail("pip", "python3 has neither a pip that works nor venv", FIX_PIP)

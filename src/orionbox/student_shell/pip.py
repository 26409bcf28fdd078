"""The platform's `pip`: says which versions are installed, because nothing can be installed here.

Every package of the flows is pinned, and the same in all runs. So `pip install -r requirements.txt` of a student's
repository succeeds if its packages are there; it says which versions are used instead of those that the file asks for.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

TOOLS = ("pip", "setuptools", "wheel")
"""What students upgrade before they install something else."""
SAME = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg-binary", "sklearn": "scikit-learn"}
"""Packages that are there under another name."""
WITH_VALUE = (
    "-i --index-url --extra-index-url -f --find-links -t --target --platform --python-version --prefix --root --src -d "
    "--dest --timeout --retries --proxy --trusted-host --cert --log --cache-dir --upgrade-strategy --progress-bar "
    "--exists-action --implementation --abi --no-binary --only-binary --root-user-action"
).split()
"""pip's options whose next word is a value (https://pip.pypa.io/en/stable/cli/pip_install/)."""
FIX = (
    "in a flow of the platform's you can use what `pip list` shows; to add a package to it, see CONTRIBUTING.md: "
    "services/flows/requirements.in"
)


@dataclass(frozen=True)
class Finding:
    """What is installed of one requirement: a line for the user, and whether it is missing."""

    text: str
    is_missing: bool = False


def main(arguments: Sequence[str]) -> int:
    """Runs a command of pip's; returns its exit code."""
    command, rest = _split(arguments)
    if "--version" in arguments or "-V" in arguments:
        _print(f"pip of Orionbox, which installs nothing (python {sys.version_info[0]}.{sys.version_info[1]})")
        return 0
    if command in ("list", "freeze"):
        return _list(rest, is_frozen=command == "freeze")
    if command == "show":
        return _show(rest)
    if command in ("install", "download", "wheel"):
        return install(rest)
    if command == "uninstall":
        _print("nothing was uninstalled: these packages belong to the platform, and all runs use them")
        return 1
    if command in ("", "help", "check", "cache", "config", "debug", "index", "search", "inspect", "hash", "completion"):
        _print("The packages of the flows are installed, pinned and the same in every run. See them with: pip list")
        return 0
    _print(f"pip has no command {command}; see the packages with: pip list")
    return 1


def _split(arguments: Sequence[str]) -> tuple[str, list[str]]:
    words = [word for word in arguments if word not in ("--disable-pip-version-check", "-q", "--quiet", "-v")]
    found = next((index for index, word in enumerate(words) if not word.startswith("-")), len(words))
    return (words[found] if found < len(words) else ""), list(words[found + 1 :])


def install(arguments: Sequence[str]) -> int:
    """Says what is installed of these requirements; returns 1 if something is missing."""
    try:
        findings = [look_for(line) for line in requirements(list(arguments))]
    except OSError as error:
        _print(f"{error.filename}: {error.strerror}")
        return 1
    if not findings:
        _print("name a package, or a file of packages: pip install -r requirements.txt")
        return 1
    missing = [finding for finding in findings if finding.is_missing]
    for finding in findings:
        if not finding.is_missing:
            _print(finding.text)
    if not missing:
        _print("nothing to install: the platform has these packages, the same in every run")
        return 0
    for finding in missing:
        _print(f"MISSING {finding.text}")
    _print(f"{len(missing)} of {len(findings)} missing, nothing was installed; {FIX}")
    return 1


def requirements(arguments: list[str], folder: Path = Path()) -> Iterator[str]:
    """Yields every requirement of a command line, and of the files that it names."""
    while arguments:
        word = arguments.pop(0)
        name, has_value, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word.startswith("-r") and not word.startswith("--") and len(word) > 2:
            name, has_value, value = "-r", "=", word[2:]
        if name in ("-r", "--requirement"):
            yield from of_file(folder / (value if has_value else arguments.pop(0) if arguments else ""))
        elif name in ("-e", "--editable"):
            yield value if has_value else arguments.pop(0) if arguments else "."
        elif name in ("-c", "--constraint", *WITH_VALUE):
            if not has_value and arguments:
                arguments.pop(0)
        elif not word.startswith("-"):
            yield word


def of_file(path: Path) -> Iterator[str]:
    """Yields the requirements of a file, without comments, hashes and options.

    Raises:
        OSError: it cannot be read.
    """
    raw = path.read_bytes()
    # What `pip freeze > requirements.txt` writes in PowerShell
    text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        words = line.split(" #")[0].split("--hash")[0].strip()
        if words.startswith("-"):
            name, _, value = words.replace("=", " ", 1).partition(" ")
            yield from requirements([name, value.strip()] if value else [name], path.parent)
        elif words and not words.startswith("#"):
            yield words


def look_for(line: str) -> Finding:
    """Looks for what one requirement asks for among the installed packages."""
    try:
        asked = Requirement(line)
    except InvalidRequirement:
        return Finding(f"{line}: a folder, a file or an address; your code runs from workspace/ without it", True)
    if asked.marker and not asked.marker.evaluate():
        return Finding(f"{line}: not for this system")
    if asked.name.lower() in TOOLS:
        return Finding(f"{asked.name}: not needed here")
    if asked.url:
        return Finding(f"{asked.name} from {asked.url}: only what the platform has can be used", True)
    found = installed(SAME.get(asked.name.lower(), asked.name)) or installed(asked.name)
    if not found:
        return Finding(str(asked), True)
    if asked.specifier.contains(found, prereleases=True):
        return Finding(
            f"{asked.name}: {found} is installed" + (f", as {asked.specifier} asks" if asked.specifier else "")
        )
    if is_too_old(found, asked):
        return Finding(f"{asked.name}{asked.specifier}: {found} is installed, which is older", True)
    return Finding(f"{asked.name}{asked.specifier}: {found} is installed, and is used instead")


def installed(name: str) -> str:
    """Returns the installed version of a package; empty if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def is_too_old(found: str, asked: Requirement) -> bool:
    """Returns whether the requirement is for a newer major version than the installed one."""
    lowest = [part.version for part in asked.specifier if part.operator in ("==", ">=", "~=", ">", "===")]
    try:
        return any(Version(version.removesuffix(".*")).major > Version(found).major for version in lowest)
    except InvalidVersion:
        return False


def _list(arguments: Sequence[str], is_frozen: bool) -> int:
    found = {str(one.metadata["Name"]): one.version for one in metadata.distributions() if one.metadata["Name"]}
    packages = sorted(found.items(), key=lambda pair: pair[0].lower())
    kind = next((word.rpartition("=")[2] for word in arguments if word.startswith("--format=")), "")
    if kind == "json":
        _print(json.dumps([{"name": name, "version": version} for name, version in packages]))
    elif is_frozen or kind == "freeze":
        _print("\n".join(f"{name}=={version}" for name, version in packages))
    else:
        width = max(len(name) for name, _ in packages)
        _print(f"{'Package':{width}} Version\n{'-' * width} -------")
        _print("\n".join(f"{name:{width}} {version}" for name, version in packages))
    return 0


def _show(arguments: Sequence[str]) -> int:
    code = 0
    for name in (word for word in arguments if not word.startswith("-")):
        if not installed(name):
            _print(f"{name}: not installed")
            code = 1
            continue
        about: Any = metadata.metadata(name)
        fields = ("Name", "Version", "Summary", "Home-page", "License")
        _print("\n".join(f"{field}: {about.get(field) or ''}" for field in fields))
        _print(f"Location: {metadata.distribution(name).locate_file('')}")
    return code


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))

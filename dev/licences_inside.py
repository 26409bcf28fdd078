"""Prints the Python packages installed here, and the named Debian packages, as one JSON object.

dev/licences.py runs this inside an image, so it needs the standard library only.
"""

import json
import re
import subprocess
import sys
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import cast

MAX_NAME_LENGTH = 60
"""Characters; a longer `License` is its text, not its name."""


def python_package(found: Distribution) -> list[str]:
    """Returns name, version and licence from the package's metadata."""
    metadata = cast(Message, found.metadata)
    classifiers = [
        line.split(" :: ")[-1] for line in metadata.get_all("Classifier") or () if line.startswith("License ::")
    ]
    # A bare "OSI Approved" names no licence
    named = [name for name in classifiers if name != "OSI Approved"]
    field = (metadata.get("License") or "").strip()
    short = field if field and len(field) <= MAX_NAME_LENGTH and "\n" not in field and field != "UNKNOWN" else ""
    return [metadata["Name"], found.version, metadata.get("License-Expression") or short or ", ".join(named)]


def debian_package(name: str) -> "list[str] | None":
    """Returns name, version and main licence; None if the package is not installed."""
    command = ["dpkg-query", "--show", "--showformat=${Version}", name]
    done = subprocess.run(command, capture_output=True, text=True)
    file = Path(f"/usr/share/doc/{name}/copyright")
    if done.returncode or not done.stdout:
        return None
    return [name, done.stdout, main_licence(file.read_text(errors="replace")) if file.exists() else ""]


def main_licence(text: str) -> str:
    """Returns the licence of `Files: *` in a machine-readable Debian copyright file; empty for other formats."""
    for paragraph in re.split(r"\n\s*\n", text):
        if re.search(r"^Files:\s*\*\s*$", paragraph, re.MULTILINE):
            match = re.search(r"^License:[ \t]*(\S.*)$", paragraph, re.MULTILINE)
            return match[1].strip() if match else ""
    return ""


def main(*arguments: str) -> None:
    """Prints the packages.

    Args:
        arguments: names of Debian packages; after `--folder=`, the folder of the Python packages, if they are not those
            of this Python.
    """
    folders = [argument.partition("=")[2] for argument in arguments if argument.startswith("--folder=")]
    packages = distributions(path=folders) if folders else distributions()
    found = {
        "python": [python_package(package) for package in packages if package.metadata["Name"] != "orionbox"],
        "debian": [package for package in map(debian_package, arguments) if package],
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])

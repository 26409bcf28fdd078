"""`make licences`: writes docs/licences.md, from what is installed in the platform's images.

Only what the images add to Debian's base is listed: each package of a requirements.lock, and each Debian package that a
Dockerfile names. The images must have been built (`make up`).
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from typing import Any

from cli.environments import package_index
from cli.error_reports import exit_with
from cli.programs import ROOT, output, say
from cli.settings.env_file import version

INSIDE = ROOT / "dev" / "licences_inside.py"
PAGE = ROOT / "docs" / "licences.md"
IMAGES = {
    "orion": "services/orion",
    "flows": "services/flows",
    "start": "services/start",
    "docker-proxy": "services/docker-proxy",
    "gcs": "services/gcs",
    "bigquery": "services/bigquery",
    "internet": "services/internet",
    "gateway": "services/gateway",
    "pgadmin": "infra/pgadmin",
    "postgres": "infra/postgres",
}
"""The images that add packages, and the folder of each."""
NOT_IN_AN_IMAGE = {"uv": "services/base", "embedded": "cli/runtimes/embedded"}
"""Locks whose packages leave no metadata in an image: uv is copied as a single program; `embedded` has no image."""
LIKE_FLOWS = ("services/agent", "services/bootstrap")
"""Folders whose images add no package to the flows image."""
DOCKERFILES = ("services/base", *IMAGES.values(), *LIKE_FLOWS)
UV, PYTHON = ".venv/bootstrap/bin/uv", ".venv/bin/python"
BUILD_ONLY = {"gcc", "libc6-dev", "python3-dev", "python3-pip"}
"""Debian packages that only a build uses: they are in no image that runs."""
HEADER = """# Licences

What the platform's images add to Debian's own base system, with the version that was installed when this page was made
and the licence that the package itself names. Written by `make licences`; `make test-unit` fails while a locked package
is missing here (`tests/unit/dev/test_licences.py`). Tools of tests and benchmarks are not listed: no image has them.

The taxi trips in `samples/` are open data of the City of New York, with terms of their own:
[samples/README.md](../samples/README.md).
"""
ABOUT_DEBIAN = """
## Debian packages

Those that a Dockerfile asks for, each with the licence of its main part. Where Debian's copyright file names none in
its machine-readable form, and for all other parts and packages, see `/usr/share/doc/NAME/copyright` in the image.
"""

Rows = dict[tuple[str, str, str], set[str]]
"""Where each name, version and licence is installed."""


def main() -> int:
    """Writes the page."""
    python, debian = Rows(), Rows()
    for place, found in _inspected():
        for kind, rows in (("python", python), ("debian", debian)):
            for name, release, licence in found[kind]:
                rows.setdefault((name, release, licence or "see its copyright file"), set()).add(place)
    parts = [HEADER, "## Python packages", "", *_table(python), ABOUT_DEBIAN, *_table(debian), ""]
    PAGE.write_text("\n".join(parts), encoding="utf-8")
    say(f"{PAGE.relative_to(ROOT)}: {len(python)} Python packages, {len(debian)} Debian packages")
    return 0


def _inspected() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the installed packages, by place."""
    program, tag = INSIDE.read_text(encoding="utf-8"), os.environ.get("ORIONBOX_TAG") or version()
    names = sorted(debian_packages())
    for image in IMAGES:
        # Only some have Python packages, in a virtual environment that is first on the PATH
        run_image = ("docker", "run", "--rm", "--interactive", "--network=none", f"orionbox/{image}:{tag}")
        yield image, json.loads(output(*run_image, "python3", "-", *names, text=program))
    for place, folder in NOT_IN_AN_IMAGE.items():
        with tempfile.TemporaryDirectory() as target:
            lock = f"{folder}/requirements.lock"
            install = (UV, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", target, "-r", lock)
            output(*install, environment=package_index.environment())
            yield place, json.loads(output(PYTHON, "-", f"--folder={target}", text=program))


def debian_packages() -> set[str]:
    """Returns the Debian packages that the images' Dockerfiles install, without those for the build alone."""
    texts = [(ROOT / folder / "Dockerfile").read_text(encoding="utf-8") for folder in DOCKERFILES]
    lines = [line for text in texts for line in re.findall(r"apt-get install ((?:[\w.-]+ ?)+)", text)]
    words = {word for line in lines for word in line.split()}
    return {word for word in words if not word.startswith("-")} - BUILD_ONLY


def _table(rows: Rows) -> list[str]:
    lines = [f"| {' | '.join(row)} | {', '.join(sorted(rows[row]))} |" for row in sorted(rows, key=_alphabetically)]
    return ["| package | version | licence | in |", "|---|---|---|---|", *lines]


def _alphabetically(row: tuple[str, str, str]) -> tuple[str, ...]:
    return (row[0].lower(), *row)


if __name__ == "__main__":
    exit_with(main)

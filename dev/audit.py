"""`make audit`: looks up known vulnerabilities of the packages in all lock files, in the database of OSV.

It needs access to that database. Exit codes: 0 if no vulnerability is known, 1 if one is, and 3 if the database cannot
be asked, which says nothing about the packages. API: https://google.github.io/osv.dev/api/
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from cli.programs import ROOT, say
from orionbox.orion.client import ApiError, JsonApi, Retries

OSV = "https://api.osv.dev/v1"
TIMEOUT = 30
"""Seconds for one answer."""
MOST_QUERIES = 500
"""Packages in one request; OSV takes up to 1,000."""
NONE_KNOWN, KNOWN, UNREACHABLE = 0, 1, 3
"""Exit codes. 2 is for bad input, as everywhere."""
LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
UNPRINTABLE = re.compile(r"[^ -~]+")


class Package(NamedTuple):
    """A package of PyPI, in the version that a lock file names."""

    name: str
    version: str


class Finding(NamedTuple):
    """A known vulnerability of a package."""

    package: Package
    ids: tuple[str, ...]
    """Its names in several databases, the first one OSV's."""
    summary: str
    fixed: str
    """The versions without it; empty if there is none."""


def locked_packages(root: Path = ROOT) -> dict[Package, list[str]]:
    """Returns every locked package, with the lock files that name it."""
    found: dict[Package, list[str]] = defaultdict(list)
    for file in sorted(root.glob("*/**/requirements.lock")):
        name = file.relative_to(root)
        if not any(part.startswith(".") for part in name.parts):
            for match in LOCKED.finditer(file.read_text(encoding="utf-8")):
                found[Package(*match.groups())].append(name.as_posix())
    return dict(found)


def look_up(packages: Iterable[Package], osv: JsonApi) -> Iterator[Finding]:
    """Yields the known vulnerabilities of these packages, each once.

    Raises:
        ApiError: the database does not answer, or differently from its documentation.
    """
    listed = sorted(packages)
    for start in range(0, len(listed), MOST_QUERIES):
        asked = listed[start : start + MOST_QUERIES]
        try:
            for package, ids in zip(asked, _ids(asked, osv), strict=True):
                yield from _findings(package, ids, osv)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ApiError(f"{osv.url}: an answer that is not OSV's ({error!r})") from error


def _ids(packages: list[Package], osv: JsonApi) -> list[set[str]]:
    """Returns the ids of the vulnerabilities of each package."""
    queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in packages]
    found: list[set[str]] = [set() for _ in packages]
    open_ = dict(enumerate(queries))
    while open_:  # an answer may have several pages
        numbers = list(open_)
        results = osv.call("querybatch", {"queries": [open_[number] for number in numbers]})["results"]
        for number, result in zip(numbers, results, strict=True):
            found[number].update(entry["id"] for entry in result.get("vulns") or [])
            token = result.get("next_page_token")
            open_[number] = {**open_[number], "page_token": token}
            if not token:
                del open_[number]
    return found


def _findings(package: Package, ids: set[str], osv: JsonApi) -> Iterator[Finding]:
    known: set[str] = set()
    for id_ in sorted(ids):
        entry = osv.call(f"vulns/{quote(id_, safe='')}")
        names = (id_, *(entry.get("aliases") or []))
        if entry.get("withdrawn") or known.intersection(names):
            continue
        known.update(names)
        text = entry.get("summary") or entry.get("details") or ""
        yield Finding(package, tuple(map(_printable, names)), _printable(text)[:100], _fixed(entry, package))


def _fixed(entry: Mapping[str, Any], package: Package) -> str:
    """Returns the versions in which a vulnerability is fixed."""
    ranges = [
        each
        for affected in entry.get("affected") or []
        if str(affected.get("package", {}).get("name", "")).lower() == package.name.lower()
        for each in affected.get("ranges") or []
        if each.get("type") == "ECOSYSTEM"
    ]
    return ", ".join(_printable(event["fixed"]) for each in ranges for event in each["events"] if "fixed" in event)


def _printable(text: object) -> str:
    """Returns text from the network without what could control a terminal."""
    return UNPRINTABLE.sub(" ", str(text))


def audit(osv: JsonApi, root: Path = ROOT) -> int:
    """Prints the known vulnerabilities of the locked packages; returns the exit code."""
    packages = locked_packages(root)
    try:
        findings = list(look_up(packages, osv))
    except ApiError as error:
        say(
            f"not audited: {error.text}\nnothing is known about the {len(packages)} locked packages; audit them where "
            f"{OSV} can be reached"
        )
        return UNREACHABLE
    for package, ids, summary, fixed in findings:
        say(f"{package.name} {package.version}: {ids[0]} ({', '.join(ids[1:]) or 'no other name'})\n    {summary}")
        say(f"    fixed in {fixed or 'no version yet'}; locked by {', '.join(packages[package])}")
    say(f"{len(packages)} locked packages, {len(findings)} known vulnerabilities")
    if findings:
        say("update the packages: CONTRIBUTING.md, section Update packages")
    return KNOWN if findings else NONE_KNOWN


if __name__ == "__main__":
    sys.exit(audit(JsonApi(OSV, Retries(10), TIMEOUT, uses_proxy=True)))

"""The documents refer to what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown import markdown

from tests.conftest import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(document: Path) -> set[str]:
    """The ids of a document's headings."""
    html = markdown(document.read_text(), extensions=["fenced_code", "tables", "toc"])
    return set(re.findall(r'<h\d id="([^"]+)"', html))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_link_is_dead(document: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ |^    )make ([a-z][a-z0-9-]*)", document.read_text(), re.MULTILINE))
    assert named <= targets


def test_every_message_in_the_troubleshooting_is_one_that_is_printed() -> None:
    """Where a message has a name or a number in it, its words around that."""
    folders = ("ctl", "services", "infra")
    sources = "".join(
        path.read_text(errors="replace")
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".sh", ".conf", ".html")
    )
    headings = re.findall(r"^\*\*(.+?)\*\*$", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
    messages = [message for heading in headings for message in re.findall(r"`([^`]+)`", heading)]
    assert len(messages) >= len(headings)
    lost = [message for message in messages if not any(part in sources for part in plain_parts(message))]
    assert set(lost) <= {"non-zero status code 137"}, "what Prefect says"


def plain_parts(message: str) -> list[str]:
    """The message's longest stretches that no name or number interrupts."""
    variable = r"ORION_?PORT\w*|Cloud Storage|[a-z]+/green\S+|green_tripdata|Its container|\d+|[()]"
    return [part.strip() for part in re.split(variable, message) if len(part.strip()) > 3]

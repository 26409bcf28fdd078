"""The documentation as pages: the files of docs/, and those beside it that they link to.

A page has the list of all pages, its own headings, and the pages before and after it. Links to other files of the
checkout, which are not served, become plain text. A diagram in Mermaid's language becomes the picture that
`make drawings` has made of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from markdown import Markdown

IN_ORDER = (
    "README",
    "week2",
    "commands",
    "embedded",
    "classroom",
    "cloud",
    "troubleshooting",
    "backup",
    "trust",
    "scale",
)
"""The pages that a reader wants first; all others follow by name."""
BESIDE = ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")
"""The pages that lie beside docs/, not in it."""
MERMAID = re.compile(r"^```mermaid\n(?P<source>.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r"(?<=^```python) title=\S+$", re.MULTILINE)
"""The name of a block of code, which the converter does not know."""
LINK = re.compile(r'<a href="(?P<target>[^"]*)">(?P<text>.*?)</a>', re.DOTALL)
IMAGE = re.compile(r'(<img [^>]*src=")(?:\.\./)?(?:docs/)?images/')


@dataclass(frozen=True)
class Link:
    """A page in a list of pages."""

    name: str
    title: str


@dataclass(frozen=True)
class Page:
    """A page of the documentation."""

    name: str
    title: str
    body: str
    """Its text as HTML."""
    headings: list[tuple[str, str]]
    """The id and the text of each heading of the second level."""
    pages: list[Link]
    """All pages, in order."""

    @property
    def previous(self) -> Link | None:
        """Returns the page before this one."""
        return self._neighbour(-1)

    @property
    def next(self) -> Link | None:
        """Returns the page after this one."""
        return self._neighbour(1)

    def _neighbour(self, step: int) -> Link | None:
        number = [page.name for page in self.pages].index(self.name) + step
        return self.pages[number] if 0 <= number < len(self.pages) else None


def list_pages(docs: Path) -> list[Link]:
    """Returns all pages of the folder and beside it, in order; `docs` is the folder docs/ of a checkout."""
    files = {path.stem: path for path in [*(docs.parent / f"{name}.md" for name in BESIDE), *docs.glob("*.md")]}
    found = {name: path for name, path in files.items() if path.is_file()}
    order = [*(name for name in IN_ORDER if name in found), *sorted(found.keys() - set(IN_ORDER), key=str.lower)]
    return [Link(name, _title(found[name].read_text(encoding="utf-8"))) for name in order]


def read_page(docs: Path, name: str) -> Page | None:
    """Returns the page of that name, for example `week2`; None if there is none."""
    pages = list_pages(docs)
    if name not in {page.name for page in pages}:
        return None
    text = ((docs.parent if name in BESIDE else docs) / f"{name}.md").read_text(encoding="utf-8")
    converter = Markdown(extensions=["fenced_code", "tables", "toc"])
    html = converter.convert(TITLE.sub("", MERMAID.sub(_picture, text)))
    served = {page.name for page in pages}
    body = IMAGE.sub(r"\1/docs/images/", LINK.sub(lambda link: _served(link, served), html))
    tokens: Sequence[Mapping[str, Any]] = converter.toc_tokens
    top = [heading for token in tokens for heading in (token, *token["children"]) if heading["level"] == 2]
    return Page(name, _title(text), body, [(heading["id"], unescape(heading["name"])) for heading in top], pages)


def picture_name(source: str) -> str:
    """Returns the name of the picture of a diagram, which changes with the diagram's text."""
    return f"diagram-{hashlib.sha256(source.strip().encode()).hexdigest()[:12]}.png"


def _picture(diagram: re.Match[str]) -> str:
    return f"![Diagram](images/{picture_name(diagram['source'])})"


def _served(link: re.Match[str], names: set[str]) -> str:
    """Returns the link with its address here, or its text alone if it leads to a file that is not served."""
    target, mark, fragment = link["target"].partition("#")
    if not target or "://" in target:
        return link[0]
    path = Path(target)
    if path.suffix == ".md" and path.stem in names:
        return f'<a href="/docs/{path.stem}.md{mark}{fragment}">{link["text"]}</a>'
    return link["text"]


def _title(text: str) -> str:
    return text.partition("\n")[0].lstrip("# ")

"""The documents agree with the code, and use its words."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown import markdown

from cli import make_variables
from cli.options import BY_NAME, COMMANDS, GROUPS, Option
from cli.settings import env_file
from orionbox.errors import BadInputError
from orionbox.services import SERVICES
from tests.conftest import ROOT

TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
DOCUMENTS = [*TOP, *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = [*env_file.parse(env_file.EXAMPLE), *env_file.OLD_NAMES, "RUNTIME"]
PLACEHOLDER = re.compile(r"[A-Z]{3,}|\.\.\.|…|hello")
"""A placeholder in a path, which the reader replaces."""
BANNED_WORDS = {
    "engine": r"(?<!container )(?<!Docker )(?<!flow )\bengines?\b",
    "told": r"\btold\b",
    "surroundings": r"\bsurroundings\b",
    "mend": r"\bmend(s|ed)?\b",
    "shall": r"\bshall\b",
    "strike": r"\b(strike|strikes|struck)\b",
    "held against": r"\bheld against\b",
    "made-up": r"\bmade[- ]up\b",
    "synthetic": r"\bsynthetic\b",
    "wanted": r"\bwanted\b",
    "extra": r"\bextras?\b",
}
"""Words for which the glossary in CONTRIBUTING.md has another one."""


each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def anchors(document: Path) -> set[str]:
    """The ids of a document's headings."""
    html = markdown(document.read_text(), extensions=["fenced_code", "tables", "toc"])
    return set(re.findall(r'<h\d id="([^"]+)"', html))


def prose(document: Path) -> str:
    """A document without its code and without what `make bench-report` and `make chaos-report` write into it."""
    text = re.sub(r"<!-- (results|chaos)\b.*?<!-- (end|/).*?-->", "", document.read_text(), flags=re.DOTALL)
    text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    return re.sub(r"^ {4,}.*$", "", text, flags=re.MULTILINE)


def code(document: Path) -> Iterator[str]:
    """Every piece of code within a sentence."""
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", text)


def commands(document: Path) -> set[tuple[str, str]]:
    """What the document lets its reader type after `make`: the commands, and the variables behind them."""
    found = re.findall(r"(?:`|\$ |^    )make ((?:[a-z][a-z0-9-]*\b ?)+)([^`\n]*)", document.read_text(), re.MULTILINE)
    return {(name, rest) for names, rest in found for name in names.split()}


@each_document
def test_no_link_is_dead(document: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@each_document
def test_every_command_in_the_documents_exists(document: Path) -> None:
    assert {name for name, _ in commands(document)} - BY_NAME.keys() == set()


@each_document
def test_every_variable_in_the_documents_belongs_to_its_command(document: Path) -> None:
    for name, rest in commands(document):
        variables = dict(re.findall(r"\b([A-Z_]+)=(\S*)", rest.partition("#")[0]))
        if "COLOUR" not in variables and name in BY_NAME and "SPLIT" not in variables:
            assert accepts(name, variables), f"make {name} {rest}"


def accepts(name: str, variables: dict[str, str]) -> bool:
    """Whether the command knows these variables; their values may be placeholders."""
    known = {option.variable for option in BY_NAME[name].options} | set(SETTINGS)
    try:
        make_variables.arguments(name, dict.fromkeys(variables, "yes"), SETTINGS)
    except BadInputError:
        return False
    return variables.keys() <= known


@each_document
def test_every_path_in_the_documents_exists(document: Path) -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    folders = {parent.as_posix() for path in map(Path, tracked) for parent in path.parents}
    tops = {path.partition("/")[0] for path in tracked if "/" in path} - {".ci"}
    named = {word.strip("/") for word in code(document) if word.partition("/")[0] in tops and " " not in word}
    plain = {path.rpartition("/")[0] if "*" in path else path for path in named if not PLACEHOLDER.search(path)}
    assert plain - folders - set(tracked) == set()


@each_document
def test_a_word_that_the_glossary_replaces_is_used_nowhere(document: Path) -> None:
    text = re.sub(r"^## Glossary$.*?^## ", "", prose(document), flags=re.MULTILINE | re.DOTALL)
    assert {word for word, pattern in BANNED_WORDS.items() if re.search(pattern, text)} == set()


def test_the_page_of_commands_lists_each_with_its_help_and_its_options() -> None:
    table = re.search(r"^\| \| command \|.*?\n\n", (ROOT / "docs/commands.md").read_text(), re.MULTILINE | re.DOTALL)
    assert table and table[0].splitlines()[2:-1] == list(command_rows())


def command_rows() -> Iterator[str]:
    """The rows of the table of commands."""
    for group, title in GROUPS.items():
        for command in COMMANDS:
            if command.group != group or command.is_for_maintainers:
                continue
            shown = " ".join(f"`{text(option)}`" for option in command.options)
            yield f"| {title} | `{command.name}` | {command.help} | {shown} |".replace("  |", " |")
            title = ""


def text(option: Option) -> str:
    """An option as it is typed."""
    if option.is_positional:
        return f"{option.metavar}..." if option.is_list else option.metavar
    return f"{option.name} {option.metavar}" if option.takes_value else option.name


def test_the_readme_lists_every_service() -> None:
    first_cells = re.findall(r"^\| (`[^|]+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    listed = {name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)}
    assert {service.name for service in SERVICES} - listed == set()


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest and newest[1] == version
    assert f"Orionbox {version} " in (ROOT / "README.md").read_text()
    tags = set(re.findall(r"orionbox/\w+:([\d.]+)", (ROOT / "docs/scale.md").read_text()))
    assert tags == {version}


FROM_OTHERS = {
    "non-zero status code 137",
    "A Connection error occurred posting to Slack",
    "Failed to send to Slack",
    "Temporary failure in name resolution",
    "could not find an available, non-overlapping IPv4 address pool",
    "terminate called without an active exception",
}
"""What Prefect, apprise, the C and C++ libraries and Docker say."""


@pytest.mark.parametrize("name", ["troubleshooting", "backup", "embedded"])
def test_every_message_that_is_explained_is_one_that_is_printed(name: str) -> None:
    """Where a message has a name or a number in it, its words around that."""
    messages = explained_messages((ROOT / f"docs/{name}.md").read_text())
    assert len(messages) > 2
    code = printing_code()
    lost = {message for message in messages if not all(part in code for part in plain_parts(message))}
    assert lost <= FROM_OTHERS


def explained_messages(page: str) -> list[str]:
    """The messages in a page's bold headings, and in its tables of messages."""
    headings = re.findall(r"^\*\*(.+?)\*\*$", page, re.MULTILINE)
    tables = re.findall(r"^\| message \|.*?\n\n", page + "\n\n", re.MULTILINE | re.DOTALL)
    cells = [row.split(" | ")[0] for table in tables for row in table.splitlines()]
    return [message for text in headings + cells for message in re.findall(r"`([^`]+)`", text)]


def printing_code() -> str:
    """Everything that prints a message; a text that goes on in the next line is put together."""
    suffixes = (".py", ".sh", ".conf", ".html")
    paths = [path for folder in ("cli", "services", "infra", "src") for path in (ROOT / folder).rglob("*")]
    paths = [ROOT / "orionbox", ROOT / "Makefile", *(path for path in paths if path.suffix in suffixes)]
    code = "".join(path.read_text(errors="replace") for path in paths)
    return re.sub(r'"\s*\n\s*f?"', "", code)


def plain_parts(message: str) -> list[str]:
    """The message's stretches that no name or number interrupts."""
    names = (
        r"ORION_?PORT\w*|Cloud Storage|[a-z]+/green\S+|green_tripdata|Its container|compose|embedded|orionbox|backup"
    )
    parts = re.split(rf"{names}|[\d.]+|[()]|=\S+", message)
    return [part.strip(" ,") for part in parts if len(part.strip(" ,")) > 3]

"""Reads Dockerfiles: which images one starts from, and which files of its build context go into its image.

The command line rebuilds an image when one of these has changed. Anything that this cannot follow is an error with the
line's number, because a missed file would leave a stale image. The format:
https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from orionbox.errors import CommandError

VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
HEREDOC = re.compile(r"<<-?[\"']?[A-Za-z_]")
ADDRESS = re.compile(r"[\w+.-]+://|git@")
WITHOUT_FILES = ("cache", "tmpfs", "secret", "ssh")
"""Types of `RUN --mount` that bring no files of the checkout or of another image."""


@dataclass(frozen=True)
class Instruction:
    """An instruction of a Dockerfile."""

    file: Path
    line: int
    """The number of its first line."""
    name: str
    flags: tuple[str, ...]
    """Its options, like `--from=build`."""
    rest: str
    """What follows them."""

    def refuse(self, reason: str) -> NoReturn:
        """Raises the error for an instruction that cannot be followed."""
        raise CommandError(
            f"{self.file}, line {self.line}: {self.name} {reason}, so a change of its files would go unnoticed",
            "write it as COPY of files in the build context",
        )

    def flag(self, name: str) -> str:
        """Returns the value of an option; empty if it is not given."""
        return next((flag.partition("=")[2] for flag in self.flags if flag.startswith(f"--{name}=")), "")

    def words(self) -> list[str]:
        """Returns the words after the options, of a JSON list too."""
        with suppress(ValueError):  # not JSON, for example `[ab].py /opt/`
            if isinstance(words := json.loads(self.rest), list):
                return [str(word) for word in words]
        if '"' in self.rest or "'" in self.rest:
            self.refuse("has quotes")
        return self.rest.split()


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile with its build arguments."""

    path: Path
    context: Path
    """The folder from which it copies."""
    args: Mapping[str, str]

    def parents(self) -> list[str]:
        """Returns the images that it takes files or layers from, in order, without its own stages."""
        stages: set[str] = set()
        found: dict[str, None] = {}
        for instruction, variables in self._instructions():
            if instruction.name == "FROM":
                image, *more = _fill_in(instruction.rest, variables, instruction).split()
                source, stage = image, more[1] if len(more) == 2 else ""
            else:
                source, stage = _fill_in(instruction.flag("from"), variables, instruction), ""
            if source and source != "scratch" and source not in stages and not source.isdigit():
                found[source] = None
            stages.add(stage)
        return list(found)

    def files(self) -> list[Path]:
        """Returns every file that goes into the image, the Dockerfile included.

        Raises:
            CommandError: an instruction takes files in an unsupported way.
        """
        found = {self.path}
        for instruction, variables in self._instructions():
            if instruction.name in ("COPY", "ADD") and not instruction.flag("from"):
                *sources, _ = instruction.words()
                for source in sources:
                    found.update(self._matches(_fill_in(source, variables, instruction), instruction))
        return sorted(found)

    def _matches(self, source: str, instruction: Instruction) -> Iterator[Path]:
        """Yields the files behind one source: a file, a folder with all that is in it, or a pattern for these."""
        pattern = source.lstrip("/").rstrip("/") or "."
        if ADDRESS.match(source):
            instruction.refuse(f"takes {source} from a network")
        if ".." in pattern.split("/") or "**" in pattern or "\\" in pattern:
            instruction.refuse(f"takes {source}, an unsupported pattern")
        chosen = [self.context] if pattern == "." else sorted(self.context.glob(pattern))
        if not chosen:
            raise CommandError(
                f"{instruction.file}, line {instruction.line}: nothing in {self.context} is named {source}",
                "correct the name",
            )
        for path in chosen:
            if path.is_symlink():
                instruction.refuse(f"takes {source}, a symbolic link")
            inside = path.rglob("*") if path.is_dir() else [path]
            yield from (file for file in inside if _is_hashed(file.relative_to(self.context), file))

    def _instructions(self) -> Iterator[tuple[Instruction, dict[str, str]]]:
        """Yields each instruction, with the variables that it sees."""
        variables: dict[str, str] = {}
        for instruction in parse(self.path):
            if instruction.name == "ARG":
                name, _, value = instruction.rest.partition("=")
                variables[name] = self.args.get(name, _fill_in(value, variables, instruction, strict=False))
            _refuse_unsupported(instruction)
            yield instruction, variables


def parse(path: Path) -> Iterator[Instruction]:
    """Yields the instructions of a Dockerfile, continued lines put together.

    Raises:
        CommandError: the Dockerfile sets an escape character.
    """
    text, start = "", 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        stripped = line.strip()
        if re.match(r"#\s*escape\s*=", stripped):
            raise CommandError(f"{path}, line {number}: the file sets an escape character", "delete the line")
        if not stripped or stripped.startswith("#"):
            continue  # also inside a continued instruction
        start = start or number
        if stripped.endswith("\\"):
            text += stripped[:-1] + " "
            continue
        yield _instruction(path, start, text + stripped)
        text, start = "", 0
    if text:
        yield _instruction(path, start, text)


def _instruction(path: Path, line: int, text: str) -> Instruction:
    name, _, rest = text.partition(" ")
    flags, words = [], rest.split()
    while words and words[0].startswith("--"):
        flags.append(words.pop(0))
    return Instruction(path, line, name.upper(), tuple(flags), " ".join(words))


def _refuse_unsupported(instruction: Instruction) -> None:
    """Refuses the other ways by which files get into an image, here-documents included.

    Raises:
        CommandError: the instruction uses such a way.
    """
    if HEREDOC.search(instruction.rest) and instruction.name in ("RUN", "COPY", "ADD"):
        instruction.refuse("has a here-document")
    if instruction.name == "ONBUILD":
        instruction.refuse("works in other images")
    for mount in (flag for flag in instruction.flags if flag.startswith("--mount=")):
        options = dict(option.partition("=")[::2] for option in mount.partition("=")[2].split(","))
        if options.get("type", "bind") not in WITHOUT_FILES:
            instruction.refuse("mounts files")


def _fill_in(text: str, variables: Mapping[str, str], instruction: Instruction, strict: bool = True) -> str:
    """Replaces the build arguments in the text by their values; with `strict`, an unknown one is an error."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in variables and strict:
            instruction.refuse(f"has {match[0]}, which is no build argument")
        return variables.get(name, match[0])

    filled = VARIABLE.sub(value, text)
    if "$" in filled and strict:
        instruction.refuse(f"has {text}, which is not understood")
    return filled


def _is_hashed(name: Path, file: Path) -> bool:
    """Returns whether it is a file, except bytecode."""
    return "__pycache__" not in name.parts and (file.is_symlink() or file.is_file())

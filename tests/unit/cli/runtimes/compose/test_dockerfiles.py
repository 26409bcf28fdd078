"""A Dockerfile is followed to every file that goes into its image, or refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.runtimes.compose.dockerfiles import Dockerfile
from orionbox.errors import CommandError


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for name in ("app/main.py", "app/sub/more.py", "app/__pycache__/main.pyc", "a.py", "b.py", "c.txt", ".hidden.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def read(context: Path, text: str, **args: str) -> Dockerfile:
    (context / "Dockerfile").write_text(text)
    return Dockerfile(context / "Dockerfile", context, args)


def copied(context: Path, text: str, **args: str) -> set[str]:
    """The names of the files that a Dockerfile takes, without its own."""
    found = {file.relative_to(context).as_posix() for file in read(context, text, **args).files()}
    assert "Dockerfile" in found
    return found - {"Dockerfile"}


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("COPY a.py /opt/", {"a.py"}),
        ("COPY app /opt/app", {"app/main.py", "app/sub/more.py"}),
        ("COPY app/ /opt/app", {"app/main.py", "app/sub/more.py"}),
        ("COPY a.py c.txt /opt/", {"a.py", "c.txt"}),
        ("COPY *.py /opt/", {"a.py", "b.py", ".hidden.py"}),
        ("COPY [ab].py app/s?b /opt/", {"a.py", "b.py", "app/sub/more.py"}),
        ("COPY /a.py /opt/", {"a.py"}),
        ("COPY --chmod=755 --chown=1:1 a.py /opt/", {"a.py"}),
        ("COPY a.py \\\n  # a comment\n\n  b.py \\\n  /opt/", {"a.py", "b.py"}),
        ('COPY ["a.py", "c.txt", "/opt/"]', {"a.py", "c.txt"}),
        ("ADD a.py /opt/", {"a.py"}),
        ("copy a.py /opt/", {"a.py"}),
        ("ARG NAME=a.py\nCOPY ${NAME} $NAME /opt/", {"a.py"}),
        ("ARG NAME\nCOPY $NAME /opt/", {"c.txt"}),
        ("COPY --from=build /opt/venv /opt/venv", set()),
        ("RUN --mount=type=cache,target=/root/.cache pip install x", set()),
        ("RUN echo COPY a.py \\\n    && echo ADD b.py", set()),
    ],
)
def test_each_way_of_copying_is_followed(context: Path, line: str, files: set[str]) -> None:
    assert copied(context, f"FROM x:1 AS build\n{line}\n", NAME="c.txt" if "ARG NAME\n" in line else "a.py") == files


def test_the_whole_context_is_hashed_except_bytecode(context: Path) -> None:
    found = copied(context, "FROM x:1\nCOPY . /opt/\n")
    assert {"app/sub/more.py", ".hidden.py"} <= found and not any("__pycache__" in name for name in found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM x:1\n\nADD https://example.org/x /opt/\n", "line 3: ADD takes https://example.org/x from a network"),
        ("FROM x:1\nADD git@example.org:x.git /opt/\n", "line 2: ADD takes git@example.org:x.git from a network"),
        ("FROM x:1\nCOPY app/**/x.py /opt/\n", "line 2: COPY takes app/**/x.py, an unsupported pattern"),
        ("FROM x:1\nCOPY ../x /opt/\n", "line 2: COPY takes ../x, an unsupported pattern"),
        ("FROM x:1\nCOPY $HOME /opt/\n", "line 2: COPY has $HOME, which is no build argument"),
        ("FROM x:1\nARG A=a.py\nCOPY ${A:-b} /opt/\n", "line 3: COPY has ${A:-b}, which is not understood"),
        ("FROM x:1\nCOPY 'a b' /opt/\n", "line 2: COPY has quotes"),
        ("FROM x:1\nCOPY <<EOF /opt/x\nCOPY a.py\nEOF\n", "line 2: COPY has a here-document"),
        ("FROM x:1\nRUN <<'EOF'\nCOPY a.py /opt\nEOF\n", "line 2: RUN has a here-document"),
        ("FROM x:1\nRUN \\\n  --mount=target=/src make\n", "line 2: RUN mounts files"),
        ("FROM x:1\nRUN --mount=type=bind,source=app,target=/src make\n", "line 2: RUN mounts files"),
        ("FROM x:1\nONBUILD COPY a.py /opt/\n", "line 2: ONBUILD works in other images"),
        ("FROM x:1\nCOPY missing.py /opt/\n", "line 2: nothing in"),
        ("# escape=`\nFROM x:1\n", "line 1: the file sets an escape character"),
    ],
)
def test_unsupported_instructions_are_refused_with_their_line(context: Path, text: str, message: str) -> None:
    with pytest.raises(CommandError) as error:
        read(context, text).files()
    assert f"{context / 'Dockerfile'}, {message}" in str(error.value)


def test_a_symbolic_link_as_a_source_is_refused_and_inside_of_a_folder_it_counts(context: Path) -> None:
    (context / "app" / "link").symlink_to("main.py")
    assert "app/link" in copied(context, "FROM x:1\nCOPY app /opt/\n")
    with pytest.raises(CommandError, match="line 2: COPY takes app/link, a symbolic link"):
        read(context, "FROM x:1\nCOPY app/link /opt/\n").files()


def test_parents_are_the_images_of_all_stages_and_of_copies(context: Path) -> None:
    text = """
        ARG TAG
        FROM --platform=linux/amd64 base:${TAG} AS build
        FROM build AS tested
        FROM scratch
        COPY --from=build /x /x
        COPY --from=0 /x /x
        COPY --from=tools:$TAG /y /y
        FROM base:${TAG}
    """
    assert read(context, text, TAG="7").parents() == ["base:7", "tools:7"]

"""The platform's pip and venv."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orionbox.student_shell import pip, venv, words
from orionbox.student_shell.__main__ import run as run_command

COURSE = """pandas==1.5.2
prefect==2.7.7
prefect-sqlalchemy==0.2.2
prefect-gcp[cloud_storage]==0.2.4
protobuf==4.21.11
pyarrow==10.0.1
pandas-gbq==0.18.1
psycopg2-binary==2.9.5
sqlalchemy==1.4.46
"""
"""The requirements.txt of the course's week 2 in 2023."""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = pip.main(arguments)
    return code, capsys.readouterr().out


def test_the_course_s_requirements_are_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(COURSE)
    for arguments in (["-r", "requirements.txt"], ["-rrequirements.txt"], ["--requirement=requirements.txt", "-U"]):
        code, text = run(
            capsys, "install", *[word.replace("requirements.txt", f"{tmp_path}/requirements.txt") for word in arguments]
        )
        assert code == 0, text
        assert f"pandas==1.5.2: {pip.installed('pandas')} is installed, and is used instead" in text
        assert text.endswith("nothing to install: the platform has these packages, the same in every run\n")


def test_a_missing_package_is_named_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "install", "--quiet", "pandas", "no-such-package>=2", "prefect>=3")
    assert code == 1
    assert "MISSING no-such-package>=2\n" in text
    assert f"MISSING prefect>=3: {pip.installed('prefect')} is installed, which is older" in text
    assert "2 of 3 missing, nothing was installed" in text and "services/flows/requirements.in" in text


@pytest.mark.parametrize(
    "arguments",
    [["--upgrade", "pip"], ["-U", "pip", "setuptools", "wheel"], ["psycopg2"], ["pywin32; sys_platform == 'win32'"]],
)
def test_what_is_not_needed_succeeds(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(capsys, "install", *arguments)[0] == 0


@pytest.mark.parametrize(
    "arguments", [[], ["."], ["-e", "."], ["git+https://github.com/ada/tips"], ["x @ https://e.org/x.whl"]]
)
def test_what_cannot_be_installed_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(capsys, "install", *arguments)[0] == 1


def test_a_file_of_requirements_is_read_as_pip_reads_it(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("pandas\n")
    options = "# comment\n-r base.txt\n--index-url https://example.org/simple\n"
    text = f"{options}click>=8 \\\n    --hash=sha256:00\nnumpy # why\n\n"
    (tmp_path / "all.txt").write_bytes(text.encode("utf-16"))
    assert list(pip.of_file(tmp_path / "all.txt")) == ["pandas", "click>=8", "numpy"]


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "install", "-r", "no-such-file.txt") == (1, "no-such-file.txt: No such file or directory\n")


@pytest.mark.parametrize(("command", "code", "part"), [
    (["list"], 0, "pandas"), (["freeze"], 0, "pandas=="), (["show", "pandas"], 0, "Version: "),
    (["show", "no-such-package"], 1, "not installed"), (["--version"], 0, "pip of Orionbox"),
    (["uninstall", "-y", "pandas"], 1, "nothing was uninstalled"), (["download", "pandas"], 0, "is installed"),
    (["check"], 0, ""), (["no-such-command"], 1, "no command"),
])  # fmt: skip
def test_each_command_answers(capsys: pytest.CaptureFixture[str], command: list[str], code: int, part: str) -> None:
    found, text = run(capsys, *command)
    assert (found, part in text) == (code, True), text


def test_a_virtual_environment_keeps_the_platform_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert venv.main(["--prompt", "zoom", str(tmp_path / "env")]) == 0
    bin = f"{tmp_path}/env/bin"
    script = f"source '{bin}/activate' && '{bin}/python' -c 'import sys; print(sys.executable)' && deactivate"
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == sys.executable, done.stderr
    assert venv.main([]) == 2


@pytest.mark.parametrize(("command", "code"), [
    ("gcloud auth application-default login", 0), ("gcloud compute instances list", 1), ("gsutil ls", 1),
    ("terraform apply", 1), ("docker build -t x .", 1), ("docker login", 0), ("docker-compose up", 1),
    ("conda create -n zoom python=3.9", 0), ("conda activate zoom", 0), ("apt-get install no-such-program", 1),
    ("jupyter notebook", 1), ("bq ls", 1),
])  # fmt: skip
def test_each_command_of_the_course_s_set_up_says_what_to_do(command: str, code: int) -> None:
    name, *arguments = command.split()
    text, found = words.answer(name, arguments)
    assert found == code and text.startswith(f"{name} ") and name in words.NAMES


def test_the_commands_are_installed_with_the_line_that_each_python_executes(tmp_path: Path) -> None:
    python = tmp_path / "env/bin/python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    site = next((tmp_path / "env/lib").glob("python*/site-packages"))
    paths = [Path(pip.__file__).parents[2], *map(Path, sys.path[-1:])]
    (site / "paths.pth").write_text("".join(f"{path}\n" for path in {*paths, Path(pytest.__file__).parents[1]}))
    subprocess.run([python, "-m", "orionbox.student_shell", "install", tmp_path / "commands"], check=True)
    assert sorted(path.name for path in (tmp_path / "commands").iterdir()) == sorted(words.NAMES)
    for command in ([tmp_path / "commands/pip3"], [python, "-m", "pip"]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True)
        assert done.stdout.startswith("pip of Orionbox"), done.stderr
    done = subprocess.run([python, "-m", "venv", tmp_path / "other"], capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "other/bin/activate").exists(), done.stderr


@pytest.mark.parametrize("command", ["sudo -H pip --version", "docker ps", "gcloud auth login", "apt install nothing"])
def test_a_command_of_the_machine_s_does_not_replace_ours(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *arguments = command.split()
    (tmp_path / name).write_text("#!/bin/sh\necho the machine\n")
    (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert run_command(name, arguments) in (0, 1)
    assert len("".join(capsys.readouterr())) > 10


def test_a_list_that_is_cut_off_ends_without_an_error() -> None:
    command = f"'{sys.executable}' -m orionbox.student_shell run pip list | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == "" and done.stdout.startswith("Package")


def test_where_the_machine_has_a_program_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "terraform").write_text("#!/bin/sh\necho the machine: $*\n")
    (tmp_path / "terraform").chmod(0o755)
    command = [sys.executable, "-m", "orionbox.student_shell", "run", "terraform", "plan"]
    done = subprocess.run(command, env={"PATH": f"{tmp_path}:/bin"}, capture_output=True, text=True)
    assert done.stdout == "the machine: plan\n", done.stderr

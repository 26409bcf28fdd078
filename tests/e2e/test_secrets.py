"""Generated passwords and keys leak nowhere: every value is searched in logs, backups, images and environments.

test_platform.py searches what a failed start prints: it has a platform that cannot start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from cli.runtimes.compose.images import Image
from tests.backups import read_content
from tests.conftest import Checkout
from tests.e2e.conftest import MainJob

PRIVATE = ("*.key", "emulator-key.json")
"""The files of secrets/ that hold a key."""
SEPARATOR = re.compile(r"[\s\"]|\\n")
"""Between the words of a key file; in JSON a new line is two letters."""
FIND = "LC_ALL=C grep -rlFsf /dev/stdin $(ls -d /* | grep -vE '^/(proc|sys|dev)$'); echo searched"


def generated(platform: Checkout) -> set[str]:
    """Every secret value that this platform has made; of a key in several lines, each line."""
    passwords = {value for name, value in platform.settings.items() if name.endswith("_PASSWORD")}
    texts = [path.read_text() for pattern in PRIVATE for path in (platform.root / "secrets").glob(pattern)]
    words = {word for text in texts for word in re.split(SEPARATOR, text)}
    keys = {word for word in words if len(word) >= 40 and "gserviceaccount" not in word}
    count = (len(passwords), len(keys) > 25)
    assert count == (3, True), "passwords, and the lines of four keys"
    return passwords | keys


def found_in(text: str, values: Iterable[str]) -> list[str]:
    """The values in the text, shortened: a failed test must not print them either."""
    return [f"{value[:4]}…" for value in values if value in text]


@pytest.fixture(scope="module")
def backup(platform: Checkout, main_jobs: list[MainJob]) -> Path:
    """A backup of a platform that has worked."""
    (file,) = re.findall(r"backups/\S+\.tar", platform.make("backup"))
    return platform.root / str(file)


@pytest.fixture(scope="module")
def used(platform: Checkout, backup: Path) -> Checkout:
    """The platform, after the backup: the blocks' key is there too."""
    return platform


def test_generated_secrets_are_readable_only_by_their_owner(used: Checkout) -> None:
    assert (used.root / ".env").stat().st_mode & 0o777 == 0o600
    assert (used.root / "secrets").stat().st_mode & 0o777 == 0o700
    for path in (*(used.root / "secrets").glob("authority.key"), *(used.root / "secrets").glob("orion-*.key")):
        assert path.stat().st_mode & 0o777 == 0o600, path.name


def test_git_would_not_take_any_of_it(used: Checkout) -> None:
    assert used.run("git", "init", "--quiet").returncode == 0
    taken = used.run("git", "ls-files", "--cached", "--others", "--exclude-standard").stdout.splitlines()
    assert "compose.yaml" in taken and "compose/versions.env" in taken
    private = (".env", "secrets", "backups", "reports")
    assert [name for name in taken if name.split("/")[0] in private] == []


def test_no_command_prints_one(used: Checkout) -> None:
    commands = (["up"], ["status"], ["logs"], ["inbox"], ["ingest", "COLOR=green", "YEAR=2021", "MONTHS=1"])
    printed = {command[0]: used.make(*command) for command in commands}
    assert {name: found_in(text, generated(used)) for name, text in printed.items()} == {name: [] for name in printed}


def service_logs(platform: Checkout) -> str:
    return platform.run("docker", "compose", "--profile", "*", "logs", "--no-color").stdout


def test_no_service_logs_one(used: Checkout) -> None:
    logs = service_logs(used)
    talkative = ("agent-1", "bigquery-1", "docker-proxy-1", "pgadmin-1", "postgres-1")
    assert [name for name in talkative if name not in logs] == []
    assert found_in(logs, generated(used)) == []


def test_no_run_and_no_block_shows_one(used: Checkout) -> None:
    orion = used.orion
    shown = json.dumps([orion.call(f"{kind}/filter", {}) for kind in ("block_documents", "flow_runs", "deployments")])
    logs = orion.call("logs/filter", {"limit": 200})
    assert len(logs) > 5
    assert found_in(shown + json.dumps(logs), generated(used)) == []


def test_no_report_holds_one(used: Checkout) -> None:
    reports = [path for path in (used.root / "reports").rglob("*") if path.is_file()]
    assert "last-run.json" in {path.name for path in reports}
    for path in reports:
        assert found_in(path.read_bytes().decode("latin-1"), generated(used)) == [], path.name


def test_no_image_holds_one(used: Checkout) -> None:
    """Neither in how it was made nor in any file. A parent's files are searched in the images built from it."""
    built = [Image.from_service(service) for service in used.services().values() if "build" in service]
    images, parents = {image.name for image in built}, {parent for image in built for parent in image.parents()}
    assert len(images) >= 10
    values = generated(used)
    for image in images:
        history = used.run("docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout
        inspected = used.run("docker", "image", "inspect", image).stdout
        assert history and found_in(history + inspected, values) == [], image
    for image in images - parents:
        search = ("docker", "run", "--rm", "--interactive", "--network=none", "--user=0", "--entrypoint=sh", image)
        assert used.run(*search, "-c", FIND, stdin="\n".join(values)).stdout == "searched\n", image


def test_no_backup_without_secrets_holds_one(used: Checkout, backup: Path) -> None:
    image = used.services()["postgres"]["image"]
    content = read_content(backup, "docker", "run", "--rm", "-i", image, "pg_restore")
    assert len(content) > 100_000
    assert found_in(content.decode("latin-1"), generated(used)) == []


def test_the_search_finds_secrets_that_exist(used: Checkout, tmp_path: Path) -> None:
    """As a check of the checks: in .env and in the key files all of it is found."""
    values = generated(used)
    texts = [path.read_text() for pattern in PRIVATE for path in (used.root / "secrets").glob(pattern)]
    count = len(found_in("".join([(used.root / ".env").read_text(), *texts]), values))
    assert count == len(generated(used))

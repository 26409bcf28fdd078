"""A platform is backed up during a run, destroyed with its passwords and keys, restored, and is what it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.archive import archive
from tests.backups import decrypt_blocks, decrypt_with_own_keys, read_content, rewrite_backup
from tests.conftest import Checkout, running_platform, wait_for
from tests.stores import bucket_files, query_bigquery, query_postgres

YES = "YES=yes"
"""The key in secrets/ is new, so the backups are a stranger's."""
SECRET = "correct-horse-battery-staple"
SAVE_BLOCK = f"from prefect.blocks.system import Secret; Secret(value='{SECRET}').save('api-token', overwrite=True)"
PRINT_BLOCK = "from prefect.blocks.system import Secret; print('value:', Secret.load('api-token').get())"
PLANTED = """
CREATE FUNCTION escape() RETURNS boolean LANGUAGE plpgsql AS $body$
BEGIN
    BEGIN
        EXECUTE 'RESET ROLE'; EXECUTE 'SET ROLE postgres'; EXECUTE $$COPY (SELECT 1) TO PROGRAM 'touch /tmp/escaped'$$;
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    IF current_setting('is_superuser') = 'on' THEN
        PERFORM lo_create(4711);
    END IF;
    RETURN true;
END $body$;
CREATE TABLE planted (a int CHECK (public.escape())); INSERT INTO planted VALUES (1);
CREATE POLICY mine ON planted USING (public.escape());
ALTER TABLE planted ENABLE ROW LEVEL SECURITY; ALTER TABLE planted FORCE ROW LEVEL SECURITY;
CREATE MATERIALIZED VIEW later AS SELECT * FROM planted WITH NO DATA;
COMMENT ON DATABASE ny_taxi IS 'kept';
"""
"""Code of a student, which notes when it is run by the superuser; integration/postgres has more of it."""
PROOFS = "SELECT oid FROM pg_largeobject_metadata"
PRINT_COUNT = (
    "from prefect_sqlalchemy import SqlAlchemyConnector as C\n"
    "with C.load('postgres-connector') as c: print('rows:', c.fetch_one('SELECT count(*) FROM green_tripdata')[0])"
)


@dataclass
class Story:
    """The events up to the moment when the platform is back."""

    platform: Checkout
    plain: Path
    secret: Path
    said: dict[str, str]
    before: dict[str, Any]
    key: bytes
    passwords: list[str]
    abandoned: str
    """A run that was in progress, but orphaned."""
    run: str
    """The run that was in progress, with month 2."""


@pytest.fixture(scope="module")
def platform(engine: None, has_real_data: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A separate platform, because it will be destroyed."""
    with running_platform(tmp_path_factory.mktemp("backup") / "orionbox", has_real_data, "compose") as platform:
        yield platform


@pytest.fixture(scope="module")
def story(platform: Checkout) -> Story:
    """The whole sequence."""
    platform.make("run-etl", "COLOR=green", "YEAR=2021", "MONTHS=1")
    in_shell(platform, SAVE_BLOCK)
    platform.make("psql", stdin=PLANTED)
    abandoned, before = a_run_under_way(platform), described(platform)
    run = platform.orion.start_run("etl/docker", {"color": "green", "year": 2021, "months": [2]})
    wait_for(lambda: platform.orion.run(run)["state_type"] == "RUNNING", "the run", 120)
    said = {"secret": platform.make("backup", "SECRETS=yes")}
    wait_for(lambda: platform.orion.run(run)["state_type"] == "COMPLETED", "the run's end", 120)
    platform.run("docker", "compose", "stop", "agent", "sweeper")  # which a backup does not need
    said["plain"] = platform.make("backup")
    said["planted"] = str(query_postgres(platform.settings, PROOFS))
    plain, secret = (
        platform.root / next(iter(re.findall(r"backups/\S+\.tar", said[one]))) for one in ("plain", "secret")
    )
    (kept,) = (platform.root / "secrets").glob("orion-*.key")
    key = kept.read_bytes()
    passwords = [value for name, value in platform.settings.items() if name.endswith("_PASSWORD")]
    platform.make("reset")
    for file in (platform.root / ".env", *(platform.root / "secrets").iterdir()):
        file.unlink()
    said["stranger"] = platform.make_fails("restore", f"FILE={plain}")
    said["refusal"] = platform.make_fails("restore", f"FILE={plain}", YES)
    said["full"] = platform.make_fails("restore", f"FILE={rewrite_backup(secret, bytes=10**15)}", YES)
    said["volumes"] = platform.run("docker", "volume", "ls", "--quiet").stdout
    said["restore"] = platform.make("restore", f"FILE={secret.relative_to(platform.root)}", YES)
    return Story(platform, plain, secret, said, before, key, passwords, abandoned, run)


def in_shell(platform: Checkout, program: str) -> str:
    return platform.make("shell", stdin=f"python - <<'END'\n{program}\nEND\n")


def a_run_under_way(platform: Checkout) -> str:
    """An orphan run, which every unfinished run in a backup is."""
    deployment = platform.orion.call("deployments/name/etl/docker")["id"]
    state = {"state": {"type": "RUNNING", "name": "Running"}}
    return str(platform.orion.call(f"deployments/{deployment}/create_flow_run", state)["id"])


def described(platform: Checkout) -> dict[str, Any]:
    """Counts, blocks, deployments and run history."""
    by_file = "SELECT source_file, count(*) FROM {} GROUP BY source_file"
    objects = bucket_files(platform.settings).find("prefect-de-zoomcamp", detail=True)
    orion = platform.orion
    return {
        "postgres": dict(query_postgres(platform.settings, by_file.format("green_tripdata"))),
        "bigquery": dict(query_bigquery(platform.settings, by_file.format("trips_data_all.green_tripdata"))),
        "objects": {name: info["md5Hash"] for name, info in objects.items()},
        "blocks": {(block["block_type"]["slug"], block["name"]) for block in orion.call("block_documents/filter", {})},
        "deployments": {(found["id"], found["name"]) for found in orion.call("deployments/filter", {})},
        "runs": {run["id"]: run["state_type"] for run in orion.call("flow_runs/filter", {})},
        "logs": len(orion.call("logs/filter", {"limit": 200})),
    }


def test_everything_is_restored_except_for_the_run_s_additions(story: Story) -> None:
    now, then = described(story.platform), story.before
    then["runs"][story.abandoned] = "CRASHED"
    for store in ("postgres", "bigquery", "objects", "runs"):
        added = now[store].keys() - then[store].keys()
        assert {**now[store], **then[store]} == now[store], store
        assert all("2021-02" in name or name == story.run for name in added), store
    assert (now["blocks"], now["deployments"]) == (then["blocks"], then["deployments"])
    assert now["logs"] >= then["logs"] > 0


def test_the_run_that_was_under_way_has_ended(story: Story) -> None:
    assert story.platform.orion.run(story.run)["state_type"] in ("CRASHED", "COMPLETED")


@pytest.fixture(scope="module")
def printed(story: Story) -> str:
    """Returns the output of a program in the shell that uses two blocks."""
    return in_shell(story.platform, f"{PRINT_BLOCK}\n{PRINT_COUNT}")


def test_the_secret_block_still_opens(printed: str) -> None:
    assert f"value: {SECRET}" in printed


def test_the_passwords_are_new_and_the_blocks_know_them(story: Story, printed: str) -> None:
    now = [value for name, value in story.platform.settings.items() if name.endswith("_PASSWORD")]
    assert not set(now) & set(story.passwords)
    rows = sum(described(story.platform)["postgres"].values())
    assert f"rows: {rows}" in printed


def test_the_restored_platform_does_the_interrupted_work(story: Story) -> None:
    story.platform.make("run-etl", "COLOR=green", "YEAR=2021", "MONTHS=2")
    now = described(story.platform)
    assert now["postgres"] == now["bigquery"]
    assert len(now["postgres"]) == len(now["objects"]) == 2


def test_a_run_that_was_under_way_is_crashed_and_says_why(story: Story) -> None:
    run = story.platform.orion.run(story.abandoned)
    assert run["state_type"] == "CRASHED"
    assert "when the backup was made" in run["state"]["message"]
    assert "that were in progress when the backup was made" in story.said["restore"]


def test_a_backup_says_how_large_it_is_and_what_it_holds(story: Story) -> None:
    assert re.search(r"\.tar: [\d.,]+ MB, made in [\d.]+ s while the platform was running", story.said["secret"])
    rows = sum(story.platform.rows_in(f"green/green_tripdata_2021-{month:02}.csv.gz") for month in (1, 2))
    assert re.search(rf"Postgres +{rows + 1:,} rows in \d+ tables", story.said["plain"]), "one is planted"
    # A row more for each month: table loaded_months has its kind
    assert re.search(rf"BigQuery +{rows + 2:,} rows in \d+ tables", story.said["plain"])
    assert "Cloud Storage  2 objects" in story.said["plain"]


def test_without_secrets_nothing_in_the_file_opens_a_block(story: Story) -> None:
    pg_restore = ("docker", "run", "--rm", "-i", postgres_image(story.platform), "pg_restore")
    content = read_content(story.plain, *pg_restore)
    for password in (*story.passwords, SECRET, story.key.decode()):
        assert password.encode() not in content
    assert b"PRIVATE KEY" not in content
    assert decrypt_with_own_keys(content) == []
    assert any(SECRET.encode() in block for block in decrypt_blocks(story.key, content)), "they are there, and locked"


def test_with_secrets_the_file_opens_them(story: Story) -> None:
    pg_restore = ("docker", "run", "--rm", "-i", postgres_image(story.platform), "pg_restore")
    content = read_content(story.secret, *pg_restore)
    assert any(SECRET.encode() in block for block in decrypt_with_own_keys(content))
    assert [password for password in story.passwords if password.encode() in content] == []


def postgres_image(platform: Checkout) -> str:
    return str(platform.services()["postgres"]["image"])


def test_a_file_without_secrets_is_refused_where_its_key_is_not(story: Story) -> None:
    assert re.search(r"secrets/orion-[0-9a-f]{12}\.key, which decrypts its blocks, is missing", story.said["refusal"])


def test_a_platform_that_holds_something_is_refused(story: Story) -> None:
    before = described(story.platform)
    printed = story.platform.make_fails("restore", f"FILE={story.secret}", YES)
    assert re.search(r"is not empty \(.*runs in Orion, 1 blocks of your own, .*rows in Postgres", printed)
    assert "make reset" in printed
    assert described(story.platform) == before


def test_a_stranger_s_file_is_named_as_such_and_changes_nothing(story: Story) -> None:
    assert "was not made by this checkout" in story.said["stranger"] and "YES=yes" in story.said["stranger"]


def test_what_a_student_has_planted_was_never_run_by_the_superuser(story: Story) -> None:
    assert story.said["planted"] == "[]", "at the backup"
    assert query_postgres(story.platform.settings, PROOFS) == [], "at the restore"
    escaped = story.platform.run("docker", "compose", "exec", "-T", "postgres", "ls", "/tmp/escaped")
    assert escaped.returncode and "No such file" in escaped.stdout


def test_a_comment_and_a_view_without_data_are_back(story: Story) -> None:
    comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'ny_taxi'"
    assert query_postgres(story.platform.settings, comment) == [("kept",)]
    views = "SELECT matviewname, ispopulated FROM pg_matviews"
    assert query_postgres(story.platform.settings, views) == [("later", False)]


def test_a_damaged_file_is_refused(story: Story) -> None:
    damaged = story.secret.with_name("damaged.tar")
    content = bytearray(story.secret.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    assert re.search(
        r"damaged\.tar is damaged: the checksum of \S+ is wrong; nothing was changed",
        story.platform.make_fails("restore", f"FILE={damaged}", YES),
    )


def test_a_file_that_would_not_fit_is_refused_and_nothing_is_made(story: Story) -> None:
    assert re.search(
        r"resealed-\S+\.tar needs 1,000,000\.00 GB where the platform keeps its data, and [\d,]+\.\d\d GB are free; "
        "nothing was changed",
        story.said["full"],
    )
    assert "restoring" not in story.said["full"]
    assert story.platform.env["COMPOSE_PROJECT_NAME"] not in story.said["volumes"]


def test_a_file_records_its_size_on_disk(story: Story) -> None:
    for file in (story.plain, story.secret):
        with archive.open_archive(file) as backup:
            members = sum(member["bytes"] for member in backup.manifest["members"].values())
            assert backup.manifest["bytes"] > members, "it is packed"


@pytest.fixture
def next_tag(platform: Checkout) -> Iterator[str]:
    """A tag for images of another version; they are gone afterwards."""
    tag = f"{platform.env['COMPOSE_PROJECT_NAME']}-next"
    yield tag
    platform.make("down")
    names = ("--filter", f"reference=orionbox/*:*{tag}*", "--format", "{{.Repository}}:{{.Tag}}")
    platform.run("docker", "rmi", *platform.run("docker", "images", *names).stdout.split())


def test_data_stays_after_down_and_when_the_version_changes(story: Story, next_tag: str) -> None:
    platform, before = story.platform, described(story.platform)
    platform.make("psql", stdin="CREATE TABLE kept AS SELECT 42 AS answer;\n")
    platform.make("down")
    assert platform.run("docker", "compose", "ps", "--quiet").stdout == ""
    platform.env["ORIONBOX_TAG"] = next_tag
    assert "kept: 42" in platform.make("psql", stdin="SELECT 'kept: ' || answer FROM kept;\n")
    assert next_tag in platform.run("docker", "compose", "ps", "--format", "{{.Image}}").stdout
    assert described(platform) == before
    assert "value: " + SECRET in in_shell(platform, PRINT_BLOCK)

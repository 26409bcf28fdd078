"""The stand-in for the outside world; nothing may bypass it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from cli.environments.proxies import OFFLINE_HOSTS
from tests.conftest import wait_for
from tests.e2e.course.conftest import CutOff
from tests.e2e.course.leaks import Leaks

NOWHERE = "192.0.2.1"
"""An address that nobody has (RFC 5737)."""
DEFAULT_ROUTE = re.compile(r"^\w+\t00000000\t", re.MULTILINE)
"""What /proc/net/route holds beside a card by which packets to any address are sent on, if only to be dropped."""
RELEASE = "https://github.com/DataTalksClub/nyc-tlc-data/releases/download"
NOTIFY = """
from prefect.blocks.notifications import SlackWebhook
import asyncio
from prefect import get_client
block = SlackWebhook(url="https://hooks.slack.com/services/T0/B0/finished").save("finished", overwrite=True)
async def notify():
    async with get_client() as client:
        await client.create_flow_run_notification_policy(
            block_document_id=block, is_active=True, tags=[], state_names=["Completed"]
        )
asyncio.run(notify())
"""
TICK = """
from prefect import flow
@flow(log_prints=True)
def tick():
    print("tick from the schedule")
"""


@pytest.fixture(scope="module", autouse=True)
def scheduled_since(cut_off: CutOff) -> str:
    """The time at which a schedule and a notification were made: the other tests take the minute until it fires."""
    since, workspace = datetime.now(UTC).isoformat(), cut_off.root / "workspace"
    (workspace / "notify.py").write_text(NOTIFY)
    (workspace / "tick.py").write_text(TICK)
    build = 'prefect deployment build tick.py:tick -n every-minute --cron "* * * * *" -a'
    answers = cut_off.shell("python notify.py", build)
    assert [answer.code for answer in answers] == [0, 0], answers
    return since


def test_a_packet_to_the_outside_would_be_noticed_and_there_is_no_other(cut_off: CutOff, leaks: Leaks) -> None:
    assert leaks.seen == set()
    answer, routes = cut_off.shell(f"curl --silent --max-time 5 http://{NOWHERE}/", "cat /proc/net/route")
    assert answer.code != 0
    if not DEFAULT_ROUTE.search(routes.output):
        pytest.skip("this engine's internal networks have no default route: nothing can be sent past them")
    wait_for(lambda: leaks.seen, "the packet on the wire", 10)
    assert leaks.seen == {NOWHERE}
    leaks.seen.clear()


def test_a_question_for_an_outside_name_would_be_noticed_and_one_for_a_stopped_service_is_not(
    cut_off: CutOff, leaks: Leaks
) -> None:
    assert leaks.seen == set()
    cut_off.run("docker", "compose", "stop", "pgadmin")
    *_, routes = cut_off.shell("getent hosts pgadmin", "getent hosts example.org", "cat /proc/net/route")
    cut_off.run("docker", "compose", "start", "pgadmin")
    if not DEFAULT_ROUTE.search(routes.output):
        pytest.skip("this engine's internal networks have no default route: nothing can be sent past them")
    wait_for(lambda: leaks.seen, "the question on the wire", 10)
    assert leaks.seen == {"example.org"}
    leaks.seen.clear()


def test_the_outside_world_s_names_go_with_internet_real(cut_off: CutOff) -> None:
    offline = cut_off.services()["internet"]["networks"]["default"]["aliases"]
    assert set(OFFLINE_HOSTS) <= set(offline), "Google's names may be there, too"
    real = cut_off.services(INTERNET="real")["internet"]["networks"]["default"] or {}
    assert not set(OFFLINE_HOSTS) & set(real.get("aliases", []))


def test_wget_curl_git_pandas_and_requests_trust_github_com(cut_off: CutOff) -> None:
    url = f"{RELEASE}/yellow/yellow_tripdata_2021-01.csv.gz"
    answers = cut_off.shell(
        f"wget -q {url} -O /tmp/a.csv.gz && gunzip -t /tmp/a.csv.gz",
        f"curl -sSfL {url} -o /tmp/b.csv.gz && cmp /tmp/a.csv.gz /tmp/b.csv.gz",
        "git clone --quiet --depth 1 https://github.com/ada/tips.git /tmp/tips && ls /tmp/tips/tips.py",
        f"python -c \"import pandas as pd; print(len(pd.read_csv('{url}', low_memory=False)))\"",
        f"python -c \"import requests; print(requests.head('{url}').status_code)\"",
    )
    assert [answer.code for answer in answers] == [0] * 5, answers
    assert str(cut_off.rows_in("yellow/yellow_tripdata_2021-01.csv.gz")) in answers[3].output


def test_a_missing_month_is_generated_for_every_client_and_at_every_address(cut_off: CutOff) -> None:
    url = f"{RELEASE}/green/green_tripdata_2020-04.csv.gz"
    parquet = "https://d37ci6vzurychx.cloudfront.net/trip-data/green_tripdata_2020-04.parquet"
    broken = cut_off.root / "data/green/green_tripdata_2020-05.csv.gz"
    broken.symlink_to("/nowhere")
    answers = cut_off.shell(
        f"curl -sSfL {url} -o /tmp/c.csv.gz & wget -q {url} -O /tmp/d.csv.gz; wait; cmp /tmp/c.csv.gz /tmp/d.csv.gz",
        "zcat /tmp/c.csv.gz | wc -l",
        f"curl -sSfI {url}",
        f"curl -sSf -r 0-1 {url} -o /tmp/e && cmp -n 2 /tmp/c.csv.gz /tmp/e && wc -c /tmp/e",
        f"python -c \"import pandas as pd; print(len(pd.read_csv('{url}', low_memory=False)))\"",
        # Without threads: a Python that ends right after a read may abort (apache/arrow#34314)
        f"python -c \"import pandas as pd; print(len(pd.read_parquet('{parquet}', use_threads=False)))\"",
        "curl -sSf 'https://s3.amazonaws.com/nyc-tlc/misc/taxi+_zone_lookup.csv' | wc -l",
        f"curl -s {RELEASE}/green/green_tripdata_2020-05.csv.gz",
        f"curl -s {RELEASE}/green/green_tripdata_2029-12.csv.gz",
    )
    broken.unlink()
    outputs = [answer.output.strip() for answer in answers]
    assert [answer.code for answer in answers] == [0] * 9, answers
    assert outputs[1] == "35613"
    assert "X-Orionbox-Data: generated; rows=35612; file=green/green_tripdata_2020-04.csv.gz" in outputs[2]
    # Above the result stands the line about the file's kind
    results = [output.splitlines()[-1] for output in outputs[3:7]]
    assert results[0].startswith("2 ") and results[1:] == ["35612", "35612", "266"]
    assert "is a link to /nowhere" in outputs[7] and "2019-01 to 2021-07" in outputs[8]
    assert not (cut_off.root / "data/green/green_tripdata_2020-04.csv.gz").exists()
    assert cut_off.make("logs", "SERVICE=taxi").count("generating 35,612 rows") == 2, "once for each form"


def test_a_missing_repository_says_how_to_get_it(cut_off: CutOff) -> None:
    (repository,) = cut_off.shell("git clone https://github.com/ada/none.git /tmp/none")
    assert "data/git/ada/none" in repository.output


def test_a_schedule_fires_and_its_completion_is_posted_to_the_chat(cut_off: CutOff, scheduled_since: str) -> None:
    wait_for(lambda: fired(cut_off, scheduled_since), "a run by the schedule", 200)
    wait_for(lambda: "tick" in cut_off.make("inbox"), "the notification", 60)
    cut_off.shell("prefect deployment delete tick/every-minute")


def fired(cut_off: CutOff, since: str) -> bool:
    chosen = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}, "start_time": {"after_": since}}}
    runs = cut_off.orion.call("flow_runs/filter", {**chosen, "deployments": {"name": {"any_": ["every-minute"]}}})
    return any("tick from the schedule" in cut_off.log(run["id"]) for run in runs if run["auto_scheduled"])

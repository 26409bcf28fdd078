"""The stand-in for the outside world; nothing may bypass it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.conftest import wait_for
from tests.e2e.course.conftest import CutOff
from tests.e2e.course.leaks import Leaks

NOWHERE = "192.0.2.1"
"""An address that nobody has (RFC 5737)."""
DEFAULT_ROUTE = "eth0\t00000000\t"
"""What /proc/net/route holds where packets to any address are sent on, if only to be dropped."""
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
    if DEFAULT_ROUTE not in routes.output:
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
    if DEFAULT_ROUTE not in routes.output:
        pytest.skip("this engine's internal networks have no default route: nothing can be sent past them")
    wait_for(lambda: leaks.seen, "the question on the wire", 10)
    assert leaks.seen == {"example.org"}
    leaks.seen.clear()


def test_the_outside_world_s_names_go_with_internet_real(cut_off: CutOff) -> None:
    offline = cut_off.services()["internet"]["networks"]["default"]["aliases"]
    assert set(offline) == {"github.com", "hooks.slack.com"}
    assert not cut_off.services(INTERNET="real")["internet"]["networks"]["default"]


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


def test_a_missing_month_and_a_missing_repository_say_how_to_get_them(cut_off: CutOff) -> None:
    month, repository = cut_off.shell(
        f"curl -s {RELEASE}/green/green_tripdata_2019-12.csv.gz",
        "git clone https://github.com/ada/none.git /tmp/none",
    )
    assert "make data COLOR=green YEAR=2019 MONTHS=12" in month.output
    assert "data/git/ada/none" in repository.output


def test_a_schedule_fires_and_its_completion_is_posted_to_the_chat(cut_off: CutOff, scheduled_since: str) -> None:
    wait_for(lambda: fired(cut_off, scheduled_since), "a run by the schedule", 200)
    wait_for(lambda: "tick" in cut_off.make("inbox"), "the notification", 60)
    cut_off.shell("prefect deployment delete tick/every-minute")


def fired(cut_off: CutOff, since: str) -> bool:
    chosen = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}, "start_time": {"after_": since}}}
    runs = cut_off.orion.call("flow_runs/filter", {**chosen, "deployments": {"name": {"any_": ["every-minute"]}}})
    return any("tick from the schedule" in cut_off.log(run["id"]) for run in runs if run["auto_scheduled"])

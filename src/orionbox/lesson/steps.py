"""The steps of docs/week2.md."""

from __future__ import annotations

from collections.abc import Callable

from orionbox.lesson import cron
from orionbox.lesson.checks import LESSON, Check, Finding, not_yet, passed
from orionbox.lesson.facts import BIGQUERY, BUCKET, ORION, PLATFORM_TABLES, POSTGRES, Facts, Run
from orionbox.lesson.months import describe_run, loads_bigquery

CONTAINER = "docker-container"
CHAT = ("slack-webhook", "slack-incoming-webhook", "email-server-credentials", "ms-teams-webhook", "discord-webhook")
"""Types of blocks that send messages."""


def ran_main_job(facts: Facts) -> Finding:
    """Looks for a completed run of the main job."""
    runs = [run for run in facts.runs or () if run.flow == "etl" and not run.is_subflow]
    for run in runs:
        if run.is_completed:
            return passed(f"run {run.name} of flow etl completed")
    if runs:
        return not_yet(f"run {runs[0].name} of flow etl ended as {runs[0].state.lower()}", "run it again")
    return not_yet("flow etl has not run yet", "run the command")


def ran_script(facts: Facts) -> Finding:
    """Looks for a flow that was run as a script."""
    for run in facts.own_runs():
        if not run.deployment_id:
            return passed(f"run {run.name} of flow {run.flow} was started as a script, and completed")
    return _no_run(facts, lambda run: not run.deployment_id, "no flow was run as a script")


def _no_run(facts: Facts, counts: Callable[[Run], bool], nothing: str) -> Finding:
    """Returns the finding of the newest run of the student's that has not succeeded, or that there is none."""
    for run in facts.runs or ():
        if facts.is_own(run) and counts(run):
            text = f"{describe_run(run, facts)} ended as {run.state.lower()}: {run.message[:200]}"
            return not_yet(text.rstrip(": "), "read its log in Orion, then run it again")
    return not_yet(nothing, "run the command")


def cached_task(facts: Facts) -> Finding:
    """Looks for a task whose result came from the cache."""
    for run in facts.own_runs():
        if run.is_cached:
            return passed(f"a task of {describe_run(run, facts)} was cached")
    text = "no task of yours was cached"
    return not_yet(text, "run week2/hello.py a second time: its task has the same input, so Prefect keeps the result")


def loaded_postgres(facts: Facts) -> Finding:
    """Looks for rows that the student has loaded into Postgres."""
    tables = [table for table in facts.warehouse or () if table.rows]
    if not tables:
        return not_yet("the warehouse has no rows", "run the command")
    shown = f"table {tables[0].name} in Postgres has {tables[0].rows:,} rows"
    for run in facts.own_runs():
        if "ingest" in run.flow.lower():
            return passed(f"{shown}, and {describe_run(run, facts)} completed")
    own = [table for table in tables if not table.by_file]
    if own and any(True for _ in facts.own_runs()):
        return passed(f"table {own[0].name} of yours in Postgres has {own[0].rows:,} rows")
    return not_yet(f"{shown}, but no flow of yours has loaded them", "run the command")


def made_block(facts: Facts) -> Finding:
    """Looks for a block of the student's own."""
    for block in facts.blocks or ():
        if not block.is_platforms:
            return passed(f"block {block.kind}/{block.name} is yours")
    return not_yet("all blocks in Orion are the platform's own", "run the command: it saves a block of yours")


def stored_month(facts: Facts) -> Finding:
    """Looks for an object that a run of the student's has stored."""
    own = list(facts.own_runs())
    for stored in facts.objects or ():
        for run in own:
            if run.covers(stored.updated):
                return passed(f"{describe_run(run, facts)} stored {stored.uri}")
    if facts.objects:
        return not_yet("the bucket has objects, but no run of yours has stored one", "run the command")
    return not_yet("the bucket is empty", "run the command")


def loaded_bigquery(facts: Facts) -> Finding:
    """Looks for rows that the student has loaded into BigQuery."""
    tables = [table for table in facts.tables or () if table.rows]
    for table in tables:
        if table.name not in PLATFORM_TABLES:
            return passed(f"table {table.name} of yours in BigQuery has {table.rows:,} rows")
    for run in facts.own_runs():
        if tables and loads_bigquery(run, facts):
            return passed(f"{describe_run(run, facts)} completed; {tables[0].name} has {tables[0].rows:,} rows")
    if tables:
        text = f"{tables[0].name} has {tables[0].rows:,} rows, but no flow of yours has loaded them"
        return not_yet(text, "run the command")
    return not_yet("no table in BigQuery has rows", "run the command")


def made_deployment(facts: Facts) -> Finding:
    """Looks for a deployment of the student's own."""
    for deployment in facts.own_deployments():
        return passed(f"deployment {deployment.name} is yours")
    return not_yet("all deployments in Orion are the platform's own", "build one of yours, then apply it")


def ran_deployment(facts: Facts) -> Finding:
    """Looks for a completed run of the student's deployment."""
    for run in facts.own_runs():
        if run.deployment_id and facts.deployment_of(run):
            return passed(f"{describe_run(run, facts)} completed")
    return _no_run(facts, lambda run: bool(run.deployment_id), "no deployment of yours has run yet")


def ran_container(facts: Facts) -> Finding:
    """Looks for a run in a container; without Docker, for the deployment alone."""
    own = {
        deployment.id: deployment for deployment in facts.own_deployments() if deployment.infrastructure == CONTAINER
    }
    if not own:
        return not_yet(
            f"no deployment of yours has an infrastructure block of type {CONTAINER}", "run `python docker_deploy.py`"
        )
    if facts.runtime == "embedded":
        name = next(iter(own.values())).name
        return passed(f"deployment {name} is for a container; this platform runs without Docker, so it cannot run here")
    for run in facts.own_runs():
        if run.deployment_id in own:
            return passed(f"{describe_run(run, facts)} completed in a container")
    return _no_run(facts, lambda run: run.deployment_id in own, "no deployment of yours has run in a container yet")


def has_schedule(facts: Facts) -> Finding:
    """Looks for a deployment with a schedule."""
    problem = "no deployment of yours has a schedule"
    for deployment in facts.own_deployments():
        for schedule in deployment.schedules:
            words = f": {cron.describe(schedule.text)}" if schedule.kind == "cron" else ""
            if schedule.is_active:
                return passed(f"deployment {deployment.name} has the schedule `{schedule.text}`{words}")
            problem = f"the schedule `{schedule.text}` of deployment {deployment.name} is paused"
    return not_yet(problem, "run the command")


def made_webhook(facts: Facts) -> Finding:
    """Looks for a block that sends messages."""
    for block in facts.blocks or ():
        if block.kind in CHAT:
            return passed(f"block {block.kind}/{block.name} exists")
    return not_yet("Orion has no block that sends messages", "run the command: it saves a SlackWebhook")


def made_notification(facts: Facts) -> Finding:
    """Looks for a notification."""
    for notification in facts.notifications or ():
        states = ", ".join(notification.states) or "every state"
        return passed(f"a notification for state {states} exists")
    return not_yet("Orion has no notification", "run the command, or make one in Orion under Notifications")


def made_secret(facts: Facts) -> Finding:
    """Looks for a secret of the student's."""
    for block in facts.blocks or ():
        if block.kind == "secret" and not block.is_platforms:
            return passed(f"secret {block.name} is yours; Orion shows it as asterisks")
    return not_yet("Orion has no block of type Secret", "run the command: it saves one")


def _step(name: str, title: str, section: str, why: str, commands: tuple[str, ...], *sources: str) -> Check:
    look, needs = LOOKS[name]
    return Check(name, title, LESSON, section, why, commands, (ORION, *sources), look, needs)


LOOKS: dict[str, tuple[Callable[[Facts], Finding], tuple[str, ...]]] = {
    "pipeline": (ran_main_job, ()),
    "script": (ran_script, ()),
    "cache": (cached_task, ("script",)),
    "postgres": (loaded_postgres, ()),
    "block": (made_block, ()),
    "to-gcs": (stored_month, ()),
    "to-bigquery": (loaded_bigquery, ("to-gcs",)),
    "deployment": (made_deployment, ()),
    "deployment-run": (ran_deployment, ("deployment",)),
    "container": (ran_container, ("deployment",)),
    "schedule": (has_schedule, ()),
    "webhook": (made_webhook, ()),
    "notification": (made_notification, ("webhook",)),
    "secret": (made_secret, ()),
}
"""For each step how it is looked for, and which steps come first."""
FLOWS, DEPLOYMENT, TELL = "flows-tasks-sub-flows", "deployment-by-the-command-line", "notifications-secrets"
CHECKS = (
    _step(
        "pipeline",
        "Run the whole pipeline once",
        "workflows-and-what-orchestration-is",
        "One command moves two months from the web to the bucket, to BigQuery and to Postgres.",
        ("$ make run-etl",),
    ),
    _step(
        "script",
        "Flows, tasks, sub-flows",
        FLOWS,
        "Write a flow, run it as a script, and find it in Orion.",
        ("$ make shell", "workspace$ python week2/hello.py"),
    ),
    _step(
        "cache",
        "A cached task",
        FLOWS,
        "The same task with the same input does not run again.",
        ("workspace$ python week2/hello.py",),
    ),
    _step(
        "postgres",
        "Load a month into Postgres",
        FLOWS,
        "The course's first flow, as a script.",
        ("workspace$ python ingest_data.py",),
        POSTGRES,
    ),
    _step(
        "block",
        "Blocks",
        "blocks",
        "Blocks store connections and secrets; the course's are already there. Save one of your own.",
        ("workspace$ python week2/use_blocks.py",),
    ),
    _step(
        "to-gcs",
        "ETL, part 1: to Cloud Storage",
        "etl-part-1-from-the-web-to-cloud-storage",
        "Fetch a month, give it types, put it into the bucket as parquet.",
        ("workspace$ python etl_web_to_gcs.py",),
        BUCKET,
    ),
    _step(
        "to-bigquery",
        "ETL, part 2: to BigQuery",
        "etl-part-2-from-cloud-storage-to-bigquery",
        "Load the parquet file into the warehouse.",
        ("workspace$ python etl_gcs_to_bq.py",),
        BIGQUERY,
    ),
    _step(
        "deployment",
        "Deploy by the command line",
        DEPLOYMENT,
        "Tell Orion where your flow is, and how to run it.",
        (
            'workspace$ prefect deployment build ./parameterized_flow.py:etl_parent_flow -n "Parameterized ETL"',
            "workspace$ prefect deployment apply etl_parent_flow-deployment.yaml",
        ),
    ),
    _step(
        "deployment-run",
        "Run a deployment",
        DEPLOYMENT,
        "Then a click starts a run, with its parameters.",
        ('workspace$ prefect deployment run "etl-parent-flow/Parameterized ETL" -p "months=[1]" --watch',),
    ),
    _step(
        "container",
        "Deploy by Python, in a container",
        "deployment-by-python-in-a-container",
        "Each run gets its own container.",
        (
            "workspace$ python docker_deploy.py",
            'workspace$ prefect deployment run etl-parent-flow/docker-flow -p "months=[1,2]" --watch',
        ),
    ),
    _step(
        "schedule",
        "Schedules",
        "schedules",
        "Let Orion start runs on a schedule.",
        (
            "workspace$ prefect deployment build parameterized_flow.py:etl_parent_flow -n etl2 "
            '--cron "0 5 1 * *" --timezone Europe/Berlin -a',
        ),
    ),
    _step(
        "webhook",
        "A message to the chat",
        TELL,
        "A webhook is a block; here the platform itself is the chat.",
        ("workspace$ python week2/tell.py",),
    ),
    _step(
        "notification",
        "Notifications",
        TELL,
        "Post news of your runs to the class's chat.",
        ("workspace$ python week2/tell.py",),
    ),
    _step("secret", "Secrets", TELL, "Only code can read a secret's value.", ("workspace$ python week2/tell.py",)),
)
"""A check comes after those that it needs."""

"""The six questions of the course's homework of 2023, week 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from orionbox.lesson import cron
from orionbox.lesson.checks import HOMEWORK, Check, Finding, not_yet, passed
from orionbox.lesson.facts import BIGQUERY, BUCKET, ORION, PLATFORM_TABLES, Deployment, Facts, Run, Schedule, Table
from orionbox.lesson.months import Month, describe_run, failed_run, find_month, loads_bigquery, month_of
from orionbox.trips.months import csv_name

Q1 = Month("green", "2020-01", 447_770)
Q3 = (Month("yellow", "2019-02", 7_019_375), Month("yellow", "2019-03", 7_832_545))
Q3_ROWS = sum(month.rows for month in Q3)
Q4 = Month("green", "2020-11", 88_605)
Q5 = Month("green", "2019-04", 514_392)
ANSWERS = frozenset({Q1.rows, Q3_ROWS, *(month.rows for month in Q3), Q4.rows, Q5.rows})
"""The numbers to look for in logs."""
CRON = "0 5 1 * *"
CRON_FIELDS = "the five fields of a cron are minute, hour, day of the month, month and day of the week"
UTC = ("", "UTC", "Etc/UTC", "GMT")
SECRET_LENGTH = 10
GITHUB = ("github", "github-repository")
"""Types of blocks for code on GitHub."""
OUTSIDE_ITS_MONTH = 0.01
"""The largest share of a file's trips that are dated outside its month."""


def load_green(facts: Facts) -> Finding:
    """Looks for the rows of question 1."""
    return find_month(facts, Q1, lambda run: True, "a flow of your own")


def has_cron(facts: Facts) -> Finding:
    """Looks for the schedule of question 2."""
    own = facts.own_deployments()
    scheduled = [(deployment, schedule) for deployment in own for schedule in deployment.schedules]
    for deployment, schedule in scheduled:
        if not _wrong_schedule(schedule):
            return passed(
                f"deployment {deployment.name} has the cron `{schedule.text}`: {cron.describe(schedule.text)}"
            )
    hint = "use `prefect deployment build FILE.py:FLOW -n NAME --cron '...' --timezone UTC -a`; " + CRON_FIELDS
    if scheduled:
        deployment, schedule = scheduled[0]
        return not_yet(f"deployment {deployment.name} exists, but {_wrong_schedule(schedule)}", hint)
    if own:
        return not_yet(f"deployment {own[0].name} exists, but it has no schedule", hint)
    return not_yet("there is no deployment of yours", hint)


def _wrong_schedule(schedule: Schedule) -> str:
    """Returns what is wrong with the schedule; empty if it is the first of each month, 5:00 UTC."""
    if schedule.kind != "cron":
        return f"its schedule is not a cron but {schedule.kind} {schedule.text}"
    words = cron.describe(schedule.text)
    if cron.parse(schedule.text) != cron.parse(CRON):
        return f"its cron is `{schedule.text}`: that is {words}"
    if schedule.timezone not in UTC:
        return f"its cron `{schedule.text}` is in time zone {schedule.timezone}, and the question asks for UTC"
    return "" if schedule.is_active else f"its schedule `{schedule.text}` is paused"


def has_yellow_files(facts: Facts) -> Finding:
    """Looks for the parquet files that question 3 starts from."""
    rows = {month_of(stored): stored.rows for stored in facts.objects or ()}
    for month in Q3:
        if (month.color, month.month) not in rows:
            hint = (
                f"load it: `make run-etl COLOR=yellow YEAR=2019 MONTHS={int(month.month[-2:])}`, or a flow of your own"
            )
            return not_yet(f"no object in the bucket is of {month}", hint)
        found = rows[month.color, month.month]
        if found != month.rows:
            shown = f"{found:,} rows" if found is not None else "no parquet"
            text = f"the object of {month} has {shown}, and the whole month has {month.rows:,}"
            return not_yet(text, "the script must not remove rows; an excerpt is not enough: `make data`")
    return passed(f"the bucket has both months, {Q3_ROWS:,} rows")


def load_yellow(facts: Facts) -> Finding:
    """Looks for the rows of question 3."""
    verdicts = [verdict for table in facts.tables or () if (verdict := _judge(table))]
    right = [table for table, problem in verdicts if not problem]
    failed = failed_run(facts)
    if not right:
        hint = "run your deployment with the months 2 and 3 of 2019, into an empty table"
        if verdicts:
            return not_yet(verdicts[0][1], hint)
        return failed or not_yet(f"no table in BigQuery has rows of {Q3[0]} and {Q3[1]}", hint)
    own = list(facts.own_runs())
    months = {month.rows for month in Q3}
    if right[0].name in PLATFORM_TABLES:  # the main job fills it, too, so a printed total alone proves nothing
        own = [run for run in own if months <= run.numbers or loads_bigquery(run, facts)]
        if not own:
            text = f"{right[0].name} has {Q3_ROWS:,} rows, but the platform's own flow loaded them"
            return failed or not_yet(text, "load them with a deployment of your own, into a table of yours")
    printed = [run for run in own if Q3_ROWS in run.numbers or months <= run.numbers]
    for run in printed:
        if run.deployment_id:
            return passed(f"{right[0].name} has {Q3_ROWS:,} rows, and {describe_run(run, facts)} processed them")
    start = f"{right[0].name} has {Q3_ROWS:,} rows, but "
    if printed:
        text = f"{start}{describe_run(printed[0], facts)} was started as a script"
        return not_yet(text, "build a deployment of the flow and run that: `prefect deployment build ... -a`")
    hint = "print the total in the flow, with `@flow(log_prints=True)`, and run the deployment again"
    return failed or not_yet(f"{start}no run of a deployment of yours has printed that number", hint)


def _judge(table: Table) -> tuple[Table, str] | None:
    """Returns the table with what is wrong with it, empty if nothing is; None if it has none of these rows."""
    if table.by_file:
        counts = [table.by_file.get(csv_name(month.color, *_year_month(month)), 0) for month in Q3]
    else:
        counts = [table.by_month.get(month.month, 0) for month in Q3]
    total = sum(counts) if table.by_file or table.rows != Q3_ROWS else table.rows
    start = f"table {table.name} has "
    if not total:
        return None
    if _is(total, Q3_ROWS):
        return table, ""
    if _is(total, 2 * Q3_ROWS):
        return table, f"{start}{total:,} rows of these months: {Q3_ROWS:,} twice; each run has added them again"
    for month in Q3:
        if _is(total, month.rows):
            return table, f"{start}{total:,} rows: that is {month} alone"
    return table, f"{start}{total:,} rows of {Q3[0]} and {Q3[1]}, and the two files have {Q3_ROWS:,}"


def _is(count: int, expected: int) -> bool:
    """Returns whether they are equal, but for trips that are dated outside their months."""
    return abs(count - expected) <= OUTSIDE_ITS_MONTH * expected


def _year_month(month: Month) -> tuple[int, int]:
    year, _, number = month.month.partition("-")
    return int(year), int(number)


def has_github_block(facts: Facts) -> Finding:
    """Looks for a block that names a repository."""
    found = [block for block in facts.blocks or () if block.kind in GITHUB]
    if found:
        return passed(f"block {found[0].kind}/{found[0].name} exists")
    text = "Orion has no block of type GitHub"
    return not_yet(text, 'make one: `GitHub(repository="https://github.com/USER/REPO.git").save("NAME")`')


def _from_github(facts: Facts) -> Iterator[Deployment]:
    return (deployment for deployment in facts.own_deployments() if deployment.storage in GITHUB)


def has_github_deployment(facts: Facts) -> Finding:
    """Looks for a deployment whose code comes from GitHub."""
    for deployment in _from_github(facts):
        return passed(f"deployment {deployment.name} takes its code from GitHub")
    hint = "use `prefect deployment build FILE.py:FLOW -n NAME -sb github/BLOCK -a`"
    for deployment in facts.own_deployments():
        place = f"a block of type {deployment.storage}" if deployment.storage else f"the folder {deployment.path}"
        return not_yet(f"deployment {deployment.name} takes its code from {place}, not from GitHub", hint)
    return not_yet("there is no deployment of yours", hint)


def _is_from_github(facts: Facts, run: Run) -> bool:
    return run.deployment_id in {deployment.id for deployment in _from_github(facts)}


def load_from_github(facts: Facts) -> Finding:
    """Looks for the rows of question 4."""
    return find_month(facts, Q4, lambda run: _is_from_github(facts, run), "your deployment from GitHub")


def has_notification(facts: Facts) -> Finding:
    """Looks for the notification of question 5."""
    problem = "Orion has no notification"
    for notification in facts.notifications or ():
        states = [state.lower() for state in notification.states]
        if states and "completed" not in states:
            problem = f"the notification is for state {', '.join(notification.states)}: a run that completes sends none"
        elif not notification.is_active:
            problem = "the notification for completed runs is paused"
        else:
            return passed("a notification for completed runs is active")
    return not_yet(problem, "make one in Orion under Notifications for state Completed, or with `python week2/tell.py`")


def load_with_notification(facts: Facts) -> Finding:
    """Looks for the rows of question 5, and whether the run can have sent a message."""
    since = min((each.created for each in facts.notifications or ()), default=None)
    found = find_month(facts, Q5, lambda run: _is_from_github(facts, run), "your deployment from GitHub")
    if not found.is_passed or not since:
        return found
    told = find_month(facts, Q5, lambda run: _is_from_github(facts, run) and run.end > since, "your deployment")
    if told.is_passed:
        return told
    return not_yet(f"{found.rationale}, but before the notification existed", "run the deployment once more")


def has_secret(facts: Facts) -> Finding:
    """Looks for the secret of question 6."""
    secrets = [block for block in facts.blocks or () if block.kind == "secret"]
    for block in secrets:
        if block.length == SECRET_LENGTH:
            shown = "Orion shows it as ********: 8 asterisks, however long it is"
            return passed(f"secret {block.name} has {SECRET_LENGTH} characters; {shown}")
    hint = f"make a block of type Secret in Orion, with a value of {SECRET_LENGTH} digits"
    if secrets:
        shown = ", ".join(f"secret {block.name} has {block.length} characters" for block in secrets)
        return not_yet(f"{shown}, and the question asks for {SECRET_LENGTH}", hint)
    return not_yet("Orion has no block of type Secret", hint)


def _check(
    name: str, title: str, why: str, sources: tuple[str, ...], look: Callable[[Facts], Finding], *needs: str
) -> Check:
    number = name[1]
    commands = COMMANDS.get(name, ())
    return Check(
        name, f"Question {number}: {title}", HOMEWORK, f"question-{number}", why, commands, sources, look, needs
    )


COMMANDS = {
    "q3-files": ("$ make run-etl COLOR=yellow YEAR=2019 MONTHS=2,3",),
}
CHECKS = (
    _check("q1", "load green 2020-01", "How many rows does the file have?", (ORION, BUCKET), load_green),
    _check("q2", "the first of every month, 5:00 UTC", "Which cron schedule is that?", (ORION,), has_cron),
    _check("q3-files", "both months in the bucket", "Yellow, February and March 2019.", (BUCKET,), has_yellow_files),
    _check("q3", "to BigQuery", "How many rows did your flow process?", (ORION, BIGQUERY), load_yellow, "q3-files"),
    _check("q4-block", "a GitHub block", "It names your repository.", (ORION,), has_github_block),
    _check(
        "q4-deployment",
        "a deployment from GitHub",
        "Its runs fetch the code themselves.",
        (ORION,),
        has_github_deployment,
        "q4-block",
    ),
    _check(
        "q4", "load green 2020-11", "How many rows were processed?", (ORION, BUCKET), load_from_github, "q4-deployment"
    ),
    _check("q5-notification", "a notification", "For runs that complete.", (ORION,), has_notification),
    _check(
        "q5",
        "load green 2019-04",
        "How many rows were processed?",
        (ORION, BUCKET),
        load_with_notification,
        "q4-deployment",
        "q5-notification",
    ),
    _check("q6", "a secret of 10 digits", "How many asterisks does Orion show?", (ORION,), has_secret),
)
"""A check comes after those that it needs."""

"""The course's commands, typed into `make shell` unchanged."""

from __future__ import annotations

import pytest

from tests.conftest import Answer
from tests.e2e.course.conftest import CutOff

UNTIL = "bash /workspace/until.sh"
SCRIPT = """
set -m  # or the program would ignore Ctrl-C
text=$1; shift
"$@" >/tmp/printed 2>&1 &
timeout 60 sh -c 'until grep -qF "$0" /tmp/printed; do sleep 0.2; done' "$text"
kill -INT $!
timeout 30 tail --pid=$! -f /dev/null || kill -KILL $!
wait $!
code=$?
cat /tmp/printed
exit $code
"""
"""Runs a program until it has printed a text, and ends it as Ctrl-C does."""

# What is typed, and a part of what must be answered
WORDS = {
    "prefect version": "Server type:         server",
    "prefect orion start": "Orion is already running: http://localhost:",
    f"{UNTIL} http://127.0.0.1:4201 prefect orion start --port 4201 || true": "http://127.0.0.1:4201",
    "prefect block register -m prefect_gcp": "Successfully registered",
    "prefect block ls": "gcs-bucket/zoom-gcs",
    "prefect block type ls": "gcp-credentials",
    "prefect profile ls": "default",
    'prefect config set PREFECT_API_URL="http://127.0.0.1:4200/api"': "Set 'PREFECT_API_URL'",
    "unset PREFECT_API_URL && prefect block ls | cat": "zoom-gcs",
    "PREFECT_API_URL=http://localhost:4200/api prefect block ls": "zoom-gcs",
    "python ingest_data.py": "Finished in state Completed",
    f"{UNTIL} 'Agent started!' prefect agent start --work-queue default": "Agent started!",
    "docker image ls || true": "in a terminal of your own machine",
    "docker image build -t me/flows . || true": "in a terminal of your own machine",
}


@pytest.fixture(scope="module")
def answers(cut_off: CutOff) -> dict[str, Answer]:
    """All the answers, from one shell."""
    (cut_off.root / "workspace" / "until.sh").write_text(SCRIPT)
    return {answer.command: answer for answer in cut_off.shell(*WORDS)}


@pytest.mark.parametrize("command", WORDS)
def test_the_command_works_as_the_course_describes(answers: dict[str, Answer], command: str) -> None:
    answer = answers[command]
    assert WORDS[command] in answer.output, answer.output
    assert answer.code == 0, answer.output
    assert "has been deprecated" not in answer.output


def test_building_and_applying_works_from_both_folders(cut_off: CutOff) -> None:
    name = "Parameterized ETL"
    edit = 's/^parameters: .*/parameters: {"color": "yellow", "year": 2021, "months": [2, 3]}/'
    typed = cut_off.shell(
        f'prefect deployment delete "etl-parent-flow/{name}"',
        f'prefect deployment build ./parameterized_flow.py:etl_parent_flow -n "{name}"',
        f"sed -i '{edit}' etl_parent_flow-deployment.yaml",
        "prefect deployment apply etl_parent_flow-deployment.yaml",
        "cd /workspace/taxi && prefect deployment build flows/deployments/parameterized_flow.py:etl_parent_flow"
        ' -n etl2 --cron "0 5 1 * *" --timezone Europe/Berlin -a',
        folder="/workspace/taxi/flows/deployments",
    )
    assert [answer.code for answer in typed] == [0] * 5, typed
    inside, top = (cut_off.orion.call(f"deployments/name/etl-parent-flow/{n}") for n in ("Parameterized%20ETL", "etl2"))
    assert inside["parameters"] == {"color": "yellow", "year": 2021, "months": [2, 3]}
    assert inside["path"] == "/workspace/taxi/flows/deployments"
    assert (top["path"], top["work_queue_name"]) == ("/workspace/taxi", "default")
    assert top["schedules"][0]["schedule"] == {"cron": "0 5 1 * *", "timezone": "Europe/Berlin", "day_or": True}


def test_the_platform_s_next_start_leaves_a_student_s_deployment_alone(cut_off: CutOff) -> None:
    def deployed() -> list[object]:
        found = cut_off.orion.call("deployments/name/etl-parent-flow/Parameterized%20ETL")
        return [found[key] for key in ("path", "entrypoint", "parameters")]

    before = deployed()
    cut_off.make("up")
    assert deployed() == before
    assert before[0] == "/workspace/taxi/flows/deployments"

"""Homework: deployed from GitHub, with a secret and a message to the chat."""

from datetime import timedelta
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.system import Secret
from prefect.orion.schemas.states import Completed
from prefect.tasks import task_input_hash


@task(cache_key_fn=task_input_hash, cache_expiration=timedelta(days=1))
def write(fare: float) -> Path:
    path = Path("data/green/fare.txt")
    path.write_text(str(fare))
    return path


@task
def share(tip: float, path: Path) -> float:
    return round(100 * tip / float(path.read_text()), 1)


@flow(name="Tips", log_prints=True)
def tips(fare: float = 20.0) -> object:
    print(f"a tip of {share(3, write(fare))} percent")
    get_run_logger().info("the secret has %s letters", len(Secret.load("course-secret").get()))
    SlackWebhook.load("class-chat").notify("tips are counted")
    return Completed(message="counted")

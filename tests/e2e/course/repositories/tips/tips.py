"""Homework: deployed from GitHub, with a secret and a message to the chat."""

from prefect import flow, get_run_logger, task
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.system import Secret
from prefect.orion.schemas.states import Completed


@task
def share(tip: float, fare: float) -> float:
    return round(100 * tip / fare, 1)


@flow(name="Tips", log_prints=True)
def tips(fare: float = 20.0) -> object:
    print(f"a tip of {share(3, fare)} percent")
    get_run_logger().info("the secret has %s letters", len(Secret.load("course-secret").get()))
    SlackWebhook.load("class-chat").notify("tips are counted")
    return Completed(message="counted")

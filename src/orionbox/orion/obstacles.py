"""What a student may have set in Orion so that no run starts: paused queues, limits of 0, replaced deployments.

None of it is a fault of a service. Each is described in a line with the command that undoes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from orionbox.orion.client import ApiError, Json, Orion
from orionbox.orion.names import DEPLOYMENTS, POOL, QUEUE, TAG, has_platform_code

IN_SHELL = "in make shell: "
"""Where Prefect's commands are: not in every terminal."""


class Question(NamedTuple):
    """A request to Orion: a GET, or a POST if it has a body."""

    path: str
    body: Any = None


ABOUT_QUEUE = (Question(f"work_pools/{POOL}"), Question(f"work_pools/{POOL}/queues/filter", {}))
"""What `of_queue` needs the answers to, in its order."""
QUESTIONS = (
    *ABOUT_QUEUE,
    Question("concurrency_limits/filter", {}),
    Question("flow_runs/filter", {"flow_runs": {"state": {"name": {"any_": ["Late"]}}}}),
    Question("deployments/filter", {}),
    Question("flows/filter", {"flows": {"deployment": {"is_null_": False}}}),
)
"""What `describe` needs the answers to, in its order."""


def describe(
    pool: Json,
    queues: Iterable[Json],
    limits: Iterable[Json],
    late: Iterable[Json],
    deployments: Iterable[Json],
    flows: Iterable[Json],
) -> list[str]:
    """Returns a line for each setting that keeps runs from starting."""
    named = _with_names(deployments, flows)
    unqueued = (line for name, one in named for line in _unqueued(one, name))
    return [*of_queue(pool, queues), *_of_tags(limits), *_in_other_queues(late), *unqueued]


def replaced(deployments: Iterable[Json], flows: Iterable[Json]) -> list[str]:
    """Returns a line for each of the platform's deployments that a student has replaced, as the lesson says."""
    return [line for name, one in _with_names(deployments, flows) for line in _replaced(one, name)]


def _with_names(deployments: Iterable[Json], flows: Iterable[Json]) -> list[tuple[str, Json]]:
    names = {flow["id"]: flow["name"] for flow in flows}
    return [(f"{names.get(one['flow_id'], '')}/{one['name']}", one) for one in deployments]


def of_queue(pool: Json, queues: Iterable[Json]) -> list[str]:
    """Returns a line for each setting of the agent's queue, and of its work pool, that keeps all runs from starting."""
    queue = next((queue for queue in queues if queue["name"] == QUEUE), None)
    if queue is None:
        text = f"queue {QUEUE} was deleted; the agent makes a new one within seconds, then run: make up"
        return [*_of(pool, f"work pool {POOL}", f"work-pool {{}} {POOL}"), text]
    return [
        *_of(pool, f"work pool {POOL}", f"work-pool {{}} {POOL}"),
        *_of(queue, f"queue {QUEUE}", f"work-queue {{}} {QUEUE}"),
    ]


def _of(found: Json, title: str, command: str) -> Iterator[str]:
    if found["is_paused"]:
        yield f"{title} is paused; resume it {IN_SHELL}prefect {command.format('resume')}"
    if found["concurrency_limit"] == 0:
        clear = command.format("clear-concurrency-limit")
        yield f"{title} has the concurrency limit 0, so no run starts; remove it {IN_SHELL}prefect {clear}"


def _of_tags(limits: Iterable[Json]) -> Iterator[str]:
    for limit in limits:
        if limit["concurrency_limit"] == 0:
            command = f"prefect concurrency-limit delete {limit['tag']}"
            yield f"tag {limit['tag']} has the limit 0, so tasks with it never start; remove it {IN_SHELL}{command}"


def _in_other_queues(late: Iterable[Json]) -> Iterator[str]:
    """Yields a line for each queue with late runs that is not the agent's."""
    names = sorted({str(run["work_queue_name"]) for run in late if run["work_queue_name"] not in (None, QUEUE)})
    for name in names:
        command = f"prefect agent start -q '{name}'"
        yield (
            f"runs wait in queue {name}, and no agent takes them; start one {IN_SHELL}{command}, "
            f"or deploy the flow again with -q {QUEUE}"
        )


def _is_ours(deployment: Json) -> bool:
    return TAG in deployment["tags"] and has_platform_code(deployment["path"], deployment["storage_document_id"])


def _replaced(deployment: Json, name: str) -> Iterator[str]:
    if name in DEPLOYMENTS and not _is_ours(deployment):
        command = f"prefect deployment delete '{name}'"
        yield (
            f"deployment {name} is yours now, in place of the platform's; to get that one back, "
            f"give yours another name or delete it ({IN_SHELL}{command}), then run: make up"
        )


def _unqueued(deployment: Json, name: str) -> Iterator[str]:
    if not deployment.get("work_queue_name", QUEUE):
        fix = "connect it with: make up" if _is_ours(deployment) else f"deploy it again with the queue {QUEUE}"
        yield f"deployment {name} has no queue, because its queue was deleted, so nothing starts its runs; {fix}"


def find(orion: Orion, with_replaced: bool = False) -> list[str]:
    """Asks Orion; returns the lines of `describe`, or none if Orion does not answer: that is somebody else's to say.

    Args:
        orion: the client.
        with_replaced: whether to add the lines of `replaced`.
    """
    try:
        answers = [orion.call(*question) for question in QUESTIONS]
        return [*describe(*answers), *(replaced(*answers[-2:]) if with_replaced else [])]
    except (ApiError, KeyError, TypeError):
        return []


def find_for_run(orion: Orion, name: str) -> list[str]:
    """Asks Orion; returns a line for each setting that keeps a run of a deployment, `flow/name`, from starting.

    Raises:
        ApiError: Orion does not answer, or has no such deployment.
    """
    deployment = orion.deployment(name)
    own = [*_replaced(deployment, name), *_unqueued(deployment, name)]
    return [*own, *of_queue(*(orion.call(*question) for question in ABOUT_QUEUE))]

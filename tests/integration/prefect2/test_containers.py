"""The container of a run, whatever its block asks for; Docker is a stand-in."""

from __future__ import annotations

import asyncio
import warnings
from types import SimpleNamespace
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what Prefect imports
    from prefect.infrastructure import Process, process
    from prefect.infrastructure.container import DockerContainer
    from prefect.utilities import processutils

    from orionbox.prefect2 import agents, containers, endings

pytestmark = pytest.mark.filterwarnings(r"ignore:prefect\..* has been deprecated", "ignore:.*has been deprecated")

ENVIRONMENT = {
    "RUN_IMAGE": "orionbox/flows:1",
    "RUN_NETWORK": "box",
    "RUN_VOLUMES": "/box/flows:/opt/prefect/flows:ro\n/box/workspace:/workspace\nbox_results:/var/lib/prefect",
    "PREFECT_API_URL": "http://orion:4200/api",
    "ORION_API_URL": "http://orion:4200/api",
    "STORAGE_EMULATOR_HOST": "http://gcs:4443",
    "CLOUD_STORAGE_EMULATOR_ENDPOINT": "http://gcs:4443",
    "BIGQUERY_EMULATOR_HOST": "http://bigquery:9050",
    "GCP_PROJECT": "local",
    "HTTPS_PROXY": "",
    "OTHER": "not a run's business",
}
FACTS = containers.Facts.from_environment(ENVIRONMENT)
ADDRESSES = {name: ENVIRONMENT[name] for name in containers.ADDRESSES}
RUN = {endings.RUN_ID: "4f2a"}


class Docker:
    """A Docker client that keeps the options of a container, and lets it end at once.

    Args:
        exit_code: how it ends.
        was_killed: whether the kernel ended it, because it took too much memory.
    """

    def __init__(self, exit_code: int = 0, was_killed: bool = False) -> None:
        state = {"ExitCode": exit_code, "OOMKilled": was_killed}
        self.attrs = {"State": state, "HostConfig": {"Memory": 2_000_000_000}}
        self.options: dict[str, Any] = {}
        self.removed = False
        self.containers = SimpleNamespace(create=self.create, get=lambda name: self)
        self.id, self.name, self.status = "0a1b", "teal-otter", "created"

    def create(self, **options: Any) -> Docker:
        self.options = options
        return self

    def logs(self, stream: bool) -> list[bytes]:
        return [b"one\ntw", b"o\n", b"\xff three"]

    def remove(self) -> None:
        self.removed = True

    def version(self) -> dict[str, str]:
        return {"Version": "27.0.0"}

    def start(self) -> None: ...

    close = wait = reload = start


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Starts a block's container; returns its options, and what the run's log says."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    monkeypatch.setattr(endings, "log_to_run", lambda environment, text, level=0: said.append(text))

    def start(**fields: Any) -> tuple[dict[str, Any], list[str]]:
        block = DockerContainer(**{"command": ["python", "-m", "prefect.engine"], **fields})
        docker = Docker()
        monkeypatch.setattr(DockerContainer, "_get_client", lambda self: docker)
        containers.create_and_start(block)
        return docker.options, said

    return start


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"image": "someone/prefect:zoom", "image_pull_policy": "ALWAYS", "auto_remove": True},
        {"image": "orionbox/flows:0.1.0", "image_pull_policy": "IF_NOT_PRESENT"},
        {"image": "orionbox/flows:1", "network_mode": "host"},
        {"image": "orionbox/flows:1", "networks": ["bridge", "other"]},
        {"env": {"MY_SETTING": "1"}},
        {"env": {name: None for name in ADDRESSES}},
        {"env": {"STORAGE_EMULATOR_HOST": "http://localhost:4443", "PREFECT_API_URL": "http://127.0.0.1:4200/api"}},
        {"volumes": ["/box/workspace:/workspace/", "/home/me:/me"]},
    ],
)
def test_every_container_has_the_facts_of_the_platform(started: Any, fields: dict[str, Any]) -> None:
    options, _ = started(**fields)
    assert (options["image"], options["network"], options["network_mode"]) == ("orionbox/flows:1", "box", None)
    assert options["environment"].items() >= {**ADDRESSES, "GCP_PROJECT": "local"}.items()
    assert "OTHER" not in options["environment"] and "HTTPS_PROXY" not in options["environment"]
    assert options["volumes"][:3] == ENVIRONMENT["RUN_VOLUMES"].splitlines()
    assert len({containers.target(volume) for volume in options["volumes"]}) == len(options["volumes"])
    assert options["command"] == ["python", "-m", "prefect.engine"]


def test_what_a_block_adds_stays(started: Any) -> None:
    fields = {"env": {"MY_SETTING": "1", "GCP_PROJECT": "mine"}, "volumes": ["/home/me:/me"], "mem_limit": "100m"}
    options, said = started(image="orionbox/flows:1", command=["true"], labels={"a": "b"}, **fields)
    assert options["environment"].items() >= {"MY_SETTING": "1", "GCP_PROJECT": "mine"}.items()
    assert options["volumes"][3:] == ["/home/me:/me"] and options["mem_limit"] == "100m"
    assert options["command"] == ["true"] and options["labels"]["a"] == "b" and said == []


def test_the_run_s_log_says_what_it_has_instead(started: Any) -> None:
    _, said = started(image="someone/prefect:zoom", network_mode="host", env={"STORAGE_EMULATOR_HOST": "http://x"})
    assert said == [
        "image someone/prefect:zoom: not used, because this platform neither pulls nor builds images for runs; "
        "the run has the platform's image, orionbox/flows:1, and your files at the same path",
        "network host: not used; the run is on the platform's network, box",
        "STORAGE_EMULATOR_HOST=http://x: not used; it stays http://gcs:4443, where this platform's service is",
    ]


def test_the_run_s_log_names_what_it_may_only_read(started: Any) -> None:
    asked = [
        "/box/flows:/mine",
        "/box/flows/:/ours:rw",
        "/box/flows:/r:ro",
        "/box/workspace:/w",
        "/box/flows:/workspace",
    ]
    _, said = started(image="orionbox/flows:1", volumes=asked)
    assert said == [
        "/box/flows:/mine: mounted read-only, because runs may not write to it",
        "/box/flows/:/ours:rw: mounted read-only, because runs may not write to it",
    ]


@pytest.mark.parametrize(
    ("docker", "ending"),
    [
        (Docker(), endings.Ending("", "")),
        (Docker(1), endings.Ending("", "one\ntwo\n\ufffd three")),
        (
            Docker(137, was_killed=True),
            endings.Ending(
                "memory ran out: the run needed more than 2000 MB (mem_limit of its block, or RUN_MEMORY in .env)",
                "one\ntwo\n\ufffd three",
            ),
        ),
    ],
    ids=["well", "with an error", "out of memory"],
)
def test_the_end_of_a_container_is_noted_before_it_is_removed(docker: Docker, ending: endings.Ending) -> None:
    assert list(containers.watch(DockerContainer(env=RUN), docker, "0a1b")) == [docker, docker]
    assert endings.take("4f2a") == ending and docker.removed
    assert endings.take("4f2a") == endings.Ending("", ""), "it is taken once"


class Refused(Exception):
    """Docker's error, as docker-py raises it."""

    def __init__(self, explanation: str) -> None:
        super().__init__(f"403 Client Error for http+docker://x: Forbidden ({explanation!r})")
        self.explanation = explanation


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            Refused("docker-proxy: refused: HostConfig: Binds: '/me' is neither an allowed folder nor ..."),
            ("'/me' is neither", "put files into workspace/"),
        ),
        (Refused("docker-proxy: refused: HostConfig: Privileged is not allowed"), ("Privileged", "docs/trust.md")),
        (Refused("No such image: orionbox/flows:1"), ("orionbox/flows:1; build it with: make up",)),
        (RuntimeError("Could not connect to Docker."), ("make status",)),
        (Refused("Minimum memory limit allowed is 6MB"), ("RUN_MEMORY in .env",)),
        (Refused('exec: "nonsense": executable file not found in $PATH'), ("leave the block's command empty",)),
        (ValueError("Docker container cannot be run with empty command."), ("empty command",)),
        (ValueError(), ("ValueError",)),
        (KeyError("nofield"), ("the field 'nofield', which its block does not have",)),
    ],
)
def test_a_run_that_could_not_be_started_says_why_and_what_to_do(error: Exception, words: tuple[str, ...]) -> None:
    text = agents.describe("Flow run could not be submitted to infrastructure", endings.Ending("", ""), error)
    assert text.startswith("Flow run could not be submitted to infrastructure: ")
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("code", "ending", "words"),
    [
        (
            137,
            endings.Ending("", ""),
            "status code 137: it was killed: memory ran out (RUN_MEMORY in .env is its limit), or",
        ),
        (137, endings.Ending("memory ran out", ""), "status code 137: memory ran out"),
        (-9, endings.Ending("", ""), "status code -9: it was killed"),
        (1, endings.Ending("", "output"), "status code 1."),
    ],
)
def test_an_exit_code_is_explained(code: int, ending: endings.Ending, words: str) -> None:
    message = f"Flow run infrastructure exited with non-zero status code {code}."
    assert words in agents.describe(message, ending, None)


class Agent:
    """What our agents need of Prefect's, with a run that is pending."""

    def __init__(self, kind: str = "docker-container", is_final: bool = False) -> None:
        self.kind = kind
        self.said: list[str] = []
        state = SimpleNamespace(is_final=lambda: is_final, is_cancelling=lambda: False)

        async def read_flow_run(run_id: str) -> Any:
            return SimpleNamespace(state=state)

        self.client = SimpleNamespace(read_flow_run=read_flow_run)

    async def get_infrastructure(self, flow_run: Any) -> Any:
        return SimpleNamespace(type=self.kind)

    async def _propose_crashed_state(self, flow_run: Any, message: str) -> None:
        self.said.append(message)

    async def _propose_failed_state(self, flow_run: Any, exc: Exception) -> None:
        self.said.append(str(exc))


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Our agent's class, whose lines for runs' logs go to its own list."""
    monkeypatch.setenv("RUN_VOLUMES", ENVIRONMENT["RUN_VOLUMES"])
    adapted = type("Adapted", (Agent,), {})
    agents.adapt_agents(SimpleNamespace(PrefectAgent=adapted))  # type: ignore[arg-type]
    return adapted


def test_the_reason_of_an_agent_reaches_the_state_and_the_log(agent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(endings, "log_to_run", lambda environment, text, level=0: logged.append(text))
    subject, run = agent(), SimpleNamespace(id="4f2a")

    async def submit() -> None:
        try:
            raise Refused("No such image: orionbox/flows:1")
        except Refused:
            await subject._propose_crashed_state(run, "Flow run could not be submitted to infrastructure")

    asyncio.run(submit())
    assert subject.said == logged and "No such image" in logged[0]
    tail = endings.Tail()
    tail.add("ModuleNotFoundError: No module named 'wrong'\n")
    endings.note(RUN, "", tail)
    asyncio.run(subject._propose_crashed_state(run, "Flow run infrastructure exited with non-zero status code 1."))
    assert logged[2:] == ["The last lines of its output:\nModuleNotFoundError: No module named 'wrong'"]


def test_a_run_that_has_reported_its_end_gets_no_second_report(agent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "log_to_run", lambda *_, **__: pytest.fail("its log is complete"))
    subject = agent(is_final=True)
    asyncio.run(subject._propose_crashed_state(SimpleNamespace(id="1"), "exited with non-zero status code 1."))


@pytest.mark.parametrize(
    ("kind", "volumes", "words"),
    [
        ("kubernetes-job", "x", "starts no kubernetes-job; deploy the flow with the block docker-container/zoom"),
        ("cloud-run-job", "", "starts no cloud-run-job; deploy the flow with the block process/agent"),
        ("docker-container", "", "without Docker .* starts no docker-container; deploy .* the block process/agent"),
    ],
)
def test_infrastructure_that_is_not_here_is_refused(
    agent: Any, monkeypatch: pytest.MonkeyPatch, kind: str, volumes: str, words: str
) -> None:
    monkeypatch.setenv("RUN_VOLUMES", volumes)
    with pytest.raises(agents.UnsupportedInfrastructureError, match=words):
        asyncio.run(agent(kind).get_infrastructure(None))


@pytest.mark.parametrize(("kind", "volumes"), [("process", ""), ("process", "x"), ("docker-container", "x")])
def test_infrastructure_that_is_here_is_used(
    agent: Any, monkeypatch: pytest.MonkeyPatch, kind: str, volumes: str
) -> None:
    monkeypatch.setenv("RUN_VOLUMES", volumes)
    assert asyncio.run(agent(kind).get_infrastructure(None)).type == kind


def test_a_process_keeps_the_addresses_and_notes_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "run_process", process.run_process)
    monkeypatch.setattr(processutils, "TextReceiveStream", processutils.TextReceiveStream)
    monkeypatch.setattr(Process, "_get_environment_variables", Process._get_environment_variables)
    for name, value in ADDRESSES.items():
        monkeypatch.setenv(name, value)
    agents.adapt_processes()
    env = {**RUN, "STORAGE_EMULATOR_HOST": "http://elsewhere", "MINE": "1"}
    script = "printf '\\377'; echo $STORAGE_EMULATOR_HOST $MINE; exit 3"
    result = Process(command=["sh", "-c", script], env=env, stream_output=False).run()
    assert result.status_code == 3
    assert endings.take("4f2a").output == "\ufffdhttp://gcs:4443 1"


def test_only_the_end_of_a_long_output_is_kept() -> None:
    tail = endings.Tail()
    for number in range(100):
        tail.add(f"{number}\n")
    assert str(tail).splitlines() == [str(number) for number in range(81, 100)]

"""Makes agents tell Orion why a run could not be started, or how its program ended. Prefect keeps that in their log.

compose/flow.env names this module in PREFECT_EXTRA_ENTRYPOINTS, so Prefect imports it as the last step of its own
import.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from functools import partial, wraps
from types import ModuleType
from typing import Any

import prefect.infrastructure.process as processes
import prefect.utilities.processutils as processutils
from prefect.infrastructure.process import Process

from orionbox.old_libraries.after_import import AfterImport
from orionbox.prefect2 import containers, endings

TYPES = ("docker-container", "process")
BLOCKS = {True: "docker-container/zoom (containers) or process/agent (processes)", False: "process/agent (processes)"}
"""The blocks that start runs here: with Docker, and without."""
STATUS_CODE = re.compile(r"non-zero status code (-?\d+)")
SIGNALS = {
    137: "it was killed: memory ran out (RUN_MEMORY in .env is its limit), or somebody stopped it",
    -9: "it was killed: memory ran out (RUN_MEMORY in .env is its limit), or somebody stopped it",
    143: "it was stopped from outside",
    -15: "it was stopped from outside",
    139: "a library crashed (segmentation fault)",
    -11: "a library crashed (segmentation fault)",
    127: "there is no such command: leave the block's command empty",
    126: "its command cannot be executed: leave the block's command empty",
}
"""What exit codes mean: 128 and the signal's number for a container, the negative number for a process."""
FIXES = (
    (r"is neither a", "a run can mount nothing more: put files into workspace/, which it has as /workspace"),
    (r"docker-proxy: refused", "leave this option out of the block; docs/trust.md has what a run may ask for"),
    (r"No such image", "build it with: make up"),
    (r"does not answer|Could not connect to Docker|Connection", "look at the services with: make status"),
    (r"emory", "leave the block's memory limit empty; RUN_MEMORY in .env is the limit of every run"),
    (r"executable file not found|[Nn]o such file", "leave the block's command empty"),
)
"""What to do, by Docker's words."""


class UnsupportedInfrastructureError(ValueError):
    """A deployment names an infrastructure that this platform does not have."""


def explain(error: BaseException) -> str:
    """Returns why a run could not be started, and what to do."""
    if isinstance(error, KeyError):
        return f"an override of the deployment names the field {error}, which its block does not have; leave it out"
    text = str(getattr(error, "explanation", "") or error) or type(error).__name__
    fix = next((fix for pattern, fix in FIXES if re.search(pattern, text)), "")
    return f"{text}; {fix}" if fix else text


def describe(message: str, ending: endings.Ending, error: BaseException | None) -> str:
    """Returns a message of Prefect's about a run that was crashed, with the reason.

    Args:
        message: Prefect's.
        ending: how the run's program ended.
        error: what happened when the run was submitted.
    """
    if error:
        return f"{message}: {explain(error)}"
    found = STATUS_CODE.search(message)
    reason = ending.reason or (SIGNALS.get(int(found[1]), "") if found else "")
    return f"{message.rstrip('.')}: {reason}" if reason else message


def refuse_unsupported(kind: str) -> None:
    """Refuses infrastructure that this platform does not have.

    Raises:
        UnsupportedInfrastructureError: it is not a container or a process, or there is no Docker.
    """
    has_docker = bool(os.environ.get("RUN_VOLUMES"))
    if kind not in TYPES or (kind == "docker-container" and not has_docker):
        platform = "this platform" if kind not in TYPES else "a platform without Docker (RUNTIME=embedded)"
        raise UnsupportedInfrastructureError(
            f"{platform} starts no {kind}; deploy the flow with the block {BLOCKS[has_docker]}"
        )


def adapt_agents(module: ModuleType) -> None:
    """Makes the agents of Prefect's module write reasons into Orion."""
    agent = module.PrefectAgent
    get_infrastructure, propose_crashed, propose_failed = (
        agent.get_infrastructure,
        agent._propose_crashed_state,
        agent._propose_failed_state,
    )

    @wraps(get_infrastructure)
    async def get_supported_infrastructure(self: Any, flow_run: Any) -> Any:
        infrastructure = await get_infrastructure(self, flow_run)
        refuse_unsupported(infrastructure.type)
        return infrastructure

    @wraps(propose_crashed)
    async def propose_crashed_with_reason(self: Any, flow_run: Any, message: str) -> None:
        ending = endings.take(str(flow_run.id))
        text = describe(message, ending, sys.exc_info()[1])
        run = await self.client.read_flow_run(flow_run.id)
        if run.state and not run.state.is_final() and not run.state.is_cancelling():
            tell = partial(endings.log_to_run, {endings.RUN_ID: str(flow_run.id)}, level=logging.ERROR)
            tell(text)
            if ending.output:
                tell(f"The last lines of its output:\n{ending.output}")
        await propose_crashed(self, flow_run, text)

    @wraps(propose_failed)
    async def propose_failed_with_log(self: Any, flow_run: Any, exc: Exception) -> None:
        endings.log_to_run({endings.RUN_ID: str(flow_run.id)}, f"Submission failed: {explain(exc)}", logging.ERROR)
        await propose_failed(self, flow_run, exc)

    agent.get_infrastructure = get_supported_infrastructure
    agent._propose_crashed_state = propose_crashed_with_reason
    agent._propose_failed_state = propose_failed_with_log


class Sink:
    """A stream that remembers the last lines that pass through it.

    Args:
        stream: where everything goes.
        tail: takes the lines.
    """

    def __init__(self, stream: Any, tail: endings.Tail) -> None:
        self._stream, self._tail = stream, tail

    def write(self, text: str) -> None:
        """Takes a piece of text."""
        self._stream.write(self._tail.add(text))

    def flush(self) -> None:
        """Passes it on at once."""
        self._stream.flush()


def adapt_processes() -> None:
    """Makes runs that are processes keep the platform's addresses, and notes how they end."""
    run_process, variables = processes.run_process, Process._get_environment_variables
    addresses = {name: os.environ[name] for name in containers.ADDRESSES if os.environ.get(name)}

    @wraps(run_process)
    async def run_and_note(command: Any, stream_output: Any = True, env: Any = None, **options: Any) -> Any:
        tail = endings.Tail()
        sinks = (Sink(sys.stdout, tail), Sink(sys.stderr, tail))
        process = await run_process(command, stream_output=sinks, env=env, **options)
        if process.returncode:
            endings.note(env or {}, "", tail)
        return process

    @wraps(variables)
    def with_addresses(self: Process, *args: Any, **options: Any) -> dict[str, str]:
        return {**variables(self, *args, **options), **addresses}

    processutils.TextReceiveStream = partial(processutils.TextReceiveStream, errors="replace")
    processes.run_process = run_and_note
    Process._get_environment_variables = with_addresses


def install() -> None:
    """Adapts containers and processes now, and agents when they are imported; elsewhere than here, nothing."""
    if "ORION_API_URL" not in os.environ:
        return
    containers.install()
    adapt_processes()
    sys.meta_path.insert(0, AfterImport({"prefect.agent": adapt_agents}))

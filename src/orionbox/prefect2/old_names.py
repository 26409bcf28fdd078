"""Makes Prefect 2.20 run the 2023 course material, written for Prefect 2.7, and read what Orionbox 0.1.0 has stored.

compose/flow.env names this module in PREFECT_EXTRA_ENTRYPOINTS, so Prefect imports it as the last step of its own
import. Nothing else refers to it: to remove it, delete this file, its test, and its name in that line.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import prefect.deployments
import prefect.engine
from prefect import Flow
from prefect._internal.compatibility.deprecated import DEPRECATED_MODULE_ALIASES, PrefectDeprecationWarning
from prefect.deployments import Deployment
from prefect.settings import PREFECT_API_URL, PREFECT_LOCAL_STORAGE_PATH
from prefect.utilities.importtools import AliasedModuleDefinition

import orionbox.trips
from orionbox.old_libraries.after_import import AfterImport
from orionbox.prefect2 import buckets

MOVED = {
    "prefect.infrastructure.docker": "prefect.infrastructure.container",
    "prefect.orion.schemas.schedules": "prefect.client.schemas.schedules",
    "prefect.orion.schemas.states": "prefect.states",
    "prefect.orion": "prefect.server",
    # Of Orionbox 0.1.0: a student's flow imports the first, and a stored result names its class by the second
    "orionbox.cluster": "orionbox.prefect2.dask",
    "orionbox.report": "orionbox.runs.report",
}
"""The old and the new names of modules, longer ones first."""
MONTHS = "orionbox.trips.months"
"""The successor of module `orionbox.trips` of Orionbox 0.1.0, which is a package now."""
DATA_FOLDERS = ("data/yellow", "data/green")
"""The course's repository has these folders, so its flows write there without creating them."""
THIS_MACHINE = {"127.0.0.1", "localhost", "0.0.0.0", "host.docker.internal"}


# --- where flows run ---


def make_data_folders() -> None:
    """Creates the folders that the course's flows write to, if this process may."""
    if os.access(".", os.W_OK):
        for folder in DATA_FOLDERS:
            Path(folder).mkdir(parents=True, exist_ok=True)


def use_writable_folder(folder: str | None) -> None:
    """Makes `folder` the working directory if it exists and is writable; else another writable folder.

    Prefect copies a deployment's folder to the working directory, unless the two are the same. A student's own folder
    must not be copied: what one run leaves in it, the next one expects to find.
    """
    if folder and os.access(folder, os.W_OK):
        os.chdir(folder)
    elif not os.access(".", os.W_OK) and Path.cwd() != Path(folder or "/"):
        os.chdir(tempfile.mkdtemp())


def share_data_folder() -> None:
    """Gives all runs in new folders the same data folder: a cached task may return a path in it."""
    shared = PREFECT_LOCAL_STORAGE_PATH.value() / "data"
    if os.access(".", os.W_OK) and not Path("data").exists():
        shared.mkdir(parents=True, exist_ok=True)
        Path("data").symlink_to(shared)


def loading_in_place(load: Callable[..., Any]) -> Callable[..., Any]:
    """Makes Prefect's engine load a flow run's code without copying it."""

    @wraps(load)
    async def load_in_place(flow_run: Any, client: Any, **options: Any) -> Any:
        deployment = await client.read_deployment(flow_run.deployment_id)
        use_writable_folder(None if deployment.storage_document_id else deployment.path)
        flow = await load(flow_run, client=client, **options)
        if str(Path.cwd()) != deployment.path:
            share_data_folder()
        make_data_folders()
        return flow

    return load_in_place


def with_data_folders(call: Callable[..., Any]) -> Callable[..., Any]:
    """Creates the data folders before a flow is called."""

    @wraps(call)
    def call_with_data_folders(*args: Any, **kwargs: Any) -> Any:
        make_data_folders()
        return call(*args, **kwargs)

    return call_with_data_folders


def default_path_to_here(build: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a deployment without storage use this folder, also in containers, which see it at the same path.

    Prefect itself would choose /opt/prefect/flows for containers, where students would have to copy their flows.
    """

    @wraps(build)
    def build_from_here(*args: Any, **options: Any) -> Any:
        if not options.get("storage") and not options.get("path"):
            options["path"] = str(Path.cwd())
        return build(*args, **options)

    return build_from_here


# --- where Orion is ---


def platform_api(settings: Any, url: str | None) -> str | None:
    """Replaces port 4200 of this machine, which in a container is the container itself, by the platform's API."""
    platform, parts = os.environ.get("ORION_API_URL"), urlsplit(url or "")
    return platform if platform and parts.hostname in THIS_MACHINE and parts.port == 4200 else url


# --- changes of modules after their import, so that `import prefect` does not import them ---


def without_deprecation_messages(types: ModuleType) -> None:
    """Removes the messages that the commands of agents and deployments are deprecated."""
    types.with_deprecated_message = lambda message: lambda command: command  # type: ignore[attr-defined]


def _free_port() -> int:
    """Returns the first port from 4201 on that nothing listens on."""
    for port in range(4201, 4300):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    return 4201


def add_orion_commands(server: ModuleType) -> None:
    """Adds `prefect orion` as an alias of `prefect server`; `start` without a port says where Orion is running."""
    import click
    from prefect.cli.root import app
    from prefect.settings import PREFECT_UI_URL

    def unless_running(start: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(start)
        def start_unless_running(*args: Any, **options: Any) -> Any:
            source = click.get_current_context().get_parameter_source("port")
            if "ORION_API_URL" not in os.environ or source is not click.core.ParameterSource.DEFAULT:
                return start(*args, **options)
            app.console.print(f"Orion is already running: {PREFECT_UI_URL.value()}, API {PREFECT_API_URL.value()}")
            app.console.print(f"To start another one in this shell only: prefect orion start --port {_free_port()}")

        return start_unless_running

    for command in server.server_app.registered_commands:
        if command.callback.__name__ == "start":
            command.callback = unless_running(command.callback)
    app.add_typer(server.server_app, name="orion")


def without_login(cloud: ModuleType) -> None:
    """Makes `prefect cloud login` say that the platform's own Orion needs none."""
    from prefect.cli.root import app

    def say_instead(login: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(login)
        def say_unless_elsewhere(*args: Any, **options: Any) -> Any:
            if "ORION_API_URL" not in os.environ:
                return login(*args, **options)
            app.console.print(
                f"No login and no account are needed: {PREFECT_API_URL.value()} is the platform's own Orion"
            )

        return say_unless_elsewhere

    for command in cloud.cloud_app.registered_commands:
        if command.callback.__name__ == "login":
            command.callback = say_instead(command.callback)


# --- classes of Orionbox 0.1.0 ---


def class_of_0_1(name: str) -> Any:
    """Returns the object that module `orionbox.trips` had under this name, for results that a run of 0.1.0 stored.

    Raises:
        AttributeError: the module had no such name.
    """
    return getattr(importlib.import_module(MONTHS), name)


def install() -> None:
    """Installs all compatibility patches."""
    vars(orionbox.trips)["__getattr__"] = class_of_0_1  # Python asks it for names that the package does not have
    warnings.filterwarnings("ignore", category=PrefectDeprecationWarning)
    # `deployment build --cron` logs its own warning
    logging.getLogger("prefect.deployments").addFilter(lambda record: "has been deprecated" not in record.getMessage())
    for old, new in MOVED.items():
        DEPRECATED_MODULE_ALIASES.append(AliasedModuleDefinition(old, new, None))
    PREFECT_API_URL.value_callback = platform_api
    load = loading_in_place(prefect.deployments.load_flow_from_flow_run)
    # `python -m prefect.engine` runs as `__main__` and imports the function from prefect.deployments;
    # everything else uses the copy in the module prefect.engine
    prefect.deployments.load_flow_from_flow_run = prefect.engine.load_flow_from_flow_run = load
    Flow.__call__ = with_data_folders(Flow.__call__)
    Deployment.build_from_flow = default_path_to_here(Deployment.build_from_flow)
    changes = {
        "prefect.cli._types": without_deprecation_messages,
        "prefect.cli.server": add_orion_commands,
        "prefect.cli.cloud": without_login,
        "prefect_gcp.cloud_storage": buckets.correct_folders,
    }
    sys.meta_path.insert(0, AfterImport(changes))

"""What the course of 2023 says to Prefect 2.7, understood by Prefect 2.20.

compose/flow.env names this module in PREFECT_EXTRA_ENTRYPOINTS, so Prefect imports it as the last step of its own
import. Nothing else refers to it: to be rid of it, delete this file, its test, and that one line.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
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

MOVED = {
    "prefect.infrastructure.docker": "prefect.infrastructure.container",
    "prefect.orion.schemas.schedules": "prefect.client.schemas.schedules",
    "prefect.orion.schemas.states": "prefect.states",
    "prefect.orion": "prefect.server",
}
"""Modules' names of then and of now, the longer ones first."""
DATA_FOLDERS = ("data/yellow", "data/green")
"""The course's repository has them, so its flows write there without making them."""
THIS_MACHINE = {"127.0.0.1", "localhost", "0.0.0.0", "host.docker.internal"}


# --- where flows run ---


def make_data_folders() -> None:
    """Makes the folders that the course's flows write to, where this process may."""
    if os.access(".", os.W_OK):
        for folder in DATA_FOLDERS:
            Path(folder).mkdir(parents=True, exist_ok=True)


def enter(folder: str | None) -> None:
    """Makes `folder` the working directory if it is there and writable; else one that is writable.

    Prefect copies a deployment's folder to the working directory, unless it is that. A student's own folder is not
    to be copied: what one run leaves in it, the next one expects to find.
    """
    if folder and os.access(folder, os.W_OK):
        os.chdir(folder)
    elif not os.access(".", os.W_OK) and Path.cwd() != Path(folder or "/"):
        os.chdir(tempfile.mkdtemp())


def keep_data() -> None:
    """Gives runs in fresh folders one data folder: what a cached task returns may be a path in it."""
    kept = PREFECT_LOCAL_STORAGE_PATH.value() / "data"
    if os.access(".", os.W_OK) and not Path("data").exists():
        kept.mkdir(parents=True, exist_ok=True)
        Path("data").symlink_to(kept)


def loading_in_place(load: Callable[..., Any]) -> Callable[..., Any]:
    """Makes Prefect's engine load a flow run's code where it lies."""

    @wraps(load)
    async def load_in_place(flow_run: Any, client: Any, **options: Any) -> Any:
        deployment = await client.read_deployment(flow_run.deployment_id)
        enter(None if deployment.storage_document_id else deployment.path)
        flow = await load(flow_run, client=client, **options)
        if str(Path.cwd()) != deployment.path:
            keep_data()
        make_data_folders()
        return flow

    return load_in_place


def with_data_folders(call: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a flow that is called find the data folders."""

    @wraps(call)
    def call_with_data_folders(*args: Any, **kwargs: Any) -> Any:
        make_data_folders()
        return call(*args, **kwargs)

    return call_with_data_folders


def from_here(build: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a deployment without storage one of this very folder, for containers too: they see it at the same path.

    Prefect's own choice for them is /opt/prefect/flows, where then one had to copy the flows to in an image.
    """

    @wraps(build)
    def build_from_here(*args: Any, **options: Any) -> Any:
        if not options.get("storage") and not options.get("path"):
            options["path"] = str(Path.cwd())
        return build(*args, **options)

    return build_from_here


# --- where Orion is ---


def platform_api(settings: Any, url: str | None) -> str | None:
    """The platform's API in place of port 4200 of this machine, which inside a container is the container itself."""
    platform, parts = os.environ.get("ORION_API_URL"), urlsplit(url or "")
    return platform if platform and parts.hostname in THIS_MACHINE and parts.port == 4200 else url


# --- modules that are changed once they are imported, so that `import prefect` does not have to import them ---


def without_deprecation_messages(types: ModuleType) -> None:
    """Lets the commands of agents and deployments run without a word about their end."""
    types.with_deprecated_message = lambda message: lambda command: command  # type: ignore[attr-defined]


def add_orion_commands(server: ModuleType) -> None:
    """Gives `prefect server` its old name; `start` says where Orion is already, unless it is given a port."""
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
            app.console.print("To start another one, in this shell only: prefect orion start --port 4201")

        return start_unless_running

    for command in server.server_app.registered_commands:
        if command.callback.__name__ == "start":
            command.callback = unless_running(command.callback)
    app.add_typer(server.server_app, name="orion")


def make_parent_folders(cloud_storage: ModuleType) -> None:
    """Lets `GcsBucket.get_directory` fetch one object, data/yellow/x.parquet say, into a folder without data/yellow."""
    task = cloud_storage.cloud_storage_download_blob_to_file
    download = task.fn

    @wraps(download)
    async def download_into_folder(bucket: str, blob: str, path: str | Path, *args: Any, **options: Any) -> Any:
        target = Path(path, blob) if os.path.isdir(path) else Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        return await download(bucket, blob, path, *args, **options)

    task.fn = download_into_folder


class AfterImport(MetaPathFinder):
    """Changes modules right after they have been imported."""

    def __init__(self, changes: dict[str, Callable[[ModuleType], None]]) -> None:
        self.changes = changes

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Finds a module that is to be changed; all others are for the next finder."""
        change = self.changes.pop(name, None)
        spec = find_spec(name) if change else None
        if not change or not spec or not spec.loader:
            return None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Gives the old names and manners back."""
    warnings.filterwarnings("ignore", category=PrefectDeprecationWarning)
    # `deployment build --cron` has a warning of its own
    logging.getLogger("prefect.deployments").addFilter(lambda record: "has been deprecated" not in record.getMessage())
    for old, new in MOVED.items():
        DEPRECATED_MODULE_ALIASES.append(AliasedModuleDefinition(old, new, None))
    PREFECT_API_URL.value_callback = platform_api
    load = loading_in_place(prefect.deployments.load_flow_from_flow_run)
    # A run is started with `python -m prefect.engine`, which imports the name from the one while it is not the other
    prefect.deployments.load_flow_from_flow_run = prefect.engine.load_flow_from_flow_run = load
    Flow.__call__ = with_data_folders(Flow.__call__)
    Deployment.build_from_flow = from_here(Deployment.build_from_flow)
    changes = {
        "prefect.cli._types": without_deprecation_messages,
        "prefect.cli.server": add_orion_commands,
        "prefect_gcp.cloud_storage": make_parent_folders,
    }
    sys.meta_path.insert(0, AfterImport(changes))

"""The dev container and the workflow on GitHub."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from cli.settings import env_file
from orionbox.services import SERVICES
from tests.conftest import ROOT

OPTIONAL = {"DASK_PORT"}


def test_the_dev_container_forwards_the_ports_that_make_up_prints() -> None:
    text = (ROOT / ".devcontainer/devcontainer.json").read_text()
    settings: dict[str, Any] = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    ports = env_file.parse(ROOT / ".env.example")
    shown = {service.port: service.title for service in SERVICES if service.address and service.port not in OPTIONAL}
    assert set(settings["forwardPorts"]) == {int(ports[port]) for port in shown}
    labels = {port: attributes["label"] for port, attributes in settings["portsAttributes"].items()}
    assert labels == {ports[port]: name for port, name in shown.items()}
    assert (ROOT / ".devcontainer" / settings["build"]["dockerfile"]).is_file()


def test_the_workflow_on_github_runs_what_ci_runs() -> None:
    (workflow,) = (ROOT / ".github/workflows").glob("*.yaml")
    (job,) = yaml.safe_load(workflow.read_text())["jobs"].values()
    assert job["steps"][-1]["run"].endswith(".ci/run")
    assert (ROOT / ".ci/run").stat().st_mode & 0o111

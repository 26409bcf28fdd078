"""Schemas of parameters and times that would stop Orion, with Prefect's own classes and one Orion in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT

PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
from services.orion import door
door.create_app()
from prefect.server.api.deployments import ValidationError, validate
from prefect.server.schemas.actions import DeploymentCreate
schema, parameters = json.loads(sys.argv[1])
try:
    validate(parameters, schema, raise_on_error=True)
except ValidationError as error:
    print(error)
print(len(validate(parameters, schema)), "errors")
try:
    checked = {"parameters": parameters, "parameter_openapi_schema": schema, "enforce_parameter_schema": True}
    DeploymentCreate(name="x", flow_id="0" * 32, **checked)
except ValueError as error:
    print("deployment:", str(error).splitlines()[-1])
"""


def check(schema: dict[str, Any], parameters: dict[str, Any]) -> list[str]:
    """What Orion's server says of parameters, in a process of its own, whose libraries it changes."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([schema, parameters])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def of(kind: dict[str, Any]) -> dict[str, Any]:
    """A schema with one parameter."""
    return {"type": "object", "properties": {"a": kind}}


def test_a_pattern_that_takes_for_ever_is_an_error_of_the_parameters() -> None:
    first, count, deployment = check(of({"type": "string", "pattern": "^(a+)+$"}), {"a": "a" * 60 + "!"})
    assert "more than 2 seconds" in first and "simplify its patterns" in first
    assert count == "1 errors" and "more than 2 seconds" in deployment


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x.json", "file:///etc/hostname", "other.json"])
def test_no_other_document_is_fetched(address: str) -> None:
    first, count, deployment = check(of({"$ref": address}), {"a": 1})
    assert "refers to another document" in first and count == "1 errors" and "another document" in deployment


def test_every_other_schema_is_checked_as_before() -> None:
    schema = {**of({"$ref": "#/$defs/one"}), "$defs": {"one": {"type": "integer"}}}
    assert check(schema, {"a": 1}) == ["0 errors"]
    first, count, deployment = check(schema, {"a": "x"})
    assert "'x' is not of type 'integer'" in first and count == "1 errors" and "'integer'" in deployment

"""Whose a deployment is: the platform's, which `make up` brings up to date, or a student's, which stays."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what Prefect imports
    from services.bootstrap.deployments import belongs_to_user

OURS: dict[str, Any] = {
    "path": "/opt/prefect/flows",
    "storage_document_id": None,
    "parameters": {},
    "schedules": [],
    "tags": ["orionbox"],
}
BEFORE_TAGS = {**OURS, "tags": []}
ELSEWHERE = {**OURS, "path": "/home/ada/orionbox/services/flows/flows"}
MINE = {**OURS, "path": "/workspace"}
"""As `prefect deployment build` makes it: with the tags of the one that it replaces."""


@pytest.mark.parametrize(
    ("found", "is_theirs"),
    [
        (OURS, False),
        (BEFORE_TAGS, False),
        (ELSEWHERE, False),
        ({**OURS, "schedules": ["daily"]}, False),
        (MINE, True),
        ({**MINE, "path": None}, True),
        ({**OURS, "path": None, "storage_document_id": "github"}, True),
        ({**BEFORE_TAGS, "parameters": {"months": [1]}}, True),
    ],
)
def test_a_deployment_is_a_student_s_if_its_code_is(found: dict[str, Any], is_theirs: bool) -> None:
    assert belongs_to_user(SimpleNamespace(**found)) is is_theirs

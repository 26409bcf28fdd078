"""The form of an IAM policy: its version, its roles, its members and its conditions.

https://cloud.google.com/storage/docs/json_api/v1/buckets/setIamPolicy and
https://cloud.google.com/iam/docs/reference/rest/v1/Policy
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from services.gcs.errors import invalid

VERSIONS = (0, 1, 3)
CONDITIONAL = 3
"""The version of a policy with conditions (https://cloud.google.com/iam/docs/policies#versions)."""
ROLE = re.compile(r"((projects|organizations)/[^/\s]+/)?roles/[A-Za-z0-9_.]+")
MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|(user|serviceAccount|group|domain|project(Owner|Editor|Viewer)):[^\s:]\S*"
    r"|(principal|principalSet|principalHierarchy)://\S+|deleted:\S+"
)
"""https://cloud.google.com/iam/docs/principal-identifiers; those of deleted principals have a `?uid=` behind them."""
PERMISSION = re.compile(r"storage\.[A-Za-z]+\.[A-Za-z]+")
"""https://cloud.google.com/storage/docs/access-control/iam-permissions"""

Bindings = list[dict[str, Any]]


def read_policy(given: Mapping[str, Any]) -> tuple[int, Bindings]:
    """Return version and bindings of a policy that a client sends; bindings of nobody are left out."""
    version = given.get("version")
    version = 1 if version is None else version
    if type(version) is not int or version not in VERSIONS:
        raise invalid(f"Invalid value for version: {str(version)[:100]} is not one of 0, 1 and 3.", "version")
    bindings = given.get("bindings")
    if bindings is not None and not isinstance(bindings, list):
        raise invalid("Invalid value for field 'bindings'", "bindings")
    found = [_read_binding(each) for each in bindings or []]
    return version, [each for each in found if each["members"]]


def require_version(version: int, bindings: Bindings) -> None:
    """Refuse a policy with conditions in a version that has none."""
    if has_conditions(bindings) and version < CONDITIONAL:
        raise invalid("The version of a policy with conditional role bindings must be at least 3.", "version")


def _read_binding(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise invalid("Invalid value for field 'bindings': each must be an object", "bindings")
    role, members, condition = given.get("role"), given.get("members"), given.get("condition")
    if not isinstance(role, str) or not ROLE.fullmatch(role):
        raise invalid(f"Invalid value for bindings[].role: {str(role)[:200]}", "bindings.role")
    if not isinstance(members, list):
        raise invalid(f"Invalid value for bindings[].members of {role}: it must be a list", "bindings.members")
    for member in members:
        if not isinstance(member, str) or not MEMBER.fullmatch(member):
            raise invalid(f"Invalid value for bindings[].members: {str(member)[:200]}", "bindings.members")
    found = {name: value for name, value in given.items() if name != "condition"}
    return found if condition is None else {**found, "condition": _read_condition(condition)}


def _read_condition(given: Any) -> dict[str, Any]:
    """Return the condition of a binding (https://cloud.google.com/iam/docs/conditions-overview#structure)."""
    if not isinstance(given, dict):
        raise invalid("Invalid value for bindings[].condition: it must be an object", "bindings.condition")
    for name in ("expression", "title", "description"):
        value = given.get(name)
        if not isinstance(value, str | None) or (not value and name != "description"):
            raise invalid(f"Invalid value for bindings[].condition.{name}: {str(value)[:200]}", "bindings.condition")
    return given


def has_conditions(bindings: Bindings) -> bool:
    """Return whether a policy has conditional role bindings."""
    return any("condition" in each for each in bindings)


def as_requested(policy: dict[str, Any], version: str | None) -> dict[str, Any]:
    """Return a policy in the version that a client asks for with `optionsRequestedPolicyVersion`.

    Google refuses to answer with conditions in a version that has none:
    https://cloud.google.com/storage/docs/json_api/v1/buckets/getIamPolicy
    """
    parameter = "optionsRequestedPolicyVersion"
    if version not in (None, "1", "3"):
        raise invalid(f"Invalid value for {parameter}: {str(version)[:100]} is neither 1 nor 3.", parameter)
    if version == str(CONDITIONAL):
        return policy
    if has_conditions(policy["bindings"]):
        raise invalid(f"The policy has conditional role bindings, so {parameter} must be at least 3.", parameter)
    return {**policy, "version": min(policy["version"], 1)}


def check_permissions(names: Sequence[str]) -> None:
    """Refuse what is no permission of Cloud Storage."""
    for name in names:
        if not PERMISSION.fullmatch(name):
            raise invalid(f"Invalid value for permissions: {name[:200]}", "permissions")

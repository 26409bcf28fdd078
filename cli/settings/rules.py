"""Validation rules of the settings."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from cli.environments import inherited
from orionbox.errors import BadInputError, did_you_mean


@dataclass(frozen=True)
class Rule:
    """What a value must be; `pattern` is a regular expression for all of it."""

    pattern: str
    expected: str
    """What the value must be, for a message that begins with "not"."""
    fix: str
    extra_check: Callable[[str], bool] = lambda value: True
    is_secret: bool = False
    """Whether no message may show the value."""

    def allows(self, value: str) -> bool:
        """Returns whether the value matches the rule."""
        return bool(re.fullmatch(self.pattern, value, re.ASCII)) and self.extra_check(value)


def _is_ipv4(value: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(value))
    except ValueError:
        return False


PORT = Rule(r"[1-9]\d{0,4}", "a port", "use a number from 1 to 65535, like 4200", lambda value: int(value) < 65536)
SIZE = Rule(r"[1-9]\d{0,5}[mg]", "a size of memory", "use for example 512m or 2g")
NUMBER = Rule(r"\d{1,10}", "a number", "delete the line, and the next command finds the right one")
# Used unquoted in addresses and in SQL
PASSWORD = Rule(
    r"[\w.~-]{1,128}",
    "a password that fits into an address",
    "use letters, digits and . _ ~ - only",
    is_secret=True,
)
# Protects the platform from other machines
LONG_PASSWORD = Rule(
    r"[\w.~-]{16,128}",
    "a password of 16 to 128 characters",
    "use letters, digits and . _ ~ - only",
    is_secret=True,
)
RULES = {
    "COMPOSE_PROJECT_NAME": Rule(
        r"[a-z0-9][a-z0-9_-]{0,62}", "a name for Docker", "use a-z, 0-9, _ and -, like orionbox2"
    ),
    "ORION_DB_PASSWORD": PASSWORD,
    "WAREHOUSE_DB_PASSWORD": PASSWORD,
    "BIND_ADDRESS": Rule(
        r"[0-9.]+",
        "an IPv4 address",
        "use 127.0.0.1 for this machine alone, one of its own addresses for others too, or 0.0.0.0 for all",
        _is_ipv4,
    ),
    "ALLOWED_HOSTS": Rule(
        r"[\w.-]{1,253}(,\s*[\w.-]{1,253}){0,19}",
        "a list of host names",
        "use names without ports, like ALLOWED_HOSTS=orion.example.org,lab7",
    ),
    "GATEWAY_PASSWORD": LONG_PASSWORD,
    "GCP_PROJECT": Rule(r"[a-zA-Z0-9][\w:.-]{0,62}", "the name of a project", "use for example orionbox-local"),
    "CLOUD": Rule("emulators|gcp", "a cloud", "use one of emulators, gcp"),
    # https://cloud.google.com/storage/docs/buckets#naming
    "GCP_BUCKET": Rule(
        r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]",
        "the name of a bucket",
        "use 3 to 63 of a-z, 0-9, -, _ and ., like ada-taxi-data",
    ),
    "GCP_KEY_FILE": Rule(r"\S(.*\S)?", "the name of a file", "use for example secrets/my-google-key.json"),
    "CREATE_BUCKETS": Rule("yes|no", "yes or no", "use CREATE_BUCKETS=yes or CREATE_BUCKETS=no"),
    "SHARE_PROJECTS": Rule("yes|no", "yes or no", "use SHARE_PROJECTS=yes or SHARE_PROJECTS=no"),
    "FLOWS_UID": NUMBER,
    "FLOWS_GID": NUMBER,
    "DOCKER_GID": NUMBER,
    "RUN_MEMORY": SIZE,
    "GENERATED_ROWS": Rule("[1-9][0-9]{0,8}", "a number of rows", "use for example 100000, or nothing for all rows"),
    "INTERNET": Rule("offline|real", "a kind of internet", "use one of offline, real"),
    "TASK_RUNNER": Rule("threads|dask", "a task runner", "use one of threads, dask"),
    "WORKERS": Rule("[1-9][0-9]?", "a number of workers", "use 1 to 99, like WORKERS=2"),
    "WORKER_MEMORY": SIZE,
    "DASK_SCHEDULER_ADDRESS": Rule(
        r"(tcp|tls|ws|wss)://\S+:\d+", "the address of a scheduler", "use for example tcp://dask-scheduler:8786"
    ),
}
FOR_DOCKER = ("COMPOSE_", "DOCKER_", "BUILDKIT_")
"""Prefixes of Docker's own variables, which may be in .env; cli/environments/ says which have an effect."""


def find_rule(name: str) -> Rule | None:
    """Returns the rule of a setting; None if any value is allowed."""
    return PORT if name.endswith("_PORT") else RULES.get(name)


def require_known(stored: Collection[str], known: Collection[str]) -> None:
    """Refuses a setting in .env that does not exist.

    Raises:
        BadInputError: the first such setting, and the one that was probably meant.
    """
    for name in stored:
        if name in inherited.MISLEADING:
            raise BadInputError(
                f"{name} in .env: Orionbox uses its own compose files, services and images",
                "delete the line; changes of services go into compose.override.yaml",
            )
        if name in known or name.startswith(FOR_DOCKER):
            continue
        hint = did_you_mean(name, known)
        fix = "" if hint else "delete the line; .env.example has all settings"
        raise BadInputError(f"unknown setting {name} in .env{hint}", fix)


def require_valid(name: str, value: str, where: str) -> None:
    """Refuses a value that breaks its setting's rule.

    Args:
        name: the setting.
        value: what it is set to; empty is allowed, and means the default.
        where: where it was set, for the message.

    Raises:
        BadInputError: the value breaks the rule; a password is not shown.
    """
    rule = find_rule(name)
    if value and rule and not rule.allows(value):
        shown = "…" if rule.is_secret else value
        raise BadInputError(f"{where}={shown}: not {rule.expected}", rule.fix)

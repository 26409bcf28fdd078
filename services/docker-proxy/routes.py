"""The calls that the agent may make to Docker: pure functions and one table, no I/O.

ROUTES lists the calls that pass; all others are refused. No call is forwarded as it came: the proxy makes a new one
from what the table knows of it. rules.py has the options that a new container may have.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from rules import (
    RUN_LABEL,
    Json,
    Policy,
    Refused,
    as_is,
    as_list,
    as_object,
    check_fields,
    check_image,
    harden,
    read_only_notes,
)

MOST_RUNS = 50  # containers of one platform's runs, running or not; the agent removes those that have ended
MOST_OF_ONE_RUN = 8  # containers of one flow run; those without a flow run count as one run's


@dataclass(frozen=True)
class Allowed:
    """A call that the proxy makes to the engine in the client's place.

    `refs` are the `container` and the `network` that it names. Before the call, the proxy asks the engine whether they
    are the platform's (`check_ours`), and `with_full_ids` replaces them by their full ids. `creates` marks the call
    that makes one more container (`check_room`); `notes` say what it gets otherwise than it was asked for.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Json | None = None
    refs: dict[str, str] = field(default_factory=dict)
    creates: bool = False
    notes: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """Path and query as they go on the wire."""
        return quote(self.path) + ("?" + urlencode(self.query) if self.query else "")


Step = Callable[[Allowed, Json, Policy], Allowed]


def without_body(call: Allowed, asked: Json, policy: Policy) -> Allowed:
    """Pass the call on without a body: no call but `create` and `connect` needs one."""
    return call


def create(call: Allowed, asked: Json, policy: Policy) -> Allowed:
    """Harden the container and give it a name that cannot be a service's: names are addresses on the network."""
    prefix = f"{policy.project}-run-"
    query = {key: prefix + name.removeprefix("/").removeprefix(prefix) for key, name in call.query.items()}
    return replace(
        call, query=query, body=harden(asked, policy), creates=True, notes=tuple(read_only_notes(asked, policy))
    )


def connect(call: Allowed, asked: Json, policy: Policy) -> Allowed:
    """Connect a flow run's container, without options: an alias could take a service's name."""
    sent = check_fields(asked, {"Container": as_is}, policy)
    name = sent.get("Container")
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise Refused(f"Container: {name!r} is not a container's name")
    return replace(call, body={"Container": "{container}"}, refs={**call.refs, "container": name})


def inspect_own_image(call: Allowed, asked: Json, policy: Policy) -> Allowed:
    """Show one of the platform's images."""
    name = check_image(call.refs["image"], policy)
    return replace(call, path=call.path.replace("{image}", name), refs={})


def list_own_networks(call: Allowed, asked: Json, policy: Policy) -> Allowed:
    """List the platform's network; the engine takes the name as a regular expression."""
    return _filtered(call, {"name": [f"^{re.escape(policy.network)}$"]})


def list_own_runs(call: Allowed, asked: Json, policy: Policy) -> Allowed:
    """List flow runs' containers: the client's filters may narrow the list, never widen it."""
    filters = parse(call.query.get("filters", "").encode())
    narrowing = check_fields(filters, dict.fromkeys(("id", "name", "status", "label"), _texts), policy)
    return _filtered(call, narrowing | {"label": narrowing.get("label", []) + _own_labels(policy)})


def list_all_runs(policy: Policy) -> Allowed:
    """List the containers that `check_room` counts."""
    return _filtered(Allowed("GET", "/containers/json", {"all": "1"}), {"label": _own_labels(policy)})


def check_room(containers: Sequence[Json], asked: Json) -> None:
    """Refuse one container more than the platform, or one flow run, may have.

    `containers` are those that there are, as Docker lists them, and `asked` is the body that makes one more.
    """
    if len(containers) >= MOST_RUNS:
        raise Refused(f"this platform has {len(containers)} containers of runs, as many as it may; wait for an end")
    run = (asked.get("Labels") or {}).get(RUN_LABEL)
    same = [container for container in containers if (container["Labels"] or {}).get(RUN_LABEL) == run]
    if len(same) >= MOST_OF_ONE_RUN:
        raise Refused(f"this run has {len(same)} containers, as many as it may; wait for an end, or remove some")


def _own_labels(policy: Policy) -> list[str]:
    return [f"{name}={value}" for name, value in policy.labels.items()]


def _filtered(call: Allowed, filters: Json) -> Allowed:
    return replace(call, query=call.query | {"filters": json.dumps(filters)})


# All that Prefect's agent and the sweeper need: method, path, step, query names.
ROUTES: tuple[tuple[str, str, Step, tuple[str, ...]], ...] = (
    ("GET", "/_ping", without_body, ()),
    ("HEAD", "/_ping", without_body, ()),
    ("GET", "/version", without_body, ()),
    ("GET", "/images/{image}/json", inspect_own_image, ()),
    ("GET", "/containers/json", list_own_runs, ("all", "limit", "size", "trunc_cmd", "filters")),
    ("POST", "/containers/create", create, ("name",)),
    ("GET", "/containers/{container}/json", without_body, ()),
    (
        "GET",
        "/containers/{container}/logs",
        without_body,
        ("follow", "stdout", "stderr", "timestamps", "tail", "since"),
    ),
    ("POST", "/containers/{container}/start", without_body, ()),
    ("POST", "/containers/{container}/stop", without_body, ("t",)),
    ("POST", "/containers/{container}/kill", without_body, ("signal",)),
    ("POST", "/containers/{container}/wait", without_body, ("condition",)),
    ("DELETE", "/containers/{container}", without_body, ("v", "force")),
    ("GET", "/networks", list_own_networks, ()),
    ("GET", "/networks/{network}", without_body, ()),
    ("POST", "/networks/{network}/connect", connect, ()),
)

# Names as the engine gives them out: without a slash, and without a dot in front, so that none is a path.
NAME = "[a-zA-Z0-9][a-zA-Z0-9_.-]*"
VERSION = r"(?P<version>/v1\.[0-9]{1,3})?"


def decide(method: str, target: str, raw: bytes, policy: Policy) -> Allowed:
    """Turn a request (its target as it came, `path?query`) into the call to make. Raises Refused."""
    raw_path, _, raw_query = target.partition("?")
    path = unquote(raw_path)
    for route_method, pattern, step, names in ROUTES:
        match = re.fullmatch(VERSION + _expression(pattern), path) if method == route_method else None
        if match:
            refs = match.groupdict(default="")
            call = Allowed(method, refs.pop("version") + pattern, _query(raw_query, names), refs=refs)
            return step(call, parse(raw) if step in (create, connect) else {}, policy)
    if path.endswith("/images/create"):
        raise Refused("images are not pulled: the image must be on this machine; `make up` builds it")
    raise Refused(f"{method} {path} is not something a flow run needs")


def takes_body(method: str, target: str) -> bool:
    """Return whether a call has a body that counts; nothing reads those of others."""
    path = unquote(target.partition("?")[0])
    return any(
        step in (create, connect) and method == route_method and re.fullmatch(VERSION + _expression(pattern), path)
        for route_method, pattern, step, _ in ROUTES
    )


def check_ours(kind: str, found: Json, policy: Policy) -> str:
    """Return the full id of the object that Docker's inspect has found. Raises Refused if it is not the platform's."""
    if kind == "network" and found["Name"] != policy.network:
        raise Refused(f"network {found['Name']!r} is not {policy.network!r}")
    if kind == "container" and not policy.labels.items() <= (found["Config"]["Labels"] or {}).items():
        raise Refused("not a flow run's container")
    return str(found["Id"])


def with_full_ids(call: Allowed, ids: Mapping[str, str]) -> Allowed:
    """Name containers and networks by full id: a name, or the start of an id, might mean another one by now."""
    path, body = call.path, call.body
    for kind, full_id in ids.items():
        path = path.replace(f"{{{kind}}}", full_id)
    if body == {"Container": "{container}"}:
        body = {"Container": ids["container"]}
    return replace(call, path=path, body=body, refs={})


def parse(raw: bytes) -> Json:
    """Parse a JSON object (nothing counts as an empty one). Raises Refused; a key given twice is refused too."""
    try:
        return as_object(json.loads(raw or b"{}", object_pairs_hook=_without_duplicates))
    except (ValueError, RecursionError):
        raise Refused("not JSON") from None


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> Json:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Refused("a key is given twice")
    return fields


def _expression(pattern: str) -> str:
    named = re.sub(r"\{(container|network)\}", rf"(?P<\1>{NAME})", pattern)
    return named.replace("{image}", "(?P<image>.+)")


def _query(raw: str, names: tuple[str, ...]) -> dict[str, str]:
    sent = []
    for name, text in parse_qsl(raw):
        if name in names:
            sent.append((name, text))
        elif text not in ("{}", "False", "0"):  # what docker-py sends for nothing: `link=False`, `filters={}`
            raise Refused(f"query parameter {name!r} is not allowed")
    return _without_duplicates(sent)


def _texts(value: Any, policy: Policy) -> list[Any]:
    if not all(isinstance(text, str) for text in as_list(value)):
        raise Refused(f"{value!r} is not a list of texts")
    return as_list(value)

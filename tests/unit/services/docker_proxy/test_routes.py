"""Which calls the docker-proxy lets through, and whose containers and networks they may name."""

import json
from typing import Any

import pytest

from tests.unit.services.docker_proxy.loader import POLICY, decide, reason, routes, rules


@pytest.mark.parametrize(
    ("method", "target", "sent"),
    [
        ("GET", "/_ping", "/_ping"),
        ("HEAD", "/_ping", "/_ping"),
        ("GET", "/version", "/version"),
        ("GET", "/v1.41/version", "/v1.41/version"),
        ("GET", "/v1.41/images/orionbox/flows:1/json", "/v1.41/images/orionbox/flows%3A1/json"),
        ("GET", "/images/orionbox%2Fflows%3A1/json", "/images/orionbox/flows%3A1/json"),
        ("GET", "/containers/teal-otter/json", "/containers/FULL/json"),
        ("GET", "/containers/%74eal-otter/json", "/containers/FULL/json"),
        ("POST", "/v1.41/containers/0a1b/start", "/v1.41/containers/FULL/start"),
        ("POST", "/v1.41/containers/0a1b/stop?t=30", "/v1.41/containers/FULL/stop?t=30"),
        ("POST", "/containers/0a1b/kill?signal=TERM", "/containers/FULL/kill?signal=TERM"),
        ("POST", "/containers/0a1b/wait?condition=not-running", "/containers/FULL/wait?condition=not-running"),
        ("GET", "/containers/0a1b/logs?stderr=1&follow=1&tail=all", "/containers/FULL/logs?stderr=1&follow=1&tail=all"),
        ("DELETE", "/containers/0a1b?v=1&force=1", "/containers/FULL?v=1&force=1"),
        ("DELETE", "/containers/0a1b?v=True&link=False&force=True", "/containers/FULL?v=True&force=True"),
        ("POST", "/containers/0a1b/stop?t=0", "/containers/FULL/stop?t=0"),
        ("GET", "/networks/box", "/networks/NET"),
    ],
)
def test_calls_that_the_agent_needs_are_let_through(method: str, target: str, sent: str) -> None:
    assert routes.with_full_ids(decide(method, target), {"container": "FULL", "network": "NET"}).target == sent


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/containers/0a1b/exec"),
        ("POST", "/exec/0a1b/start"),
        ("POST", "/containers/0a1b/attach"),
        ("GET", "/containers/0a1b/attach/ws"),
        ("GET", "/containers/0a1b/archive"),
        ("PUT", "/containers/0a1b/archive"),
        ("GET", "/containers/0a1b/export"),
        ("POST", "/containers/0a1b/rename"),
        ("POST", "/containers/0a1b/update"),
        ("POST", "/containers/0a1b/restart"),
        ("POST", "/containers/prune"),
        ("POST", "/commit"),
        ("POST", "/build"),
        ("POST", "/session"),
        ("POST", "/grpc"),
        ("POST", "/auth"),
        ("GET", "/images/json"),
        ("POST", "/images/load"),
        ("POST", "/images/orionbox/flows:1/push"),
        ("POST", "/images/orionbox/flows:1/tag"),
        ("DELETE", "/images/orionbox/flows:1"),
        ("POST", "/networks/create"),
        ("DELETE", "/networks/box"),
        ("POST", "/networks/box/disconnect"),
        ("GET", "/volumes"),
        ("GET", "/info"),
        ("GET", "/events"),
        ("GET", "/system/df"),
        ("GET", "/secrets"),
        ("POST", "/swarm/init"),
        ("GET", "/plugins"),
        ("get", "/version"),
    ],
)
def test_calls_that_the_agent_does_not_need_are_refused(method: str, target: str) -> None:
    assert "not something a flow run needs" in reason(method, "/v1.41" + target)


@pytest.mark.parametrize(
    "target",
    [
        "//containers/0a1b/stop",
        "/containers//0a1b/stop",
        "/containers/0a1b/stop/",
        "/containers/../stop",
        "/containers/%2e%2e/stop",
        "/containers/x/../0a1b/stop",
        "/containers/x%2f0a1b/stop",
        "/containers/%252e/stop",
        "/containers/0a1b%00/stop",
        "/containers/0a1b/stop%0a",
        "/CONTAINERS/0a1b/stop",
        "/v1.41/v1.41/containers/0a1b/stop",
        "/v2/containers/0a1b/stop",
        "http://engine/containers/0a1b/stop",
    ],
)
def test_a_path_in_disguise_is_refused(target: str) -> None:
    assert "not something a flow run needs" in reason("POST", target)


@pytest.mark.parametrize(
    ("method", "target", "words"),
    [
        ("POST", "/images/create?fromImage=debian", "images are not pulled"),
        ("GET", "/images/debian:12/json", "image 'debian:12' is not one of"),
        ("GET", "/images/ORIONBOX/flows:1/json", "is not one of"),
        ("DELETE", "/containers/0a1b?link=1", "query parameter 'link'"),
        ("POST", "/containers/create?platform=x", "query parameter 'platform'"),
        ("POST", "/containers/0a1b/kill?signal=TERM&signal=KILL", "given twice"),
        ("GET", "/containers/json?filters=[]", "not an object"),
        ("GET", "/containers/json?filters=nonsense", "not JSON"),
        ("GET", "/containers/json?filters={%22volume%22:[%22x%22]}", "volume is not allowed"),
        ("GET", "/containers/json?filters={%22label%22:%22x%22}", "not a list"),
    ],
)
def test_a_refusal_names_its_reason(method: str, target: str, words: str) -> None:
    assert words in reason(method, target)


@pytest.mark.parametrize("raw", [b"[]", b"3", b"{", b"\xff", b'{"Image":"a","Image":"b"}', b"[" * 100_000])
def test_a_body_that_is_not_one_plain_object_is_refused(raw: bytes) -> None:
    reason("POST", "/containers/create", raw)


def filters(target: str) -> Any:
    return json.loads(decide("GET", target).query["filters"])


def test_lists_show_only_this_platform_s_objects() -> None:
    ours = ["orionbox.project=box", "orionbox.run=true"]
    assert filters("/containers/json?all=1") == {"label": ours}
    assert filters('/containers/json?filters={"label":["a"],"id":["b"]}') == {"label": ["a", *ours], "id": ["b"]}
    assert filters("/networks?filters={}") == {"name": ["^box$"]}
    everything = routes.list_all_runs(POLICY)
    assert everything.target.startswith("/containers/json?all=1&") and "orionbox.run%3Dtrue" in everything.target


def listed(*runs: str | None) -> Any:
    return [{"Id": "x", "Labels": {routes.RUN_LABEL: run} if run else None} for run in runs]


def test_a_platform_and_a_flow_run_may_have_so_many_containers() -> None:
    mine: Any = {"Labels": {routes.RUN_LABEL: "mine"}}
    unnamed: Any = {"Labels": {}}
    others = [str(number) for number in range(routes.MOST_RUNS)]
    routes.check_room(listed(*others[1:]), mine)
    with pytest.raises(rules.Refused, match="this platform has 50 containers of runs"):
        routes.check_room(listed(*others), mine)
    full = ["mine"] * routes.MOST_OF_ONE_RUN
    routes.check_room(listed(*full[1:], "other", None), mine)
    routes.check_room(listed(*full), unnamed)
    with pytest.raises(rules.Refused, match="this run has 8 containers"):
        routes.check_room(listed(*full), mine)
    with pytest.raises(rules.Refused, match="this run has 8 containers"):
        routes.check_room(listed(*[None] * routes.MOST_OF_ONE_RUN), unnamed)


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("POST", "/v1.41/containers/create?name=x", True),
        ("POST", "/networks/box/connect", True),
        ("POST", "/networks/%62ox/connect", True),
        ("POST", "/containers/0a1b/wait", False),
        ("GET", "/containers/create", False),
        ("POST", "/volumes/create", False),
        ("POST", "/images/create", False),
    ],
)
def test_a_body_is_read_where_it_counts(method: str, target: str, expected: bool) -> None:
    assert routes.takes_body(method, target) is expected


def inspected(**labels: str) -> Any:
    return {"Id": "FULL", "Config": {"Labels": {name.replace("_", "."): text for name, text in labels.items()}}}


def test_a_container_is_ours_when_it_bears_both_labels() -> None:
    found = inspected(orionbox_project="box", orionbox_run="true", other="x")
    assert routes.check_ours("container", found, POLICY) == "FULL"


@pytest.mark.parametrize(
    "found",
    [
        {"Id": "FULL", "Config": {"Labels": None}},
        inspected(),
        inspected(orionbox_run="true"),
        inspected(orionbox_project="box"),
        inspected(orionbox_project="other", orionbox_run="true"),
        inspected(orionbox_project="box", orionbox_run="yes"),
    ],
)
def test_any_other_container_is_refused(found: Any) -> None:
    with pytest.raises(rules.Refused, match="not a flow run's container"):
        routes.check_ours("container", found, POLICY)


def test_any_other_network_is_refused() -> None:
    assert routes.check_ours("network", {"Id": "NET", "Name": "box"}, POLICY) == "NET"
    with pytest.raises(rules.Refused, match="'bridge' is not 'box'"):
        routes.check_ours("network", {"Id": "X", "Name": "bridge"}, POLICY)


def test_connecting_asks_whose_both_are_and_names_them_by_full_id() -> None:
    call = decide("POST", "/v1.41/networks/box/connect", {"Container": "0a1b", "EndpointConfig": {}})
    assert call.refs == {"network": "box", "container": "0a1b"}
    sent = routes.with_full_ids(call, {"network": "NET", "container": "FULL"})
    assert (sent.target, sent.body) == ("/v1.41/networks/NET/connect", {"Container": "FULL"})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"Container": "0a1b", "EndpointConfig": {"Aliases": ["postgres"]}}, "EndpointConfig is not allowed"),
        ({"container": "0a1b"}, "container is not allowed"),
        ({"Container": "../x"}, "not a container's name"),
        ({"Container": 3}, "not a container's name"),
        ({}, "not a container's name"),
    ],
)
def test_connecting_otherwise_is_refused(body: Any, words: str) -> None:
    assert words in reason("POST", "/networks/box/connect", body)

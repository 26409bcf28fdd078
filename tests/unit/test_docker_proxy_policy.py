"""The docker-proxy's policy, loaded by path: services/docker-proxy is a program, not a package."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "services" / "docker-proxy" / "policy.py"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("docker_proxy_policy", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


policy = load()

ENV = {
    "PROJECT": "box",
    "NETWORK": "box",
    "ALLOWED_IMAGES": "orionbox/flows:1, orionbox/extra:2",
    "ALLOWED_BINDS": "/home/ada/box/flows/,/home/ada/box/workspace",
    "ALLOWED_VOLUMES": "box_results,elsewhere_results",
    "RUN_MEMORY": "1000",
    "RUN_USER": "1000:1000",
}
POLICY = policy.Policy.from_env(ENV)
IMAGE = "orionbox/flows:1"


def decide(method: str, target: str, body: Any = None) -> Any:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return policy.decide(method, target, raw, POLICY)


def create(**fields: Any) -> Any:
    return decide("POST", "/v1.41/containers/create?name=teal-otter", {"Image": IMAGE, **fields})


def reason(method: str, target: str, body: Any = None) -> str:
    with pytest.raises(policy.Refused) as refusal:
        decide(method, target, body)
    return str(refusal.value)


# --- Calls ------------------------------------------------------------------------------------------------------


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
def test_what_the_agent_needs_is_let_through(method: str, target: str, sent: str) -> None:
    assert policy.pinned(decide(method, target), {"container": "FULL", "network": "NET"}).target == sent


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
def test_what_the_agent_does_not_need_is_refused(method: str, target: str) -> None:
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
def test_a_refusal_names_what_is_wrong(method: str, target: str, words: str) -> None:
    assert words in reason(method, target)


@pytest.mark.parametrize("raw", [b"[]", b"3", b"{", b"\xff", b'{"Image":"a","Image":"b"}', b"[" * 100_000])
def test_a_body_that_is_not_one_plain_object_is_refused(raw: bytes) -> None:
    reason("POST", "/containers/create", raw)


def filters(target: str) -> Any:
    return json.loads(decide("GET", target).query["filters"])


def test_lists_show_only_what_is_ours() -> None:
    ours = ["orionbox.project=box", "orionbox.run=true"]
    assert filters("/containers/json?all=1") == {"label": ours}
    assert filters('/containers/json?filters={"label":["a"],"id":["b"]}') == {"label": ["a", *ours], "id": ["b"]}
    assert filters("/networks?filters={}") == {"name": ["^box$"]}


# --- What a new container may ask for ---------------------------------------------------------------------------


def test_a_run_is_hardened_whatever_it_asks() -> None:
    asked = {"CapDrop": ["KILL"], "PidsLimit": -1, "Memory": 5000, "MemorySwap": -1}
    call = create(Labels={"orionbox.run": "false", "orionbox.project": "other", "mine": "1"}, HostConfig=asked)
    assert call.body == {
        "Image": IMAGE,
        "User": "1000:1000",
        "Labels": {"mine": "1", "orionbox.project": "box", "orionbox.run": "true"},
        "HostConfig": {
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "PidsLimit": 512,
            "Memory": 1000,
            "MemorySwap": 1000,
        },
    }


def test_a_run_may_ask_for_less_memory() -> None:
    assert create(HostConfig={"Memory": 10}).body["HostConfig"]["Memory"] == 10


def test_a_runs_name_cannot_be_a_services_name() -> None:
    assert decide("POST", "/containers/create?name=postgres", {"Image": IMAGE}).query == {"name": "box-run-postgres"}
    assert decide("POST", "/containers/create?name=box-run-a", {"Image": IMAGE}).query == {"name": "box-run-a"}
    assert decide("POST", "/containers/create", {"Image": IMAGE}).query == {}


def test_what_prefects_block_sends_arrives() -> None:
    """Recorded from Prefect 2.20.26 with docker-py 7."""
    binds = ["/home/ada/box/flows:/opt/prefect/flows:ro", "box_results:/results"]
    sent = create(
        Tty=False,
        OpenStdin=False,
        StdinOnce=False,
        AttachStdin=False,
        AttachStdout=True,
        AttachStderr=True,
        Env=["PREFECT_API_URL=http://orion:4200/api"],
        Cmd=["python3", "-c", "print('hi')"],
        Volumes={"/opt/prefect/flows": {}, "/results": {}},
        NetworkDisabled=False,
        HostConfig={
            "NetworkMode": "box",
            "Binds": binds,
            "AutoRemove": True,
            "ExtraHosts": ["host.docker.internal:host-gateway"],
        },
        NetworkingConfig={"box": None},
        Labels={"io.prefect.version": "2.20.26"},
    ).body
    assert sent["Cmd"] == ["python3", "-c", "print('hi')"]
    assert sent["Volumes"] == {"/opt/prefect/flows": {}, "/results": {}}
    assert sent["NetworkingConfig"] == {"EndpointsConfig": {"box": {}}}
    assert sent["HostConfig"].items() >= {"NetworkMode": "box", "Binds": binds, "AutoRemove": True}.items()


@pytest.mark.parametrize("key", ["Privileged", "privileged", "MaskedPaths", "Whatever"])
@pytest.mark.parametrize("empty", [None, False, 0, "", [], {}])
def test_an_empty_value_is_left_to_the_engines_default(key: str, empty: Any) -> None:
    assert key not in create(HostConfig={key: empty}).body["HostConfig"]


@pytest.mark.parametrize(
    "fields",
    [
        {"Image": "orionbox/extra:2"},
        {"User": "1000:1000"},
        {"NetworkingConfig": {"EndpointsConfig": {"box": {}}}},
        {"NetworkingConfig": {"EndpointsConfig": None}},
        {"HostConfig": {"NetworkMode": "default"}},
        {"HostConfig": {"NetworkMode": "none"}},
        {"HostConfig": {"SecurityOpt": ["no-new-privileges"]}},
        {"HostConfig": {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}},
        {"HostConfig": {"LogConfig": {"Type": "", "Config": {}}}},
        {"HostConfig": {"Binds": ["/home/ada/box/workspace/:/workspace:rw"]}},
        {
            "HostConfig": {
                "Mounts": [{"Type": "bind", "Source": "/home/ada/box/flows", "Target": "/f", "ReadOnly": True}]
            }
        },
        {"HostConfig": {"Mounts": [{"Type": "volume", "Source": "box_results", "Target": "/results"}]}},
    ],
)
def test_a_run_may_ask_for(fields: Any) -> None:
    assert create(**fields).body["User"] == "1000:1000"


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"Privileged": True}, "HostConfig: Privileged is not allowed"),
        ({"privileged": True}, "privileged is not allowed"),
        ({"PRIVILEGED": True}, "PRIVILEGED is not allowed"),
        ({"CapAdd": ["SYS_ADMIN"]}, "CapAdd is not allowed"),
        ({"NetworkMode": "host"}, "NetworkMode: 'host' is not allowed"),
        ({"NetworkMode": "container:box-postgres-1"}, "NetworkMode"),
        ({"NetworkMode": "other"}, "NetworkMode"),
        ({"PidMode": "host"}, "PidMode"),
        ({"PidMode": "container:x"}, "PidMode"),
        ({"IpcMode": "host"}, "IpcMode"),
        ({"UsernsMode": "host"}, "UsernsMode"),
        ({"UTSMode": "host"}, "UTSMode"),
        ({"CgroupnsMode": "host"}, "CgroupnsMode"),
        ({"Devices": [{"PathOnHost": "/dev/sda"}]}, "Devices"),
        ({"DeviceRequests": [{"Count": -1}]}, "DeviceRequests"),
        ({"DeviceCgroupRules": ["a *:* rwm"]}, "DeviceCgroupRules"),
        ({"GroupAdd": ["999"]}, "GroupAdd"),
        ({"SecurityOpt": ["seccomp=unconfined"]}, "SecurityOpt"),
        ({"SecurityOpt": ["no-new-privileges", "apparmor=unconfined"]}, "SecurityOpt"),
        ({"SecurityOpt": ["no-new-privileges:false"]}, "SecurityOpt"),
        ({"Sysctls": {"net.ipv4.ip_forward": "1"}}, "Sysctls"),
        ({"VolumesFrom": ["box-postgres-1"]}, "VolumesFrom"),
        ({"Links": ["box-postgres-1:x"]}, "Links"),
        ({"PortBindings": {"80/tcp": [{}]}}, "PortBindings"),
        ({"PublishAllPorts": True}, "PublishAllPorts"),
        ({"Runtime": "other"}, "Runtime"),
        ({"CgroupParent": "/"}, "CgroupParent"),
        ({"VolumeDriver": "local"}, "VolumeDriver"),
        ({"Tmpfs": {"/x": "size=9g"}}, "Tmpfs"),
        ({"OomKillDisable": True}, "OomKillDisable"),
        ({"OomScoreAdj": -1000}, "OomScoreAdj"),
        ({"RestartPolicy": {"Name": "always"}}, "RestartPolicy"),
        ({"LogConfig": {"Type": "syslog", "Config": {"syslog-address": "tcp://x"}}}, "LogConfig"),
        ({"ExtraHosts": ["github.com:10.0.0.1"]}, "ExtraHosts"),
        ({"ReadonlyPaths": ["/x"]}, "ReadonlyPaths"),
        ({"Memory": -1}, "number of bytes"),
        ({"Memory": "1g"}, "number of bytes"),
        ({"Whatever": 1}, "Whatever is not allowed"),
        ([1], "not an object"),
        ({"Binds": "/:/host"}, "not a list"),
        ({"Binds": [{"Source": "/"}]}, "is not source:path"),
        ({"Binds": ["/:/host"]}, "'/' is neither"),
        ({"Binds": ["/home/ada/box:/host"]}, "neither"),
        ({"Binds": ["/home/ada/box/flows2:/host"]}, "neither"),
        ({"Binds": ["/home/ada/box/workspace/link:/host"]}, "neither"),
        ({"Binds": ["/home/ada/box/x/../flows:/host"]}, "neither"),
        ({"Binds": ["/home/ada/box/flows/../../..:/host"]}, "neither"),
        ({"Binds": ["//home/ada/box/flows:/host"]}, "neither"),
        ({"Binds": ["/var/run/docker.sock:/x"]}, "neither"),
        ({"Binds": ["box_orion:/x"]}, "neither"),
        ({"Binds": ["elsewhere_results:/x"]}, "neither"),
        ({"Binds": ["./box_results:/x"]}, "neither"),
        ({"Binds": ["/home/ada/box/flows"]}, "is not source:path"),
        ({"Binds": ["/home/ada/box/flows:/f:ro,rshared"]}, "is not source:path"),
        ({"Binds": ["/home/ada/box/flows:/f:ro:rw"]}, "is not source:path"),
        ({"Mounts": [{"Type": "bind", "Source": "/etc", "Target": "/x"}]}, "Mounts: Source: '/etc'"),
        ({"Mounts": [{"type": "bind", "source": "/etc", "Target": "/x"}]}, "type is not allowed"),
        ({"Mounts": [{"Type": "tmpfs", "Target": "/x"}]}, "'tmpfs' is not allowed"),
        ({"Mounts": [{"Type": "volume", "Target": "/x", "VolumeOptions": {"DriverConfig": {}}}]}, "VolumeOptions"),
        ({"Mounts": [{"Type": "bind", "Target": "/x", "BindOptions": {"Propagation": "shared"}}]}, "BindOptions"),
    ],
)
def test_a_run_may_not_ask_of_the_host(host: Any, words: str) -> None:
    assert words in reason("POST", "/containers/create", {"Image": IMAGE, "HostConfig": host})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Image": "debian:12"}, "image 'debian:12'"),
        ({"Image": "orionbox/flows"}, "image 'orionbox/flows'"),
        ({"Image": ""}, "image ''"),
        ({"Image": ["x"]}, "image"),
        ({"image": "debian:12"}, "image is not allowed"),
        ({"User": "root"}, "User: 'root' is not allowed"),
        ({"User": "0:0"}, "User"),
        ({"hostconfig": {"Privileged": True}}, "hostconfig is not allowed"),
        ({"Ho\u017ftConfig": {"Privileged": True}}, "is not allowed"),
        ({"Privileged": True}, "Privileged is not allowed"),
        ({"Binds": ["/:/host"]}, "Binds is not allowed"),
        ({"MacAddress": "02:42:ac:11:00:02"}, "MacAddress"),
        ({"Volumes": {"/:/host": {}}}, "is not a path in the container"),
        ({"Volumes": {"box_orion": {}}}, "is not a path in the container"),
        ({"Labels": {"com.docker.compose.service": "postgres"}}, "is Docker's own"),
        ({"NetworkingConfig": {"EndpointsConfig": {"other": {}}}}, "'other' is not allowed"),
        ({"NetworkingConfig": {"endpointsconfig": {"other": {}}}}, "'endpointsconfig' is not allowed"),
        ({"NetworkingConfig": {"EndpointsConfig": {"box": {"Aliases": ["postgres"]}}}}, "settings of network 'box'"),
    ],
)
def test_a_run_may_not_be(fields: Any, words: str) -> None:
    assert words in reason("POST", "/containers/create", {"Image": IMAGE, **fields})


# --- Whose container, whose network -----------------------------------------------------------------------------


def inspected(**labels: str) -> Any:
    return {"Id": "FULL", "Config": {"Labels": {name.replace("_", "."): text for name, text in labels.items()}}}


def test_a_container_is_ours_when_it_bears_both_labels() -> None:
    found = inspected(orionbox_project="box", orionbox_run="true", other="x")
    assert policy.check_ours("container", found, POLICY) == "FULL"


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
    with pytest.raises(policy.Refused, match="not a flow run's container"):
        policy.check_ours("container", found, POLICY)


def test_any_other_network_is_refused() -> None:
    assert policy.check_ours("network", {"Id": "NET", "Name": "box"}, POLICY) == "NET"
    with pytest.raises(policy.Refused, match="'bridge' is not 'box'"):
        policy.check_ours("network", {"Id": "X", "Name": "bridge"}, POLICY)


def test_connecting_asks_whose_both_are_and_names_them_by_full_id() -> None:
    call = decide("POST", "/v1.41/networks/box/connect", {"Container": "0a1b", "EndpointConfig": {}})
    assert call.refs == {"network": "box", "container": "0a1b"}
    sent = policy.pinned(call, {"network": "NET", "container": "FULL"})
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


# --- The policy's own settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [("1000", 1000), ("10k", 10 * 1024), ("512m", 512 * 1024**2), ("2g", 2 * 1024**3), ("1GB", 1024**3)],
)
def test_memory_is_written_as_compose_writes_it(text: str, size: int) -> None:
    assert policy.Policy.from_env(ENV | {"RUN_MEMORY": text}).memory == size


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"PROJECT": ""}, "not set: PROJECT"),
        ({"RUN_MEMORY": "lots"}, "RUN_MEMORY must be bytes"),
        ({"RUN_MEMORY": "0"}, "RUN_MEMORY must be bytes"),
        ({"ALLOWED_BINDS": "flows"}, "not an absolute folder"),
        ({"ALLOWED_BINDS": "/"}, "not an absolute folder"),
        ({"ALLOWED_BINDS": "/a,/a/b"}, "lies in another"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        policy.Policy.from_env(ENV | change)

"""The agent's calls to Docker, tried from inside the agent against the real Docker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Checkout

Call = tuple[str, Any]
"""Method and path, and the body. Names in braces are filled in."""


def create(**host_config: Any) -> Call:
    return "POST /containers/create", {"HostConfig": host_config}


def mount(**options: Any) -> Call:
    return create(Mounts=[{"Type": "bind", "Target": "/there", **options}])


BY_DRIVER = {"DriverConfig": {"Name": "local", "Options": {"type": "none", "o": "bind", "device": "/"}}}
REFUSED: dict[str, Call] = {
    # More rights than a user's program has
    "a privileged container": create(Privileged=True),
    "a privileged container in other letters": ("POST /containers/create", {"hostconfig": {"privileged": True}}),
    "a privileged container on the second try": (
        "POST /containers/create",
        '{"Image": "{image}", "HostConfig": {"Privileged": false}, "HostConfig": {"Privileged": true}}',
    ),
    "a privileged container by an older version of the API": (
        "POST /v1.24/containers/create",
        {"HostConfig": {"Privileged": True}},
    ),
    "more capabilities": create(CapAdd=["SYS_ADMIN"]),
    "no seccomp profile": create(SecurityOpt=["seccomp=unconfined"]),
    "no AppArmor profile": create(SecurityOpt=["apparmor=unconfined"]),
    "the kernel's files laid open": create(MaskedPaths=["/proc/kcore"]),
    "a setting of the kernel's": create(Sysctls={"net.ipv4.ip_forward": "1"}),
    "another user": ("POST /containers/create", {"User": "root"}),
    "another group": create(GroupAdd=["0"]),
    "another runtime": create(Runtime="other"),
    "another parent in the control groups": create(CgroupParent="/"),
    # What is the host's
    "the host's network": create(NetworkMode="host"),
    "the host's processes": create(PidMode="host"),
    "the host's shared memory": create(IpcMode="host"),
    "the host's name": create(UTSMode="host"),
    "the host's users": create(UsernsMode="host"),
    "the host's control groups": create(CgroupnsMode="host"),
    "a device": create(Devices=[{"PathOnHost": "/dev/mem", "PathInContainer": "/dev/mem", "CgroupPermissions": "r"}]),
    "all devices by a rule": create(DeviceCgroupRules=["a *:* rwm"]),
    "a graphics card": create(DeviceRequests=[{"Count": -1, "Capabilities": [["gpu"]]}]),
    # Folders and volumes
    "the host's root folder": create(Binds=["/:/host"]),
    "the host's root folder as a mount": mount(Source="/"),
    "the checkout with its .env": create(Binds=["{root}:/there"]),
    "the checkout as a mount": mount(Source="{root}"),
    "the secrets": create(Binds=["{root}/secrets:/there:ro"]),
    "the secrets as a mount": mount(Source="{root}/secrets"),
    "the checkout by a way round": create(Binds=["{root}/workspace/..:/there"]),
    "the checkout by a way round as a mount": mount(Source="{root}/workspace/.."),
    "an allowed folder by a way round": create(Binds=["{root}/secrets/../workspace:/there"]),
    "the root folder behind a link": create(Binds=["{root}/workspace/link:/there"]),
    "the root folder behind a link as a mount": mount(Source="{root}/workspace/link"),
    "a folder below an allowed one": create(Binds=["{root}/workspace/below:/there"]),
    "a folder beside one": create(Binds=["{root}/workspace2:/there"]),
    "the Docker socket": create(Binds=["/var/run/docker.sock:/var/run/docker.sock"]),
    "the Docker socket as a mount": mount(Source="/var/run/docker.sock"),
    "a mount that the host sees too": create(Binds=["{root}/workspace:/there:rshared"]),
    "another service's volume": create(Binds=["{project}_postgres:/there"]),
    "another service's volume as a mount": mount(Type="volume", Source="{project}_postgres"),
    "a volume that is a folder of the host": mount(Type="volume", Source="{project}_results", VolumeOptions=BY_DRIVER),
    "another service's mounts": create(VolumesFrom=["{postgres}"]),
    "a volume without a name": mount(Type="volume"),
    "a folder of the host as a volume": mount(Type="volume", Source="{root}/workspace"),
    "the bootstrap's notes": create(Binds=["{project}_bootstrap:/there"]),
    "the agent's lock": create(Binds=["{project}_agent:/there"]),
    "a folder of Docker's making within the workspace": create(
        Binds=["{root}/workspace:/w", "{project}_results:/w/below/planted"]
    ),
    "a read-only folder with another label": create(Binds=["{root}/services/flows/flows:/there:rw,z"]),
    # Images
    "another image": ("POST /containers/create", {"Image": "debian:bookworm-slim"}),
    "another image of the platform": ("POST /containers/create", {"Image": "orionbox/postgres:{tag}"}),
    "a pull": ("POST /images/create?fromImage=debian&tag=latest", None),
    "a build": ("POST /build", None),
    "a build by BuildKit": ("POST /session", None),
    "a push": ("POST /images/orionbox/flows/push?tag={tag}", None),
    "a new name for an image": ("POST /images/orionbox/postgres:{tag}/tag?repo=orionbox/flows&tag={tag}", None),
    "an image from a container": ("POST /commit?container={postgres}&repo=orionbox/flows&tag={tag}", None),
    "images from a file": ("POST /images/load", None),
    "images into a file": ("GET /images/get?names=orionbox/flows:{tag}", None),
    "the end of an image": ("DELETE /images/orionbox/postgres:{tag}?force=true", None),
    "a look at another image": ("GET /images/orionbox/postgres:{tag}/json", None),
    # Containers of others, and what is done with none
    "a look into another container": ("GET /containers/{postgres}/json", None),
    "the log of another container": ("GET /containers/{postgres}/logs?stdout=true", None),
    "a command in another container": ("POST /containers/{postgres}/exec", {"Cmd": ["id"]}),
    "the start of a command": ("POST /exec/0123456789abcdef/start", {}),
    "a terminal on another container": ("POST /containers/{postgres}/attach?stream=1&stdin=1&stdout=1", None),
    "a terminal by websocket": ("GET /containers/{postgres}/attach/ws?stream=1", None),
    "files from another container": ("GET /containers/{postgres}/archive?path=/", None),
    "files into another container": ("PUT /containers/{postgres}/archive?path=/", None),
    "all files of another container": ("GET /containers/{postgres}/export", None),
    "the end of another container": ("POST /containers/{postgres}/kill", None),
    "the removal of another container": ("DELETE /containers/{postgres}?force=true", None),
    "another name for another container": ("POST /containers/{postgres}/rename?name=other", None),
    "other limits for another container": ("POST /containers/{postgres}/update", {"Memory": 0}),
    "a clean-up of everything": ("POST /containers/prune", None),
    "a service's container on a run's network": ("POST /networks/{project}/connect", {"Container": "{postgres}"}),
    # Networks, volumes, the engine itself
    "Docker's own network, which leads outside": create(NetworkMode="bridge"),
    "pgAdmin's network": create(NetworkMode="{project}_pgadmin"),
    "the docker-proxy's network": create(NetworkMode="{project}_docker"),
    "pgAdmin's network beside its own": (
        "POST /containers/create",
        {"NetworkingConfig": {"EndpointsConfig": {"{project}": {}, "{project}_pgadmin": {}}}},
    ),
    "a connection to pgAdmin's network": ("POST /networks/{project}_pgadmin/connect", {"Container": "{postgres}"}),
    "a name server outside": create(Dns=["192.0.2.1"]),
    "a service's name on the network": (
        "POST /containers/create",
        {"NetworkingConfig": {"EndpointsConfig": {"{project}": {"Aliases": ["postgres"]}}}},
    ),
    "another network": create(NetworkMode="container:{postgres}"),
    "a new network": ("POST /networks/create", {"Name": "other"}),
    "the end of a network": ("DELETE /networks/{project}", None),
    "a new volume": ("POST /volumes/create", {"Name": "other", "DriverOpts": BY_DRIVER}),
    "the end of a volume": ("DELETE /volumes/{project}_postgres", None),
    "the end of all volumes": ("POST /volumes/prune", None),
    "the plugins": ("GET /plugins", None),
    "a new plugin": ("POST /plugins/pull?remote=other", None),
    "a swarm": ("POST /swarm/init", {"ListenAddr": "0.0.0.0:2377"}),
    "the services of a swarm": ("POST /services/create", {}),
    "the secrets of a swarm": ("GET /secrets", None),
    "a new secret": ("POST /secrets/create", {"Name": "other"}),
    "the configurations of a swarm": ("GET /configs", None),
    "what the engine is": ("GET /info", None),
    "what happens in the engine": ("GET /events", None),
    "what the engine holds": ("GET /system/df", None),
    "a path in disguise": ("GET /containers/../info", None),
    "a path in another disguise": ("GET /%69nfo", None),
}
PASSES = ("POST /containers/create?name=probe", {"Cmd": ["id", "-u"]})
SCRIPT = """
import http.client, json, sys
def ask(method, path, body):
    connection = http.client.HTTPConnection("docker-proxy", 2375, timeout=20)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return [answer.status, answer.read().decode(errors="replace")]
print(json.dumps([ask(*call) for call in json.load(sys.stdin)]))
"""


class Door:
    """The docker-proxy, called from the agent."""

    def __init__(self, platform: Checkout) -> None:
        self._platform = platform
        image = platform.services()["flows"]["image"]
        self.names = {
            "postgres": platform.run("docker", "compose", "ps", "--quiet", "postgres").stdout.strip(),
            "project": platform.settings["COMPOSE_PROJECT_NAME"],
            "root": str(platform.root),
            "tag": image.rpartition(":")[2],
            "image": image,
        }

    def ask(self, *calls: Call) -> list[tuple[int, str]]:
        """Returns status and text of each answer."""
        requests = json.dumps([self._request(*call) for call in calls])
        command = ("docker", "compose", "exec", "--no-TTY", "agent", "python", "-c", SCRIPT)
        done = self._platform.run(*command, stdin=requests)
        return [(status, text) for status, text in json.loads(done.stdout.splitlines()[-1])]

    def _request(self, call: str, body: Any) -> tuple[str, str, str | None]:
        """The words that go on the wire; a new container is one that would pass but for what the call asks."""
        if isinstance(body, dict) and "containers/create" in call:
            body = {"Image": "{image}", "Cmd": ["true"], **body}
        text = body if isinstance(body, str | None) else json.dumps(body)
        method, path = self._filled(call).split(" ")
        return method, path, None if text is None else self._filled(text)

    def _filled(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        return text


@pytest.fixture(scope="module")
def door(platform: Checkout) -> Door:
    (platform.root / "workspace" / "link").symlink_to("/")
    (platform.root / "workspace" / "below").mkdir()
    return Door(platform)


@pytest.fixture(scope="module")
def answers(door: Door) -> dict[str, tuple[int, str]]:
    """The answer to each call that must be refused."""
    return dict(zip(REFUSED, door.ask(*REFUSED.values()), strict=True))


@pytest.mark.parametrize("what", REFUSED)
def test_the_docker_proxy_refuses(answers: dict[str, tuple[int, str]], what: str) -> None:
    status, text = answers[what]
    assert status == 403, text
    assert json.loads(text)["message"].startswith("docker-proxy: refused: ")


def test_every_refusal_is_logged_with_its_reason(platform: Checkout, answers: dict[str, tuple[int, str]]) -> None:
    log = platform.run("docker", "compose", "logs", "docker-proxy").stdout
    reasons = {json.loads(text)["message"].removeprefix("docker-proxy: refused: ") for _, text in answers.values()}
    assert len(reasons) > len(REFUSED) / 2
    assert [reason for reason in reasons if f": {reason!r}" not in log] == []


def test_a_refused_call_changes_no_container(
    platform: Checkout, door: Door, answers: dict[str, tuple[int, str]]
) -> None:
    running = platform.run("docker", "compose", "ps", "--format", "{{.Service}} {{.Health}}", "postgres").stdout
    assert running.split() == ["postgres", "healthy"]
    volumes = platform.run("docker", "volume", "ls", "--quiet").stdout.split()
    assert f"{door.names['project']}_postgres" in volumes and "other" not in volumes
    networks = platform.run("docker", "network", "ls", "--format", "{{.Name}}").stdout.split()
    assert door.names["project"] in networks and "other" not in networks


def test_a_run_s_container_passes_and_is_hardened_whatever_it_requests(platform: Checkout, door: Door) -> None:
    ((status, text),) = door.ask(PASSES)
    assert status == 201, text
    run = json.loads(text)["Id"]
    path = f"/containers/{run}"
    expected = {
        f"POST {path}/start": 204,
        f"POST {path}/wait": 200,
        f"GET {path}/json": 200,
        f"GET {path}/logs?stdout=true": 200,
        "GET /containers/json?all=true": 200,
        "GET /networks": 200,
        "GET /images/{image}/json": 200,
        "GET /version": 200,
        "GET /_ping": 200,
    }
    got = door.ask(*((call, None) for call in expected))
    assert {call: status for call, (status, _) in zip(expected, got, strict=True)} == expected
    inspected = json.loads(platform.run("docker", "inspect", run).stdout)[0]
    assert door.ask((f"DELETE {path}?force=true", None))[0][0] == 204
    host = inspected["HostConfig"]
    assert (host["CapDrop"], host["SecurityOpt"], host["Privileged"]) == (["ALL"], ["no-new-privileges"], False)
    assert host["Memory"] == host["MemorySwap"] == 2 * 1024**3 and host["PidsLimit"] == 512
    assert inspected["Config"]["User"].split(":")[0] == platform.settings["FLOWS_UID"] != "0"
    assert inspected["Name"] == f"/{door.names['project']}-run-probe"
    assert list(inspected["NetworkSettings"]["Networks"]) == [host["NetworkMode"]] == [door.names["project"]]


READ_ONLY = ("services/flows/flows", "secrets/ca-bundle.crt", "secrets/service-account.json")


def test_what_is_read_only_stays_so_whatever_a_run_asks(platform: Checkout, door: Door) -> None:
    asked = {
        "Binds": [f"{{root}}/{path}:/bind/{n}:rw" for n, path in enumerate(READ_ONLY)],
        "Mounts": [
            {"Type": "bind", "Source": f"{{root}}/{path}", "Target": f"/mount/{n}", "ReadOnly": False}
            for n, path in enumerate(READ_ONLY)
        ],
    }
    run = json.loads(door.ask(("POST /containers/create", {"HostConfig": asked}))[0][1])["Id"]
    mounts = json.loads(platform.run("docker", "inspect", run).stdout)[0]["Mounts"]
    assert door.ask((f"DELETE /containers/{run}?force=true", None))[0][0] == 204
    assert len(mounts) == 2 * len(READ_ONLY) and not any(mount["RW"] for mount in mounts)
    log = platform.run("docker", "compose", "logs", "docker-proxy").stdout
    assert f"{platform.root}/{READ_ONLY[0]}:/bind/0:rw is mounted read-only" in log


FLOOD = """
import socket
head = b"POST /containers/create HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 1048576\\r\\n\\r\\n"
held = []
for _ in range(300):
    try:
        connection = socket.create_connection(("docker-proxy", 2375), timeout=10)
        connection.settimeout(0.1)
        held.append(connection)
        connection.sendall(head + b" " * 1048570)
    except OSError:
        pass
print("held", len(held))
"""


def test_a_flood_of_large_bodies_takes_neither_its_memory_nor_other_clients(platform: Checkout, door: Door) -> None:
    before = docker_proxy(platform)
    shell = ("docker", "compose", "run", "--rm", "--no-deps", "--no-TTY", "--entrypoint=python", "flows", "-c", FLOOD)
    assert "held" in platform.run(*shell).stdout
    assert door.ask(("GET /_ping", None)) == [(200, "OK")]
    after = docker_proxy(platform)
    assert after == before, "it was not restarted"


def docker_proxy(platform: Checkout) -> tuple[str, int, bool]:
    """When the docker-proxy was started, how often Docker restarted it, and whether it ran out of memory."""
    container = platform.run("docker", "compose", "ps", "--quiet", "docker-proxy").stdout.strip()
    (found,) = json.loads(platform.run("docker", "inspect", container).stdout)
    return found["State"]["StartedAt"], found["RestartCount"], found["State"]["OOMKilled"]


def test_others_containers_are_in_no_list(door: Door) -> None:
    ((status, text),) = door.ask(("GET /containers/json?all=true", None))
    assert status == 200 and door.names["postgres"] not in text


@pytest.mark.parametrize("call", ["POST /containers/{run}/exec", "POST /containers/{run}/attach?stream=1&stdin=1"])
def test_not_even_a_run_s_own_container_is_entered(door: Door, call: str) -> None:
    run = json.loads(door.ask(("POST /containers/create", {"Cmd": ["sleep", "60"]}))[0][1])["Id"]
    try:
        ((status, text),) = door.ask((call.replace("{run}", run), {"Cmd": ["id"]}))
        assert status == 403 and "is not something a flow run needs" in text
    finally:
        door.ask((f"DELETE /containers/{run}?force=true", None))

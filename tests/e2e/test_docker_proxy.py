"""What the agent can do with Docker, tried from inside the agent through the real engine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Checkout

CREATE = "POST /containers/create"
REFUSED: dict[str, tuple[str, Any]] = {
    "a privileged container": (CREATE, {"HostConfig": {"Privileged": True}}),
    "a privileged container in other letters": (CREATE, {"hostconfig": {"privileged": True}}),
    "the host's network": (CREATE, {"HostConfig": {"NetworkMode": "host"}}),
    "the host's processes": (CREATE, {"HostConfig": {"PidMode": "host"}}),
    "the host's root folder": (CREATE, {"HostConfig": {"Binds": ["/:/host"]}}),
    "the host's root folder as a mount": (
        CREATE,
        {"HostConfig": {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]}},
    ),
    "the Docker socket": (CREATE, {"HostConfig": {"Binds": ["/var/run/docker.sock:/var/run/docker.sock"]}}),
    "more rights": (CREATE, {"HostConfig": {"CapAdd": ["SYS_ADMIN"]}}),
    "another image": (CREATE, {"Image": "debian:bookworm-slim"}),
    "another user": (CREATE, {"User": "root"}),
    "a look into another container": ("GET /containers/{postgres}/json", None),
    "a command in another container": ("POST /containers/{postgres}/exec", {"Cmd": ["id"]}),
    "the end of another container": ("POST /containers/{postgres}/kill", None),
    "a pull": ("POST /images/create?fromImage=debian&tag=latest", None),
    "a build": ("POST /build", None),
    "the end of a volume": ("DELETE /volumes/{project}_postgres", None),
    "a clean-up of everything": ("POST /containers/prune", None),
}
SCRIPT = """
import http.client, json, sys
method, path, body = json.load(sys.stdin)
connection = http.client.HTTPConnection("docker-proxy", 2375, timeout=20)
connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""


@pytest.mark.parametrize("what", REFUSED)
def test_the_docker_proxy_refuses(platform: Checkout, what: str) -> None:
    call, body = REFUSED[what]
    ids = platform.run("docker", "compose", "ps", "--quiet", "postgres").stdout.strip()
    method, path = call.format(postgres=ids, project=platform.settings["COMPOSE_PROJECT_NAME"]).split(" ")
    if path == "/containers/create":
        image = platform.run("docker", "compose", "images", "--format", "json", "agent").stdout
        found = json.loads(image)[0]
        body = {"Image": f"{found['Repository']}:{found['Tag']}", "Cmd": ["true"], **(body or {})}
    request = json.dumps([method, path, body])
    done = platform.run("docker", "compose", "exec", "--no-TTY", "agent", "python", "-c", SCRIPT, stdin=request)
    status, answer = json.loads(done.stdout.splitlines()[-1])
    assert status == 403, (status, answer)
    assert "docker-proxy: refused: " in answer


def test_a_refusal_is_logged_with_its_reason(platform: Checkout) -> None:
    request = json.dumps(["POST", "/build", None])
    platform.run("docker", "compose", "exec", "--no-TTY", "agent", "python", "-c", SCRIPT, stdin=request)
    assert "refused" in platform.run("docker", "compose", "logs", "docker-proxy").stdout

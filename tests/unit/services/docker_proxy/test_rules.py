"""What a new container may ask of the docker-proxy, and the docker-proxy's own settings."""

from typing import Any

import pytest

from tests.conftest import ROOT
from tests.unit.services.docker_proxy.loader import ENV, IMAGE, create, decide, reason, rules


def test_a_run_is_hardened_whatever_it_asks() -> None:
    asked = {"CapDrop": ["KILL"], "PidsLimit": -1, "Memory": 5000, "MemorySwap": -1}
    labels = {"orionbox.run": "false", "orionbox.project": "other", "orionbox.checkout": "0", "a": "1"}
    call = create(Labels=labels, HostConfig=asked)
    assert call.body == {
        "Image": IMAGE,
        "User": "1000:1000",
        "Labels": {
            "a": "1",
            "orionbox.checkout": "4f2a",
            "orionbox.folder": "/home/ada/box",
            "orionbox.project": "box",
            "orionbox.run": "true",
        },
        "Volumes": {},
        "HostConfig": {
            "NetworkMode": "box",
            "Dns": ["127.0.0.1"],
            "DnsOptions": ["timeout:1", "attempts:2"],
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


def test_a_message_of_prefects_block_arrives() -> None:
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
        {"NetworkDisabled": True},
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
        ({"NetworkMode": "bridge"}, "NetworkMode: 'bridge' is not allowed"),
        ({"NetworkMode": "box_docker"}, "NetworkMode"),
        ({"NetworkMode": "box_pgadmin"}, "NetworkMode"),
        ({"Dns": ["192.0.2.1"]}, "Dns is not allowed"),
        ({"DnsSearch": ["x"]}, "DnsSearch is not allowed"),
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
        ({"Binds": ["/home/ada/box/flows:/f:rw,z"]}, "is not source:path"),
        ({"Binds": ["/home/ada/box/flows:/f:Z"]}, "is not source:path"),
        ({"Binds": ["/home/ada/box/flows:/f:nocopy"]}, "is not source:path"),
        ({"Binds": ["/home/ada/box/flows:f"]}, "'f' is not a path in the container"),
        ({"Binds": ["/home/ada/box/flows:/x/../f"]}, "is not a path in the container"),
        ({"Binds": ["/home/ada/box/workspace:/"]}, "'/' lies in another mount"),
        ({"Binds": ["/home/ada/box/workspace:/w", "box_results:/w/deep/down"]}, "'/w/deep/down' lies in another"),
        ({"Binds": ["/home/ada/box/workspace:/w", "box_results:/w"]}, "'/w' lies in another"),
        (
            {
                "Binds": ["/home/ada/box/workspace:/w"],
                "Mounts": [{"Type": "volume", "Source": "box_results", "Target": "//w/./link/x"}],
            },
            "'/w/link/x' lies in another",
        ),
        ({"Binds": ["/home/ada/box/workspace:/run", "box_results:/var/run/x/deep"]}, "a folder of the system"),
        ({"Binds": ["/home/ada/box/workspace:/usr/lib/x", "box_results:/lib/x/deep"]}, "a folder of the system"),
        ({"Binds": ["/home/ada/box/workspace:/opt/venv/lib"]}, "a folder of the system"),
        ({"Binds": ["/home/ada/box/workspace:/workspace", "box_results:/run"]}, "a folder of the system"),
        ({"Binds": ["/home/ada/box/flows:/var/run/x/f:ro"]}, "a folder of the system"),
        ({"Mounts": [{"Type": "bind", "Source": "/home/ada/box/workspace", "Target": "//etc/."}]}, "of the system"),
        ({"Mounts": [{"Type": "volume", "Source": "box_results"}]}, "None is not a path in the container"),
        ({"Mounts": [{"Type": "volume", "Target": "/x"}]}, "is neither a folder nor a volume"),
        ({"Mounts": [{"Type": "volume", "Source": "/home/ada/box/flows", "Target": "/x"}]}, "is neither"),
        ({"Mounts": [{"Type": "bind", "Source": "box_results", "Target": "/x"}]}, "is neither"),
        ({"Mounts": [{"Source": "/home/ada/box/flows", "Target": "/x"}]}, "is neither"),
        ({"Mounts": [{"Type": "bind", "Target": "/x", "BindOptions": {"NonRecursive": True}}]}, "BindOptions"),
        ({"Mounts": [{"Type": "volume", "Target": "/x", "VolumeOptions": {"Subpath": ".."}}]}, "VolumeOptions"),
        ({"Mounts": [{"Type": "bind", "Target": "/x", "TmpfsOptions": {}, "Consistency": "cached"}]}, "Consistency"),
        ({"Binds": ["box_bootstrap:/x"]}, "neither"),
        ({"Binds": ["box_agent:/x"]}, "neither"),
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
        ({"Labels": {"prefect.io/flow-run-id": None}}, "is no text"),
        ({"Labels": {"prefect.io/flow-run-id": "x"}}, "is no id of a run"),
        ({"HostConfig": {"Binds": ["/home/ada/box/workspace:/opt"]}}, "WorkingDir: '/opt/prefect/flows' is neither"),
        ({"HostConfig": {"Binds": ["/home/ada/box/workspace:/opt/prefect"]}}, "is neither a mount nor"),
        ({"NetworkingConfig": {"EndpointsConfig": {"other": {}}}}, "'other' is not allowed"),
        ({"NetworkingConfig": {"endpointsconfig": {"other": {}}}}, "'endpointsconfig' is not allowed"),
        ({"NetworkingConfig": {"EndpointsConfig": {"box": {"Aliases": ["postgres"]}}}}, "settings of network 'box'"),
    ],
)
def test_a_run_may_not_be(fields: Any, words: str) -> None:
    assert words in reason("POST", "/containers/create", {"Image": IMAGE, **fields})


@pytest.mark.parametrize(
    ("place", "is_allowed"),
    [
        ("/w", True),
        ("/opt/prefect", True),
        ("/w/", True),
        ("/w/made/deep", False),
        ("//w/./made", False),
        ("/x/../w/made", False),
        ("/proc/self/root/w/made", False),
        ("/proc/1/cwd/w", False),
        ("/var/run/x/made", False),
        ("w/made", False),
        (["/w"], False),
    ],
)
def test_a_run_begins_in_no_folder_that_docker_would_make_on_the_host(place: Any, is_allowed: bool) -> None:
    wanted = {"Image": IMAGE, "WorkingDir": place, "HostConfig": {"Binds": ["/home/ada/box/workspace:/w"]}}
    if is_allowed:
        assert create(**wanted).body["WorkingDir"] == place
    else:
        assert "WorkingDir" in reason("POST", "/containers/create", wanted) or "is not a path" in reason(
            "POST", "/containers/create", wanted
        )


def test_without_a_place_a_run_begins_where_its_image_says() -> None:
    assert f"WORKDIR {rules.BEGINS}\n" in (ROOT / "services/flows/Dockerfile").read_text()


@pytest.mark.parametrize(
    ("text", "size"),
    [("1000", 1000), ("10k", 10 * 1024), ("512m", 512 * 1024**2), ("2g", 2 * 1024**3), ("1GB", 1024**3)],
)
def test_memory_is_written_as_compose_writes_it(text: str, size: int) -> None:
    assert rules.Policy.from_env(ENV | {"RUN_MEMORY": text}).memory == size


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"PROJECT": ""}, "not set: PROJECT"),
        ({"RUN_MEMORY": "lots"}, "RUN_MEMORY must be bytes"),
        ({"RUN_MEMORY": "0"}, "RUN_MEMORY must be bytes"),
        ({"ALLOWED_BINDS": "flows"}, "not an absolute folder"),
        ({"ALLOWED_BINDS": "/"}, "not an absolute folder"),
        ({"ALLOWED_BINDS": "/a\n/a/b"}, "lies in another"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rules.Policy.from_env(ENV | change)


def test_a_folder_may_have_commas_and_blanks_in_its_path() -> None:
    policy = rules.Policy.from_env(ENV | {"ALLOWED_BINDS": "/home/ada, and bob /flows\n/home/ada, and bob /workspace"})
    assert rules.check_binds(["/home/ada, and bob /flows:/flows:ro"], policy) == ["/home/ada, and bob /flows:/flows:ro"]


BOX = "/home/ada/box"
READ_ONLY = [
    {"Binds": [f"{BOX}/flows:/f"]},
    {"Binds": [f"{BOX}/flows:/f:rw"]},
    {"Binds": [f"{BOX}/flows/:/f:rw"]},
    {"Binds": [f"{BOX}/./flows:/f:rw"]},
    {"Mounts": [{"Type": "bind", "Source": f"{BOX}/flows", "Target": "/f"}]},
    {"Mounts": [{"Type": "bind", "Source": f"{BOX}/flows", "Target": "/f", "ReadOnly": False}]},
    {"Mounts": [{"Type": "bind", "Source": f"{BOX}/flows/", "Target": "/f", "ReadOnly": 0}]},
]


@pytest.mark.parametrize("host", READ_ONLY)
def test_what_runs_may_only_read_is_mounted_so_whatever_they_ask(host: Any) -> None:
    call = create(HostConfig=host)
    sent = call.body["HostConfig"]
    assert sent.get("Binds", [f"{BOX}/flows:/f:ro"]) == [f"{BOX}/flows:/f:ro"]
    assert all(mount["ReadOnly"] is True for mount in sent.get("Mounts", []))
    (note,) = call.notes
    assert note.endswith("is mounted read-only") and f"{BOX}/" in note


def test_nothing_is_said_of_a_folder_that_is_mounted_as_asked() -> None:
    mount = {"Type": "bind", "Source": f"{BOX}/flows", "Target": "/g", "ReadOnly": True}
    binds = [f"{BOX}/flows:/f:ro", f"{BOX}/workspace:/workspace", "box_results:/r:rw"]
    call = create(HostConfig={"Binds": binds, "Mounts": [mount]})
    assert call.notes == () and call.body["HostConfig"]["Binds"] == binds


def test_a_run_is_on_the_platform_s_network_whatever_it_asks() -> None:
    assert create().body["HostConfig"]["NetworkMode"] == "box"
    assert create(HostConfig={"NetworkMode": "default"}).body["HostConfig"]["NetworkMode"] == "box"
    assert create(HostConfig={"NetworkMode": None}).body["HostConfig"]["NetworkMode"] == "box"
    assert create(HostConfig={"NetworkMode": "none"}).body["HostConfig"]["NetworkMode"] == "none"


def test_a_run_gets_no_volume_without_a_name() -> None:
    volumes: Any = {"/w/": {}, "/elsewhere": {}}
    sent = create(Volumes=volumes, HostConfig={"Binds": [f"{BOX}/workspace:/w"]}).body
    assert sent["Volumes"] == {"/w/": {}}

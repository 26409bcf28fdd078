"""The options that a new container may have: pure functions and three tables, no I/O.

CONTAINER, HOST_CONFIG and MOUNT list the allowed options; all others are refused. `harden` sets the options that every
flow run gets. routes.py lists the calls that the agent may make.

The engine's decoder takes keys in any letter case (`hostconfig` is `HostConfig`), so nothing is forwarded as it came:
the proxy builds a new request, key by key, from what the tables know.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


class Refused(Exception):
    """The request is refused; the message says why."""


@dataclass(frozen=True)
class Policy:
    """The facts of one platform that the tables refer to.

    `binds` are absolute host folders; runs may only read those in `read_only`. `memory` is bytes, `user` is `uid:gid`.
    `dns` are the servers that Docker's own asks for names that it does not know, `dns_options` those of resolv.conf(5).
    """

    project: str
    network: str
    images: tuple[str, ...]
    binds: tuple[str, ...]
    read_only: tuple[str, ...]
    volumes: tuple[str, ...]
    memory: int
    user: str
    dns: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    checkout: str = ""
    folder: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Policy":
        """Read PROJECT, NETWORK, ALLOWED_IMAGES, ALLOWED_BINDS, ALLOWED_VOLUMES, RUN_MEMORY and RUN_USER.

        CHECKOUT and FOLDER go into the labels of runs; RUN_DNS and RUN_DNS_OPTIONS are lists with commas.

        ALLOWED_BINDS has a folder in each line, because a path may have commas in it; the other lists have commas.
        A run may only read a folder whose line ends with `:ro`.
        No folder of ALLOWED_BINDS may lie in another: a run that writes to the outer one could put a link to
        anywhere in the inner one's place. Raises ValueError naming the variable that is missing or wrong.
        """
        required = ("PROJECT", "NETWORK", "ALLOWED_IMAGES", "RUN_MEMORY", "RUN_USER")
        missing = [name for name in required if not env.get(name)]
        if missing:
            raise ValueError(f"not set: {', '.join(missing)}")
        return cls(
            project=env["PROJECT"],
            network=env["NETWORK"],
            images=_words(env["ALLOWED_IMAGES"]),
            binds=_folders(re.sub("(?m):ro$", "", env.get("ALLOWED_BINDS", ""))),
            read_only=_folders("\n".join(re.findall("(?m)^(.*):ro$", env.get("ALLOWED_BINDS", "")))),
            volumes=_words(env.get("ALLOWED_VOLUMES", "")),
            memory=_bytes(env["RUN_MEMORY"]),
            user=env["RUN_USER"],
            dns=_words(env.get("RUN_DNS", "")),
            dns_options=_words(env.get("RUN_DNS_OPTIONS", "")),
            checkout=env.get("CHECKOUT", ""),
            folder=env.get("FOLDER", ""),
        )

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels that every flow run's container has, and no other container."""
        return {"orionbox.project": self.project, "orionbox.run": "true"}

    @property
    def owner_labels(self) -> dict[str, str]:
        """Return the labels by which the command line knows whose container it is, as those of the services."""
        return {"orionbox.checkout": self.checkout, "orionbox.folder": self.folder}


def _bytes(text: str) -> int:
    match = re.fullmatch("([1-9][0-9]*)([kmg]?)b?", text.lower())
    if not match:
        raise ValueError(f"RUN_MEMORY must be bytes, or written as 512m or 2g, not {text!r}")
    return int(match[1]) * {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}[match[2]]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _folders(text: str) -> tuple[str, ...]:
    folders = tuple(posixpath.normpath(line) for line in text.split("\n") if line)
    for inner in folders:
        if not inner.startswith("/") or inner == "/":
            raise ValueError(f"ALLOWED_BINDS: {inner!r} is not an absolute folder below /")
        if any(inner.startswith(outer + "/") for outer in folders):
            raise ValueError(f"ALLOWED_BINDS: {inner!r} lies in another allowed folder")
    return folders


# A rule takes the value of an option and returns the value to send on, or raises Refused.
Rule = Callable[[Any, Policy], Any]


def as_is(value: Any, policy: Policy) -> Any:
    """Accept any value: it affects only the container."""
    return value


def only(*choices: Any) -> Rule:
    """Make a rule that passes these values and no other."""

    def rule(value: Any, policy: Policy) -> Any:
        if value not in choices:
            raise Refused(f"{value!r} is not allowed")
        return value

    return rule


def check_image(value: Any, policy: Policy) -> Any:
    """Accept the platform's own images by their exact names."""
    if value not in policy.images:
        raise Refused(f"image {value!r} is not one of {', '.join(policy.images)}")
    return value


def check_user(value: Any, policy: Policy) -> Any:
    """Accept only the flow runs' user, never root."""
    return only(policy.user)(value, policy)


def check_network_mode(value: Any, policy: Policy) -> Any:
    """Accept the platform's network or none; `default` is what clients send for no wish, and becomes the platform's.

    Docker's `bridge` would lead past the platform's network to the outside, and to other programs' containers.
    """
    return only(policy.network, "default", "none")(value, policy)


def check_networking(value: Any, policy: Policy) -> Json:
    """Accept the platform's network without options: an alias could take a service's name on it.

    docker-py 7 puts the name beside `EndpointsConfig` instead of in it, where the engine ignores it.
    """
    asked = as_object(value)
    endpoints = as_object(asked.pop("EndpointsConfig", None)) | asked
    for name, settings in endpoints.items():
        only(policy.network)(name, policy)
        if settings:
            raise Refused(f"settings of network {name!r} are not allowed")
    return {"EndpointsConfig": {name: {} for name in endpoints}}


RUN_LABEL = "prefect.io/flow-run-id"  # by which Prefect names a container's run
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def check_labels(value: Any, policy: Policy) -> Json:
    """Accept labels, except Compose's own. Docker would keep null as an empty text, as which nobody would find it."""
    for name, text in as_object(value).items():
        if name.lower().startswith("com.docker."):
            raise Refused(f"{name!r} is Docker's own")
        if not isinstance(text, str):
            raise Refused(f"{name!r} is no text")
        if name == RUN_LABEL and not re.fullmatch(UUID, text):
            raise Refused(f"{name!r} is {text[:50]!r}, which is no id of a run")
    return as_object(value)


def check_mount_points(value: Any, policy: Policy) -> Json:
    """Accept paths in the container, which is all that `Volumes` is for."""
    for path in as_object(value):
        if not path.startswith("/") or ":" in path:
            raise Refused(f"{path!r} is not a path in the container")
    return {path: {} for path in value}


def check_source(value: Any, policy: Policy) -> str:
    """Accept an allowed folder or an allowed volume of this project.

    Only the allowed folder itself passes, none *below* it: runs write to the workspace, and the engine would follow a
    link that a run has left there to anywhere on the host.
    """
    name = posixpath.normpath(value) if isinstance(value, str) and value else ""
    if name in policy.binds and ".." not in value.split("/"):
        return name
    if name == value and name in policy.volumes and name.startswith(f"{policy.project}_"):
        return name
    raise Refused(f"{value!r} is neither a folder nor a volume that runs may mount")


def check_binds(value: Any, policy: Policy) -> list[str]:
    """Accept `source:path` and `source:path:ro` with an allowed source; the policy decides what is read-only."""
    return [_check_bind(bind, policy) for bind in as_list(value)]


def read_only_notes(asked: Json, policy: Policy) -> Iterator[str]:
    """Yield a line for each folder that a container gets read-only without having asked for that."""
    host = as_object(asked.get("HostConfig"))
    for bind in host.get("Binds") or []:
        if posixpath.normpath(bind.split(":")[0]) in policy.read_only and not bind.endswith(":ro"):
            yield f"{bind} is mounted read-only"
    for mount in host.get("Mounts") or []:
        if posixpath.normpath(mount.get("Source") or "") in policy.read_only and not mount.get("ReadOnly"):
            yield f"{mount['Source']} is mounted read-only"


def _check_bind(bind: Any, policy: Policy) -> str:
    name, *rest = bind.split(":") if isinstance(bind, str) else [""]
    if len(rest) not in (1, 2) or rest[1:] not in ([], ["ro"], ["rw"]):
        raise Refused(f"{bind!r} is not source:path or source:path:ro")
    source = check_source(name, policy)
    return ":".join([source, rest[0], "ro"] if source in policy.read_only else [source, *rest])


def check_mounts(value: Any, policy: Policy) -> list[Json]:
    """Accept mounts in long form. Options for drivers and propagation are not in the table."""
    mounts = [check_fields(as_object(mount), MOUNT, policy) for mount in as_list(value)]
    for mount in mounts:
        # Without a source it would be a volume that nobody removes
        if mount.get("Type") != ("bind" if mount.get("Source") in policy.binds else "volume") or "Source" not in mount:
            raise Refused(f"{mount!r} is neither a folder nor a volume with its source and type")
    return [mount | {"ReadOnly": True} if mount["Source"] in policy.read_only else mount for mount in mounts]


SYSTEM = tuple(f"/{name}" for name in "bin boot dev etc lib lib32 lib64 opt/venv proc run sbin sys usr var".split())
"""Folders of the image to which links lead, or in which they are: /var/run is /run. Runs mount nothing there, but:"""
PLATFORMS_TARGETS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/orionbox/google-key.json", "/var/lib/prefect")
FOLDERS = ("/", "/opt/prefect", "/opt/prefect/flows", "/workspace", "/tmp", "/home/orionbox")
"""In which a program of the image may begin; besides that, in a mount itself."""
BEGINS = "/opt/prefect/flows"
"""Where it begins if the request does not say: WORKDIR of the flows' image."""


def check_targets(asked: Json) -> list[str]:
    """Return where a container's mounts are.

    Docker creates, as root, the folders of a mount that are missing, and the one that a program begins in. Within the
    workspace that would be on the host; a link that a run has left in a mount, or one of the image, could lead there.

    Raises:
        Refused: a mount lies in another or in the system, or is no plain path; or the program begins elsewhere.
    """
    host = asked.get("HostConfig", {})
    targets = [bind.split(":")[1] for bind in host.get("Binds", [])]
    targets += [mount.get("Target") for mount in host.get("Mounts", [])]
    plain = [_path(target) for target in targets]
    for inner in plain:
        if inner == "/" or plain.count(inner) > 1 or any(_is_below(inner, outer) for outer in plain):
            raise Refused(f"{inner!r} lies in another mount")
        if inner not in PLATFORMS_TARGETS and any(inner == one or _is_below(inner, one) for one in SYSTEM):
            raise Refused(f"{inner!r} is in a folder of the system, where runs mount nothing of their own")
    place = _path(asked.get("WorkingDir") or BEGINS)
    if place not in plain and (place not in FOLDERS or any(_is_below(place, target) for target in plain)):
        raise Refused(f"WorkingDir: {place!r} is neither a mount nor one of {', '.join(FOLDERS)}; begin there, and cd")
    return plain


def _path(value: Any) -> str:
    """Return a path in the container, in its plain form."""
    if not isinstance(value, str) or not value.startswith("/") or ".." in value.split("/"):
        raise Refused(f"{value!r} is not a path in the container")
    return posixpath.normpath("/" + value.lstrip("/"))


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder + "/")


def check_memory(value: Any, policy: Policy) -> int:
    """Cap memory at the run's limit."""
    if not isinstance(value, int) or value < 0:
        raise Refused(f"{value!r} is not a number of bytes")
    return min(value, policy.memory)


# The options of a container, and those about the host, each with its rule.
CONTAINER: dict[str, Rule] = {
    "Image": check_image,
    "Cmd": as_is,
    "Entrypoint": as_is,
    "Env": as_is,
    "WorkingDir": as_is,
    "Tty": as_is,
    "OpenStdin": as_is,
    "StdinOnce": as_is,
    "AttachStdin": as_is,
    "AttachStdout": as_is,
    "AttachStderr": as_is,
    "NetworkDisabled": as_is,
    "Volumes": check_mount_points,
    "Labels": check_labels,
    "User": check_user,
    "HostConfig": lambda value, policy: check_fields(as_object(value), HOST_CONFIG, policy),
    "NetworkingConfig": check_networking,
}

# Rows with `only` let the values pass that clients send by default.
HOST_CONFIG: dict[str, Rule] = {
    "Binds": check_binds,
    "Mounts": check_mounts,
    "NetworkMode": check_network_mode,
    "Memory": check_memory,
    "MemorySwap": as_is,  # replaced by `harden`, as the next three are
    "MemorySwappiness": only(-1),
    "PidsLimit": as_is,
    "CapDrop": as_is,
    "SecurityOpt": only(["no-new-privileges"], ["no-new-privileges:true"], ["no-new-privileges=true"]),
    "AutoRemove": as_is,
    "Init": as_is,
    "ReadonlyRootfs": as_is,
    "ExtraHosts": only(["host.docker.internal:host-gateway"]),
    "IpcMode": only("private", "none"),
    "CgroupnsMode": only("private"),
    "RestartPolicy": only({"Name": "no"}, {"Name": "no", "MaximumRetryCount": 0}),
    "LogConfig": only({"Type": "", "Config": {}}),
    "ConsoleSize": only([0, 0]),
}

MOUNT: dict[str, Rule] = {
    "Type": only("bind", "volume"),
    "Source": check_source,
    "Target": as_is,
    "ReadOnly": as_is,
}


def check_fields(fields: Json, table: Mapping[str, Rule], policy: Policy) -> Json:
    """Build the options to send on from the rows of a table. Raises Refused for an option without a row.

    Empty values are left out, so that the engine's own default applies. To pass them on would have an effect: an empty
    `MaskedPaths` would open the kernel's files.
    """
    sent: Json = {}
    for key, value in fields.items():
        if not value:
            continue
        if key not in table:
            raise Refused(f"{key} is not allowed")
        try:
            sent[key] = table[key](value, policy)
        except Refused as inner:
            raise Refused(f"{key}: {inner}") from None
    return sent


def harden(asked: Json, policy: Policy) -> Json:
    """Build a flow run's container from the request: no capability, no root, bounded memory and processes."""
    check_image(asked.get("Image"), policy)  # an empty one would be left out, not refused
    body = check_fields(asked, CONTAINER, policy)
    host = body.get("HostConfig", {})
    limit = host.get("Memory") or policy.memory
    targets = check_targets(body)
    return body | {
        "User": policy.user,
        "Labels": body.get("Labels", {}) | policy.owner_labels | policy.labels,
        # Any other would be a volume without a name, which nobody removes
        "Volumes": {path: {} for path in body.get("Volumes", {}) if posixpath.normpath(path) in targets},
        "HostConfig": host
        | {
            # Without one, Docker would take its own, `bridge`
            "NetworkMode": "none" if host.get("NetworkMode") == "none" else policy.network,
            "Dns": list(policy.dns),
            "DnsOptions": list(policy.dns_options),
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "PidsLimit": 512,
            "Memory": limit,
            "MemorySwap": limit,  # otherwise swap would double the limit
        },
    }


def as_object(value: Any) -> Json:
    """Return a copy of the object; null is an empty one. Raises Refused for anything else."""
    if not isinstance(value, dict | None):
        raise Refused(f"{value!r} is not an object")
    return dict(value or {})


def as_list(value: Any) -> list[Any]:
    """Return the list. Raises Refused for anything else."""
    if not isinstance(value, list):
        raise Refused(f"{value!r} is not a list")
    return value

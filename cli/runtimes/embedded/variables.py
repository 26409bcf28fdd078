"""The environment variables of the embedded runtime's processes: the counterpart of compose's env files.

A platform's state is the folder `.embedded/<COMPOSE_PROJECT_NAME>/`. The virtual environments beside it serve all
platforms of the checkout. Every function takes the settings with the ports that the platform really uses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from cli.environments import inherited, proxies
from cli.programs import ROOT
from cli.runtimes import ports
from cli.runtimes.embedded import virtual_environments
from cli.settings import env_file
from cli.settings.settings import Settings
from orionbox.flow_settings import FlowSettings
from orionbox.loopback import ADDRESS, LINK_HOST, NAME, link_host
from orionbox.trips.months import RELEASE_PATH

RUNTIME = "embedded"
FLOWS = ROOT / "services/flows/flows"
PORTS = ("START_PORT", "ORION_PORT", "POSTGRES_PORT", "GCS_PORT", "BIGQUERY_PORT", "BIGQUERY_GRPC_PORT")
INTERNET, INTERNET_PORT = "INTERNET_PORT", 8090
"""Where the taxi server listens; in compose it needs no port on this machine."""
TRUST = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "HTTPLIB2_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)
"""The variables that name the file of authorities that a program trusts."""
OUTSIDE = "OUTSIDE_"
"""Prefix of the variables from which outside.sh gives a service the user's proxies and certificate authorities."""


def preferred_ports(settings: Settings) -> dict[str, int]:
    """Returns the ports that the settings name."""
    return {**{name: settings.ports[name] for name in PORTS}, INTERNET: INTERNET_PORT}


def with_chosen_ports(settings: Settings) -> Settings:
    """Returns the settings with the saved ports, or the preferred ones."""
    return settings.with_ports(ports.saved_ports(preferred_ports(settings), ports.ports_file(settings, RUNTIME)))


def folder(settings: Settings) -> Path:
    """Returns the folder of the platform's state."""
    return virtual_environments.FOLDER / settings.platform


def data(settings: Settings) -> Path:
    """Returns the folder of what the platform stores."""
    return folder(settings) / "data"


def key_file(settings: Settings) -> Path:
    """Returns the file of the throw-away service-account key."""
    return folder(settings) / "gcp-key.json"


def certificates(settings: Settings) -> Path:
    """Returns the folder of the stand-in's certificate, and of the authorities that flows trust."""
    return folder(settings) / "certificates"


def for_flows(settings: Settings) -> dict[str, str]:
    """Returns the environment variables of every program that runs the flows' code."""
    return {
        **_of_compose(settings, "flow.env"),
        **_of_compose(settings, "emulators.env"),
        "GCP_BUCKET": FlowSettings.bucket,
        "GOOGLE_APPLICATION_CREDENTIALS": str(key_file(settings)),
        "TAXI_RELEASE_URL": f"http://127.0.0.1:{settings['INTERNET_PORT']}/{RELEASE_PATH}",
        "PREFECT_HOME": str(data(settings) / "prefect"),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{link_host()}:{settings['ORION_PORT']}",
        # Even if Docker runs, it has no images of this platform: a run meant for a container fails at once
        "DOCKER_HOST": "unix:///no-docker-in-the-embedded-runtime",
        **_of_stand_in(settings),
    }


def _of_stand_in(settings: Settings) -> dict[str, str]:
    """Returns what leads a program to the stand-in for the internet, and makes it trust its certificate.

    By default Python's ssl, requests, curl, git, httplib2 and gRPC look for authorities in different places.
    """
    if settings.has_internet:
        return {}
    proxy, direct = f"http://127.0.0.1:{settings[INTERNET]}", f"{NAME},{ADDRESS}"
    return {
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), direct),
        **dict.fromkeys(TRUST, str(certificates(settings) / "ca-bundle.crt")),
        "WGETRC": str(certificates(settings) / "wgetrc"),
    }


def _of_compose(settings: Settings, name: str) -> dict[str, str]:
    """Returns the variables of one of compose's files, with this platform's addresses for those of the containers."""
    addresses = {"orion:4200": "ORION_PORT", "gcs:4443": "GCS_PORT", "bigquery:9050": "BIGQUERY_PORT"}
    known = {**settings.values, LINK_HOST: link_host()}
    variables = {}
    for variable, value in env_file.parse(ROOT / "compose" / name).items():
        value = re.sub(r"\$\{(\w+)(?::-(.*?))?\}", lambda found: known.get(found[1]) or found[2] or "", value)
        for address, port in addresses.items():
            value = value.replace(f"//{address}", f"//127.0.0.1:{settings[port]}")
        variables[variable] = value
    return variables


def for_bootstrap(settings: Settings) -> dict[str, str]:
    """Returns the environment variables of the bootstrap alone, as in its service in compose/flows.yaml."""
    return {
        "FLOWS_FOLDER": str(FLOWS),
        "WAREHOUSE_DB_PASSWORD": settings["WAREHOUSE_DB_PASSWORD"],
        "WAREHOUSE_HOST": "127.0.0.1",
        "WAREHOUSE_PORT": settings["POSTGRES_PORT"],
        "GCP_KEY_FILE": str(key_file(settings)),
        "READY_NOTE": str(saved_state(settings)),
        "BOOTSTRAPPED": str(bootstrapped_mark(settings)),
        "RUN_IMAGE": f"orionbox/flows:{env_file.version()}",
    }


def saved_state(settings: Settings) -> Path:
    """Returns the file in which the bootstrap saves what it has done."""
    return data(settings) / "ready.json"


def inbox(settings: Settings) -> Path:
    """Returns the file of the messages to Slack, one JSON object per line."""
    return data(settings) / "inbox.jsonl"


def cluster(settings: Settings) -> Path:
    """Returns Postgres' data folder."""
    return data(settings) / "postgres/main"


def taken_note(settings: Settings) -> Path:
    """Returns the file in which the supervisor names a port that another program has taken."""
    return folder(settings) / "run/port-taken"


def bootstrapped_mark(settings: Settings) -> Path:
    """Returns the file that appears when the bootstrap has succeeded; the agent waits for it."""
    return data(settings) / "bootstrapped"


def for_services(settings: Settings) -> dict[str, str]:
    """Returns what the commands in supervisord.conf need besides the variables of flows."""
    chosen = {name: settings[name] for name in preferred_ports(settings)}
    return {
        "ROOT": str(ROOT),
        "DATA": str(data(settings)),
        "RUN": str(folder(settings) / "run"),
        "CERTIFICATES": str(certificates(settings)),
        "INBOX": str(inbox(settings)),
        "GENERATED_ROWS": settings["GENERATED_ROWS"],
        "PORT_TAKEN": str(taken_note(settings)),
        "AGENT_LOCK": str(folder(settings) / "run" / "agent.alive"),
        "BOOTSTRAPPED": str(bootstrapped_mark(settings)),
        "SWEPT": str(folder(settings) / "run" / "swept"),
        "SQL_MODULE": str(virtual_environments.shared_folder()),
        "PGDATA": str(cluster(settings)),
        "ORION_DB_PASSWORD": settings["ORION_DB_PASSWORD"],
        "WAREHOUSE_DB_PASSWORD": settings["WAREHOUSE_DB_PASSWORD"],
        **chosen,
        # For the start page, as by its service in compose/start.yaml
        **{name.replace("_PORT", "_ADDRESS"): f"127.0.0.1:{port}" for name, port in chosen.items()},
        "RUNTIME": RUNTIME,
        "CREATE_BUCKETS": settings["CREATE_BUCKETS"],
        "SHARE_PROJECTS": settings["SHARE_PROJECTS"],
        "SIGNING_KEYS": str(key_file(settings)),
        "ALLOWED_HOSTS": settings["ALLOWED_HOSTS"],
        LINK_HOST: link_host(),
        "DOCS": str(ROOT / "docs"),
        "REPORTS": str(ROOT / "reports"),
        "MPLCONFIGDIR": str(folder(settings) / "tmp/matplotlib"),
    }


def environment(settings: Settings, variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of a program of the platform that nobody types into, with these variables."""
    return _complete(settings, inherited.for_services(), variables)


def environment_of_terminal(settings: Settings, variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of a program of the platform that the user types into, with these variables."""
    return _complete(settings, inherited.for_terminal(), variables)


def _complete(settings: Settings, basis: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    programs = [virtual_environments.FLOWS / "bin", virtual_environments.postgres_programs()]
    return {
        **basis,
        "PATH": os.pathsep.join([*map(str, programs), basis["PATH"]]),
        "PYTHONUNBUFFERED": "1",
        "HOME": str(virtual_environments.HOME),
        "TMPDIR": str(folder(settings) / "tmp"),
        **variables,
    }


def environment_of_services(settings: Settings) -> dict[str, str]:
    """Returns the complete environment of the services."""
    outside = {f"{OUTSIDE}{name}": value for name, value in to_reach_outside(settings).items()}
    # Whoever has used sudo to start it; not in for_services, because it does not change what the platform is
    users = {"ALLOWED_USERS": os.environ.get("SUDO_UID", "")}
    return _with_commands(environment(settings, {**for_flows(settings), **for_services(settings), **outside, **users}))


def environment_of_bootstrap(settings: Settings) -> dict[str, str]:
    """Returns the complete environment of the bootstrap, which repeats all its steps when a variable changes.

    So nothing that differs from one terminal to the next is part of it.
    """
    basis = {**inherited.for_services(), "PATH": os.defpath}
    return _complete(settings, basis, {**for_flows(settings), **for_services(settings), **for_bootstrap(settings)})


def environment_of_shell(settings: Settings) -> dict[str, str]:
    """Returns the complete environment of `make shell`."""
    return _with_commands(environment_of_terminal(settings, {**for_flows(settings), **to_reach_outside(settings)}))


def _with_commands(variables: dict[str, str]) -> dict[str, str]:
    """Puts the commands of `make shell` before all others, such as pip, which would be the machine's own."""
    commands = virtual_environments.FLOWS / virtual_environments.COMMANDS
    return {**variables, "PATH": os.pathsep.join([str(commands), variables["PATH"]])}


def to_reach_outside(settings: Settings) -> dict[str, str]:
    """Returns the user's proxies and certificate authorities for what reaches the internet; empty if nothing may."""
    if not settings.has_internet:
        return {}
    trusted = inherited.authorities(virtual_environments.CERTIFICATES, virtual_environments.AUTHORITIES)
    authorities = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), trusted) if trusted else {}
    return {**proxies.for_processes(os.environ).variables, **authorities}

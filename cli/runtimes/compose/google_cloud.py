"""The real Google Cloud instead of the emulators, with CLOUD=gcp: the key, and a dry run.

By CLOUD, Compose reads compose/emulators.yaml and emulators.env, or compose/gcp.yaml and gcp.env.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from cli.programs import ROOT, last_lines, say, user_path
from cli.runtimes import ownership
from cli.runtimes.compose import containers, key_files
from cli.runtimes.compose.compose import Compose
from cli.settings.settings import Settings
from cli.waiting import waiting_for
from orionbox.errors import BadInputError, CommandError
from orionbox.flow_settings import FlowSettings

SECRETS = ROOT / "secrets"
FIELDS = ("project_id", "private_key", "client_email", "token_uri")
"""What a service account's key file has (https://cloud.google.com/iam/docs/keys-create-delete)."""
EXAMPLES = {"GCP_PROJECT": FlowSettings.project, "GCP_BUCKET": FlowSettings.bucket}
"""The emulators' names, which you cannot use at Google."""
PROJECT = r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
"""https://cloud.google.com/resource-manager/docs/creating-managing-projects; older ones may have a domain before."""
DRY_RUN = ("run", "--rm", "--no-deps", "-T", "bootstrap", "python", "-m", "services.bootstrap.google_check")


def require(settings: Settings) -> None:
    """Checks the settings and the key file before anything is started, and prints warnings.

    Raises:
        BadInputError: a setting or the key file is missing or invalid.
    """
    if not settings.is_real_cloud:
        return
    for name, example in EXAMPLES.items():
        if settings[name] == example:
            raise BadInputError(
                f"{settings.where(name)}={example}: this is the emulators'",
                "with CLOUD=gcp name your own: docs/cloud.md",
            )
    project = settings["GCP_PROJECT"]
    if not re.fullmatch(PROJECT, project, re.ASCII):
        raise BadInputError(
            f"{settings.where('GCP_PROJECT')}={project}: not the id of a Google Cloud project",
            "look it up with: gcloud projects list",
        )
    key = read_key(settings)
    if key["project_id"] != project:
        say(
            f"{_name(settings)}: the key is of project {key['project_id']}, and GCP_PROJECT is {project}; "
            "that works only if its account has roles there, too"
        )


def read_key(settings: Settings) -> dict[str, str]:
    """Returns the key of the service account.

    Raises:
        BadInputError: the file is missing, inside the checkout, or not a service account key.
    """
    file, name = key_file(settings), _name(settings)
    if ROOT in file.parents and SECRETS not in file.parents:
        raise BadInputError(
            f"{name}: is in the checkout, where git and bundles would include it",
            f"move it into secrets/, and set GCP_KEY_FILE=secrets/{file.name}",
        )
    key = _read_json(file, name)
    found = key.get("type", "nothing") if isinstance(key, dict) else "nothing"
    if found != "service_account":
        raise BadInputError(
            f"{name}: has type {found}; the key of a service account has type service_account",
            "make one: docs/cloud.md",
        )
    missing = [field for field in FIELDS if not isinstance(key.get(field), str) or not key[field]]
    if missing:
        raise BadInputError(f"{name}: has no {', '.join(missing)}", "download the key again")
    return dict(key)


def _read_json(file: Path, name: str) -> dict[str, str]:
    try:
        key: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInputError(
            f"{name}: there is no such file", "put the key of your service account there, or make one: docs/cloud.md"
        ) from error
    except OSError as error:
        raise BadInputError(f"{name}: cannot be read ({error.strerror})", "check its owner and its mode") from error
    except ValueError as error:  # not text, or not JSON
        raise BadInputError(f"{name}: not JSON ({error})", "download the key again, as JSON and not P12") from error
    return key


def key_file(settings: Settings) -> Path:
    """Returns the path of the user's key; a relative one starts at the top of the checkout."""
    return (ROOT / user_path(settings["GCP_KEY_FILE"])).resolve()


def _name(settings: Settings) -> str:
    return f"{settings.where('GCP_KEY_FILE')}={settings['GCP_KEY_FILE']}"


def copy_key(settings: Settings) -> None:
    """Gives the bootstrap the key in use: the user's or the throw-away one."""
    key_files.use(json.dumps(read_key(settings), indent=2) + "\n" if settings.is_real_cloud else "")


def dry_run(compose: Compose) -> subprocess.CompletedProcess[str]:
    """Checks access to Google from a container; changes nothing there.

    Prints a line each: state, what, finding, fix, separated by tabs.

    Raises:
        BadInputError: the platform, whose network and volumes the container would use, belongs to another checkout, or
            was started without a way to Google.
    """
    ownership.require(compose.settings)
    platform = compose.settings.platform
    if containers.list_networks(platform).get(platform):
        text = f"platform {platform} was started with networks that lead nowhere, so Google cannot be asked"
        raise BadInputError(text, "end it first: make down")
    command, environment = compose.command(*DRY_RUN), compose.environment()
    with waiting_for("the check of Google Cloud"):
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def read_findings(output: str) -> list[list[str]]:
    """Returns state, what, finding and fix of each line that the dry run printed; leaves out what is no such line."""
    return [line.split("\t") for line in output.splitlines() if line.count("\t") == 3]


def require_access(compose: Compose) -> None:
    """Refuses a cloud in which the platform could not work.

    Raises:
        CommandError: something is missing at Google; the error has the command that adds it.
    """
    if not compose.settings.is_real_cloud:
        return
    done = dry_run(compose)
    findings = read_findings(done.stdout)
    wrong = [f"  {what}: {finding}\n      fix: {fix}" for state, what, finding, fix in findings if state == "fail"]
    if wrong:
        raise CommandError("\n".join(["Google Cloud is not ready, and nothing was started:", *wrong]))
    if done.returncode:
        raise CommandError(f"Google Cloud could not be checked, and nothing was started:\n{last_lines(done.stderr)}")

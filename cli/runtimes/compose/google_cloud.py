"""Whether Cloud Storage and BigQuery are emulators of this platform or Google's own, as CLOUD says.

This is the one place on the host that knows what CLOUD means. Compose chooses by it which files it reads
(compose/emulators.yaml, .env; compose/gcp.yaml, .env).
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Protocol

from cli.programs import ROOT, environment, last_lines, say
from cli.runtimes.compose.optional_services import Extra
from cli.settings import env_file, rules
from cli.settings.settings import is_real
from orionbox.errors import BadInputError, CommandError
from orionbox.files import write
from orionbox.flow_settings import FlowSettings

NAMES = ("emulators", "gcp")
SECRETS = ROOT / "secrets"
COPY = "google-key.json"
"""The key as containers read it, in secrets/: compose/flow.yaml mounts it."""
FIELDS = ("project_id", "private_key", "client_email", "token_uri")
"""What a service account's key file has (https://cloud.google.com/iam/docs/keys-create-delete)."""
EXAMPLES = {"GCP_PROJECT": FlowSettings.project, "GCP_BUCKET": FlowSettings.bucket}
"""Names of the emulators' that are nobody's at Google, or somebody else's."""
PROJECT = r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
"""https://cloud.google.com/resource-manager/docs/creating-managing-projects; older ones may have a domain before."""
DRY_RUN = (
    "docker",
    "compose",
    "run",
    "--rm",
    "--no-deps",
    "-T",
    "bootstrap",
    "python",
    "-m",
    "services.bootstrap.google_check",
)


class Preparable(Protocol):
    """A runtime, as far as it is needed here."""

    def prepare(self) -> None:
        """Checks what this machine must have, and makes .env and the runtime folders."""


EMULATORS = Extra(
    "",
    ("gcs", "bigquery"),
    ("GCS_PORT", "BIGQUERY_PORT", "BIGQUERY_GRPC_PORT"),
    lambda: not is_real(),
    "the emulators are gone, and what they hold stays: CLOUD=emulators brings them back",
)


def require() -> None:
    """Looks at the settings and the key file, before anything is started; says what else it finds odd.

    Raises:
        BadInputError: one of them is missing, or cannot be right.
    """
    if not is_real():
        return
    env = env_file.load()
    for name, example in EXAMPLES.items():
        if env[name] == example:
            raise BadInputError(
                f"{rules.where(name)}={example}: that is the emulators'; with CLOUD=gcp name your own: docs/cloud.md"
            )
    if not re.fullmatch(PROJECT, env["GCP_PROJECT"], re.ASCII):
        raise BadInputError(
            f"{rules.where('GCP_PROJECT')}={env['GCP_PROJECT']}: not the id of a Google Cloud project; "
            "look it up with: gcloud projects list"
        )
    key = read_key()
    if key["project_id"] != env["GCP_PROJECT"]:
        say(
            f"{_name()}: the key is of project {key['project_id']}, and GCP_PROJECT is {env['GCP_PROJECT']}; "
            "that works only if its account has roles there, too"
        )


def read_key() -> dict[str, str]:
    """The key of the service account.

    Raises:
        BadInputError: there is none where GCP_KEY_FILE says, it lies where git would take it, or it is something else.
    """
    file, name = key_file(), _name()
    if ROOT in file.parents and SECRETS not in file.parents:
        raise BadInputError(
            f"{name}: lies in the checkout, where git and bundles would take it; move it into secrets/, and say so: "
            f"GCP_KEY_FILE=secrets/{file.name}"
        )
    try:
        key = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInputError(
            f"{name}: there is no such file; put the key of your service account there, or make one: docs/cloud.md"
        ) from error
    except OSError as error:
        raise BadInputError(f"{name}: cannot be read ({error.strerror}); look at its owner and its rights") from error
    except ValueError as error:  # no text, or no JSON
        raise BadInputError(f"{name}: not JSON ({error}); download the key again, as JSON and not P12") from error
    kind = key.get("type", "nothing") if isinstance(key, dict) else "nothing"
    if kind != "service_account":
        raise BadInputError(
            f"{name}: says type {kind}, and the key of a service account says service_account; make one: docs/cloud.md"
        )
    missing = [field for field in FIELDS if not isinstance(key.get(field), str) or not key[field]]
    if missing:
        raise BadInputError(f"{name}: has no {', '.join(missing)}; download the key again")
    return dict(key)


def key_file() -> Path:
    """Where the user keeps the key; from the top of the checkout on."""
    return (ROOT / Path(env_file.load()["GCP_KEY_FILE"]).expanduser()).resolve()


def _name() -> str:
    return f"{rules.where('GCP_KEY_FILE')}={env_file.load()['GCP_KEY_FILE']}"


def copy_key() -> None:
    """Puts the key where compose expects it, readable for the containers' users; secrets/ is closed to others."""
    if is_real():
        write(SECRETS / COPY, json.dumps(read_key(), indent=2) + "\n")


def check(runtime: Preparable) -> int:
    """Prints what the dry run finds, for `make doctor`; 1 if something is missing."""
    runtime.prepare()
    require()
    copy_key()
    done = _dry_run()
    say(done.stdout or last_lines(done.stderr))
    return done.returncode


def _dry_run() -> subprocess.CompletedProcess[str]:
    return subprocess.run(DRY_RUN, cwd=ROOT, env=environment(), capture_output=True, text=True)


def rehearse() -> None:
    """Lets a container ask Google for all that the platform will need, which changes nothing there.

    Raises:
        CommandError: something is missing; the text has the command for it.
    """
    if not is_real():
        return
    done = _dry_run()
    lines = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 3]
    wrong = [f"  {what}: {finding}\n      fix: {fix}" for state, what, finding, fix in lines if state == "fail"]
    if wrong:
        raise CommandError("\n".join(["Google Cloud is not ready, and nothing was started:", *wrong]))
    if done.returncode:
        raise CommandError(f"Google Cloud could not be asked, and nothing was started:\n{last_lines(done.stderr)}")

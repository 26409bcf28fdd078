"""Checks of the key and of the access to Google, with CLOUD=gcp."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor.machine import Answer, Finding, Machine, fail, ok, warn
from cli.runtimes.compose import google_cloud
from cli.runtimes.compose.compose import Compose
from cli.settings.settings import Settings
from orionbox.errors import BadInputError


def check_google(settings: Settings, machine: Machine, are_images_built: bool) -> Iterator[Finding]:
    """With CLOUD=gcp, checks the key and then access to Google from a container."""
    if not settings.is_real_cloud:
        yield ok("gcp key", f"none is needed: Cloud Storage and BigQuery are emulated (CLOUD={settings['CLOUD']})")
        return
    try:
        key = google_cloud.read_key(settings)
    except BadInputError as error:
        yield fail("gcp key", error.text, error.fix)
        return
    file, project = settings["GCP_KEY_FILE"], settings["GCP_PROJECT"]
    if key["project_id"] == project:
        yield ok("gcp key", f"{file}, of project {project}")
    else:
        text = f"{file} is of project {key['project_id']}, and GCP_PROJECT is {project}"
        fix = "nothing to do if its account has roles there; else set GCP_PROJECT in .env"
        yield warn("gcp key", text, fix)
    if are_images_built and (machine.root / ".env").exists() and (machine.root / "secrets/ca-bundle.crt").exists():
        yield from _ask_google(settings)
    else:
        text = "bucket, datasets and roles cannot be checked before the images are built"
        yield warn("gcp account", text, "make up, which builds them and checks before it starts anything")


def _ask_google(settings: Settings) -> Iterator[Finding]:
    """Passes on what the dry run finds."""
    google_cloud.copy_key(settings)
    try:
        done = google_cloud.dry_run(Compose(settings))
    except BadInputError as error:  # the platform is another checkout's
        yield fail("gcp account", error.text, error.fix)
        return
    findings = google_cloud.read_findings(done.stdout)
    for state, subject, text, fix in findings:
        yield Finding(state, subject, text, fix)
    if not findings:
        why = Answer(False, done.stderr).reason
        yield fail("gcp account", f"Google could not be checked ({why})", "run make up for details")

"""Tries the calls that the platform will make to Google, and changes nothing.

`python -m services.bootstrap.google_check` prints tab-separated lines: state (ok, warn or fail), subject, finding, fix.
It exits with 1 if a check fails. It reads GCP_PROJECT, GCP_BUCKET and GCP_KEY_FILE, the key's path, from the
environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from google.cloud import bigquery, storage
from google.oauth2.service_account import Credentials

from orionbox.flow_settings import COURSE_DATASET, FlowSettings
from orionbox.trips.months import COLORS, table_name

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
BUCKET_ROLES = {
    "storage.buckets.get": "legacyBucketReader",
    "storage.objects.list": "objectAdmin",
    "storage.objects.get": "objectAdmin",
    "storage.objects.create": "objectAdmin",
    "storage.objects.delete": "objectAdmin",
}
"""The permissions that flows need on the bucket, and the smallest role that has each, `roles/storage.…`: prefect-gcp
gets the bucket first, and an upload that replaces an object deletes the old one
(https://cloud.google.com/storage/docs/access-control/iam-json)."""
TABLE_PERMISSIONS = ["bigquery.tables.get", "bigquery.tables.getData", "bigquery.tables.updateData"]
"""The permissions that loads and counts need on a table; roles/bigquery.dataEditor has them."""
PATIENCE = 20
"""Seconds for one answer."""

Line = tuple[str, str, str, str]


def check(info: dict[str, str], settings: FlowSettings) -> Iterator[Line]:
    """Checks key, bucket, jobs and datasets in turn; stops if a later check cannot succeed."""
    credentials = Credentials.from_service_account_info(info, scopes=SCOPES)  # type: ignore[no-untyped-call]
    refusal = try_key(credentials, info)
    yield refusal or ("ok", "gcp account", info["client_email"], "")
    if refusal:
        return
    client = storage.Client(settings.project, credentials)
    location = ""
    for line in check_bucket(client, settings, info["client_email"]):
        yield line
        location = line[2].rpartition(", in ")[2] if line[0] == "ok" else ""
    yield from check_bigquery(bigquery.Client(settings.project, credentials), settings, info["client_email"], location)


def try_key(credentials: Credentials, info: dict[str, str]) -> Line | None:
    """Gets a token for the key; returns the problem, or None."""
    try:
        credentials.refresh(Request())  # type: ignore[no-untyped-call]
    except RefreshError as error:
        account = f"--iam-account={info['client_email']}"
        fix = f"check the clock, or create a new key: gcloud iam service-accounts keys create KEY_FILE {account}"
        return "fail", "gcp account", f"Google rejects the key: {error.args[0]}", fix
    except GoogleAuthError as error:
        return (
            "fail",
            "gcp account",
            f"{info['token_uri']} cannot be reached: {brief(error)}",
            "connect to the internet",
        )
    return None


def check_bucket(client: storage.Client, settings: FlowSettings, account: str) -> Iterator[Line]:
    """Checks the bucket and the account's permissions on it; a line that is ok ends with the bucket's location."""
    name, what = settings.bucket, "gcp bucket"
    try:
        allowed = client.bucket(name).test_iam_permissions(list(BUCKET_ROLES), timeout=PATIENCE)
        missing = [permission for permission in BUCKET_ROLES if permission not in allowed]
        if missing:
            roles = " and ".join(sorted({f"roles/storage.{BUCKET_ROLES[permission]}" for permission in missing}))
            yield "fail", what, f"{name}: the account lacks {', '.join(missing)}", grant_on_bucket(name, account, roles)
            return
        location = str(client.get_bucket(name, timeout=PATIENCE).location)
        yield "ok", what, f"{name}, with all rights on its objects, in {location}", ""
    except NotFound:
        fix = f"gcloud storage buckets create gs://{name} --project={settings.project} --location=EU"
        yield "fail", what, f"there is no bucket {name}", fix
    except GoogleAPICallError as error:
        yield "fail", what, f"{name}: {brief(error)}", grant_on_bucket(name, account, "roles/storage.admin")


def grant_on_bucket(name: str, account: str, roles: str) -> str:
    """Returns the command that gives the account a role on the bucket."""
    first, *more = roles.split(" and ")
    again = f"   (and the same with {', '.join(more)})" if more else ""
    member = f"--member=serviceAccount:{account}"
    return f"gcloud storage buckets add-iam-policy-binding gs://{name} {member} --role={first}{again}"


def grant_on_project(settings: FlowSettings, account: str, role: str) -> str:
    """Returns the command that gives the account a role in the project."""
    member = f"--member=serviceAccount:{account}"
    return f"gcloud projects add-iam-policy-binding {settings.project} {member} --role={role}"


def check_bigquery(client: bigquery.Client, settings: FlowSettings, account: str, location: str) -> Iterator[Line]:
    """Checks whether the account may run jobs, and its permissions on each dataset that exists."""
    try:
        client.query("SELECT 1", bigquery.QueryJobConfig(dry_run=True), timeout=PATIENCE)
        yield "ok", "gcp jobs", f"the account may run BigQuery jobs in {settings.project}", ""
    except GoogleAPICallError as error:
        fix = grant_on_project(settings, account, "roles/bigquery.jobUser")
        yield "fail", "gcp jobs", f"BigQuery runs no job in {settings.project}: {brief(error)}", fix
        return
    for name in (settings.dataset, COURSE_DATASET):
        yield check_dataset(client, settings, account, name, location)


def check_dataset(client: bigquery.Client, settings: FlowSettings, account: str, name: str, location: str) -> Line:
    """Checks whether the dataset is in the bucket's location, and whether its tables may be written."""
    what, fix = "gcp dataset", grant_on_project(settings, account, "roles/bigquery.dataEditor")
    try:
        found = client.get_dataset(name, timeout=PATIENCE)
        lacking = missing_table_permissions(client, settings) if name == settings.dataset else []
    except NotFound:
        return (
            "warn",
            what,
            f"{name} does not exist yet",
            "none needed: make up creates it, if the account is a dataEditor",
        )
    except Forbidden as error:
        return "fail", what, f"{name}: {brief(error)}", fix
    except GoogleAPICallError as error:
        return "fail", what, f"{name}: {brief(error)}", "try again; then docs/cloud.md"
    if location and found.location and not is_loadable_location(found.location.upper(), location.upper()):
        moved = f"delete {name}, which make up then creates in {location}, or use a bucket in {found.location}"
        return "fail", what, f"{name} is in {found.location}, the bucket in {location}: no load job", moved
    if lacking:
        return "fail", what, f"{name}: the account lacks {', '.join(lacking)} on its tables", fix
    return "ok", what, f"{name}, in {found.location or 'the default location'}", ""


def is_loadable_location(dataset: str, bucket: str) -> bool:
    """Returns whether a load job may go from a bucket's location to a dataset's.

    It may to the same, to the multi-region around it, and to `US` from anywhere
    (https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet, "Limitations").
    """
    return dataset in (bucket, "US") or (dataset == "EU" and bucket.startswith("EUR"))


def missing_table_permissions(client: bigquery.Client, settings: FlowSettings) -> list[str]:
    """Returns the permissions that the account lacks on the trips' tables; for missing tables it needs none."""
    for color in COLORS:
        table = f"{client.project}.{settings.dataset}.{table_name(color)}"
        try:
            answer = client.test_iam_permissions(client.get_table(table, timeout=PATIENCE), TABLE_PERMISSIONS)
        except NotFound:
            continue
        if lacking := [name for name in TABLE_PERMISSIONS if name not in answer.get("permissions", [])]:
            return lacking
    return []


def brief(error: Exception) -> str:
    """Returns Google's message in one line of at most 200 characters."""
    text = error.message if isinstance(error, GoogleAPICallError) else str(error)
    return " ".join(str(text).split())[:200] or type(error).__name__


def main() -> int:
    """Prints each line as soon as its check ends; returns 1 if one failed."""
    info, failed = json.loads(Path(os.environ["GCP_KEY_FILE"]).read_text()), False
    for line in check(info, FlowSettings.from_environment()):
        sys.stdout.write("\t".join(line) + "\n")
        sys.stdout.flush()
        failed = failed or line[0] == "fail"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

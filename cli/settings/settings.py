"""The settings in force."""

from __future__ import annotations

from cli.settings import env_file
from orionbox.flow_settings import Settings


def is_real() -> bool:
    """Whether what is stored goes to Google."""
    return env_file.load()["CLOUD"] == "gcp"


def settings() -> Settings:
    """What flows will be told."""
    env = env_file.load()
    if not is_real():
        return Settings(project=env["GCP_PROJECT"])
    return Settings(project=env["GCP_PROJECT"], cloud="gcp", bucket=env["GCP_BUCKET"])


def announcement() -> str:
    """A line for the user, where the cloud is a real one."""
    chosen = settings()
    return f"cloud: gcp, which costs money (project {chosen.project}, bucket {chosen.bucket})"

"""The throw-away keys: made once, by the flows image, which has the cryptography for it."""

from __future__ import annotations

import json
import os

from ctl import dotenv, images
from ctl.shell import ROOT, output, say

FOLDER = ROOT / "secrets"
FILES = ("gcp-key.json", "authority.crt", "ca-bundle.crt", "internet.crt", "internet.key")
HOSTS = ("github.com", "hooks.slack.com")
"""The hosts that the platform's stand-in for the internet can prove to be."""
TOKEN_URI = "http://gcs:4443/token"


def ensure() -> None:
    """Writes the keys, unless all of them are there."""
    if all((FOLDER / name).is_file() for name in FILES):
        return
    command = images.flows_command("orionbox.keys", TOKEN_URI, dotenv.load()["GCP_PROJECT"], *HOSTS)
    for name, content in json.loads(output(*command)).items():
        _write(name, content)
    say("wrote secrets/: a throw-away service-account key and certificates for this platform")


def _write(name: str, content: str) -> None:
    # The folder is closed to other users; the containers, whose users are others, get single files mounted.
    partial = FOLDER / f"{name}.part"
    partial.write_text(content, encoding="utf-8")
    partial.chmod(0o644)
    os.replace(partial, FOLDER / name)

"""The files in secrets/: throw-away keys and certificates, made once in the bootstrap's image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from cli.programs import ROOT, output, say
from cli.runtimes.compose import images
from cli.runtimes.compose.compose import Compose
from orionbox.files import write

FOLDER = ROOT / "secrets"
LAST = "authority.key"
EMULATOR_KEY = "emulator-key.json"
"""The throw-away service account's key, for which the Cloud Storage emulator hands out tokens."""
KEY_IN_USE = "service-account.json"
"""The key that the bootstrap has mounted: a copy of the throw-away one or, with CLOUD=gcp, of the user's own."""
CERTIFICATES = ("authority.crt", "ca-bundle.crt", "internet.crt", "internet.key", LAST)
FILES = (EMULATOR_KEY, *CERTIFICATES)
AUTHORITY = ("authority.crt", LAST)
GATEWAY_NOTE = "gateway.json"
"""What the gateway's certificate is for, and by which authority; written last."""
UNSHARED = (LAST, GATEWAY_NOTE)
"""What no container gets to see."""
HOSTS = ("github.com", "hooks.slack.com")
"""The hosts that the platform's stand-in for the internet can prove to be."""
TOKEN_URI = "http://gcs:4443/token"
KEYS = "services.bootstrap.keys"
"""The module that makes them."""


def ensure(compose: Compose) -> bool:
    """Writes the throw-away key and the certificates where they are missing; returns whether any is new."""
    _take_over_old_names()
    missing = {name for name in FILES if not (FOLDER / name).is_file()}
    if EMULATOR_KEY in missing:
        _make(compose, (EMULATOR_KEY,), "service-account", TOKEN_URI, compose.settings["GCP_PROJECT"])
    if missing - {EMULATOR_KEY}:
        (FOLDER / LAST).unlink(missing_ok=True)  # written last: while it is missing, the others may not fit together
        _make(compose, CERTIFICATES, "certificates", *HOSTS)
    if missing:
        say("wrote secrets/: a throw-away service-account key and certificates for this platform")
    return bool(missing)


def use(key: str = "") -> None:
    """Gives the bootstrap this key, the text of its file; the throw-away one where none is given."""
    _write(KEY_IN_USE, key or (FOLDER / EMULATOR_KEY).read_text(encoding="utf-8"))


def _take_over_old_names() -> None:
    """Renames the throw-away key of version 0.1, and removes that version's copy of the user's own."""
    old = FOLDER / "gcp-key.json"
    if old.is_file() and not (FOLDER / EMULATOR_KEY).exists():
        old.rename(FOLDER / EMULATOR_KEY)
    (FOLDER / "google-key.json").unlink(missing_ok=True)


def _make(compose: Compose, names: Sequence[str], *arguments: str) -> None:
    files = json.loads(output(*images.module_command(compose, "bootstrap", KEYS, *arguments)))
    for name in names:
        _write(name, files[name])


def ensure_gateway(compose: Compose, addresses: Sequence[str]) -> bool:
    """Writes a certificate for these addresses, unless there is one; whether it did."""
    authority = {name: (FOLDER / name).read_text(encoding="utf-8") for name in AUTHORITY}
    signer = hashlib.sha256(authority["authority.crt"].encode()).hexdigest()
    note, file = json.dumps({"addresses": list(addresses), "authority": signer}), FOLDER / GATEWAY_NOTE
    if file.is_file() and file.read_text(encoding="utf-8") == note:
        return False
    command = images.module_command(compose, "bootstrap", KEYS, "gateway", *addresses, options=["--interactive"])
    files = json.loads(output(*command, text=json.dumps(authority)))
    file.unlink(missing_ok=True)
    for name, content in {**files, GATEWAY_NOTE: note}.items():
        _write(name, content)
    say(f"wrote secrets/gateway.crt: a certificate for {', '.join(addresses)}, signed by secrets/authority.crt")
    return True


def _write(name: str, content: str) -> None:
    # The folder is closed to other users; the containers, whose users are others, get single files mounted.
    write(FOLDER / name, content, 0o600 if name in UNSHARED else 0o644)

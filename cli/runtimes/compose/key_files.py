"""The throw-away keys: made once, by the flows image, which has the cryptography for it."""

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
FILES = ("gcp-key.json", "authority.crt", "ca-bundle.crt", "internet.crt", "internet.key", LAST)
AUTHORITY = ("authority.crt", LAST)
GATEWAY_NOTE = "gateway.json"
"""What the gateway's certificate is for, and by which authority; written last."""
UNSHARED = (LAST, GATEWAY_NOTE)
"""What no container gets to see."""
HOSTS = ("github.com", "hooks.slack.com")
"""The hosts that the platform's stand-in for the internet can prove to be."""
TOKEN_URI = "http://gcs:4443/token"


def ensure(compose: Compose) -> bool:
    """Writes the keys, unless all of them are there; whether it did. A service-account key that is there stays."""
    present = {name for name in FILES if (FOLDER / name).is_file()}
    if len(present) == len(FILES):
        return False
    command = images.flows_command(
        compose, "services.bootstrap.keys", "platform", TOKEN_URI, compose.settings["GCP_PROJECT"], *HOSTS
    )
    files = json.loads(output(*command))
    (FOLDER / LAST).unlink(missing_ok=True)  # written last: while it is missing, the others may not fit together
    for name in FILES:
        if name != "gcp-key.json" or name not in present:
            _write(name, files[name])
    say("wrote secrets/: a throw-away service-account key and certificates for this platform")
    return True


def ensure_gateway(compose: Compose, addresses: Sequence[str]) -> bool:
    """Writes a certificate for these addresses, unless there is one; whether it did."""
    authority = {name: (FOLDER / name).read_text(encoding="utf-8") for name in AUTHORITY}
    signer = hashlib.sha256(authority["authority.crt"].encode()).hexdigest()
    note, file = json.dumps({"addresses": list(addresses), "authority": signer}), FOLDER / GATEWAY_NOTE
    if file.is_file() and file.read_text(encoding="utf-8") == note:
        return False
    command = images.flows_command(compose, "services.bootstrap.keys", "gateway", *addresses, options=["--interactive"])
    files = json.loads(output(*command, text=json.dumps(authority)))
    file.unlink(missing_ok=True)
    for name, content in {**files, GATEWAY_NOTE: note}.items():
        _write(name, content)
    say(f"wrote secrets/gateway.crt: a certificate for {', '.join(addresses)}, signed by secrets/authority.crt")
    return True


def _write(name: str, content: str) -> None:
    # The folder is closed to other users; the containers, whose users are others, get single files mounted.
    write(FOLDER / name, content, 0o600 if name in UNSHARED else 0o644)

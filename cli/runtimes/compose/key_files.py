"""The files in secrets/: throw-away keys and certificates, created once in the bootstrap's image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from cli.environments import proxies
from cli.programs import ROOT, output, say
from cli.runtimes import certificates
from cli.runtimes.compose import images
from cli.runtimes.compose.compose import Compose
from orionbox.files import write

FOLDER = ROOT / "secrets"
AUTHORITY_KEY = "authority.key"
EMULATOR_KEY = "emulator-key.json"
"""The throw-away service account's key, for which the Cloud Storage emulator hands out tokens."""
KEY_IN_USE = "service-account.json"
"""The key that the bootstrap has mounted: a copy of the throw-away one or, with CLOUD=gcp, of the user's own."""
AUTHORITY = ("authority.crt", AUTHORITY_KEY)
GATEWAY_NOTE = "gateway.json"
"""What the gateway's certificate is for, and by which authority."""
PRIVATE_FILES = (AUTHORITY_KEY, GATEWAY_NOTE)
"""Not mounted into any container; written last, so that they mark the set as complete."""
INTERNET = ("ca-bundle.crt", "internet.crt", "internet.key")
"""What flows trust, and the certificate of service `internet`. The key is the last: it marks the set as complete."""
HOSTS = (*proxies.OFFLINE_HOSTS, *proxies.GOOGLE_HOSTS)
"""The hosts that service `internet` has a certificate for."""
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
"""The authorities that the images trust."""
TOKEN_URI = "http://gcs:4443/token"
KEYS = "services.bootstrap.keys"
"""The module that creates them."""


def ensure(compose: Compose) -> bool:
    """Writes the throw-away key and the certificates that are missing or end soon; returns whether any is new."""
    _migrate_from_0_1()
    made = []
    if not (FOLDER / EMULATOR_KEY).is_file():
        made.append("a throw-away service-account key")
        _write_all(_run_keys(compose, "service-account", TOKEN_URI, compose.settings["GCP_PROJECT"]))
    if _lacks(INTERNET) or not certificates.is_usable(FOLDER / "internet.crt", HOSTS):
        made.append("a certificate for the stand-in of the internet")
        (FOLDER / "internet.key").unlink(missing_ok=True)
        _write_all(_run_keys(compose, "certificates", TRUSTED, *HOSTS))
    if _lacks(AUTHORITY) or not certificates.lasts(FOLDER / "authority.crt") or _signs_for_the_internet():
        made.append("a certificate authority for this platform")
        (FOLDER / AUTHORITY_KEY).unlink(missing_ok=True)
        _write_all(_run_keys(compose, "authority"))
    if made:
        say(f"wrote secrets/: {' and '.join(made)}")
    return bool(made)


def _signs_for_the_internet() -> bool:
    """Returns whether the authority is version 0.1's, which browsers that trust it believe about github.com, too."""
    return certificates.names(FOLDER / "authority.crt", HOSTS[0])


def _lacks(names: Sequence[str]) -> bool:
    return not all((FOLDER / name).is_file() for name in names)


def use(key: str = "") -> None:
    """Writes the key that the bootstrap uses, the text of a key file; the throw-away one if none is given."""
    _write(KEY_IN_USE, key or (FOLDER / EMULATOR_KEY).read_text(encoding="utf-8"))


def _migrate_from_0_1() -> None:
    """Renames the throw-away key of version 0.1, and removes that version's copy of the user's own."""
    old = FOLDER / "gcp-key.json"
    if old.is_file() and not (FOLDER / EMULATOR_KEY).exists():
        old.rename(FOLDER / EMULATOR_KEY)
    (FOLDER / "google-key.json").unlink(missing_ok=True)


def ensure_gateway(compose: Compose, addresses: Sequence[str]) -> bool:
    """Writes a certificate for these addresses unless there is one that lasts; returns whether it wrote one."""
    signer = hashlib.sha256((FOLDER / "authority.crt").read_bytes()).hexdigest()
    note, file = json.dumps({"addresses": list(addresses), "authority": signer}), FOLDER / GATEWAY_NOTE
    if file.is_file() and file.read_text(encoding="utf-8") == note and certificates.is_usable(FOLDER / "gateway.crt"):
        return False
    files = _sign(compose, "gateway", addresses)
    file.unlink(missing_ok=True)
    _write_all({**files, GATEWAY_NOTE: note})
    say(f"wrote secrets/gateway.crt: a certificate for {', '.join(addresses)}, signed by secrets/authority.crt")
    return True


def _run_keys(compose: Compose, *arguments: str, text: str | None = None) -> dict[str, str]:
    """Creates files in the bootstrap's image; returns their contents by name."""
    options = ["--interactive"] if text else []
    command = images.module_command(compose, "bootstrap", KEYS, *arguments, options=options)
    return dict(json.loads(output(*command, text=text)))


def _sign(compose: Compose, name: str, hosts: Sequence[str]) -> dict[str, str]:
    """Creates a server's key and certificate, signed by the platform's authority."""
    authority = {file: (FOLDER / file).read_text(encoding="utf-8") for file in AUTHORITY}
    return _run_keys(compose, "server", name, *hosts, text=json.dumps(authority))


def _write_all(files: Mapping[str, str]) -> None:
    for name in sorted(files, key=PRIVATE_FILES.__contains__):
        _write(name, files[name])


def _write(name: str, content: str) -> None:
    # The folder is closed to other users, but containers mount single files and run as other users
    write(FOLDER / name, content, 0o600 if name in PRIVATE_FILES else 0o644)

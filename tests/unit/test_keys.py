from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from google.oauth2 import service_account

from orionbox import keys


def test_the_service_account_key_is_one_that_google_auth_takes() -> None:
    info = json.loads(keys.service_account_key("http://gcs:4443/token", "some-project"))
    credentials = service_account.Credentials.from_service_account_info(info)  # type: ignore[no-untyped-call]
    assert credentials.project_id == "some-project"
    assert info["token_uri"] == "http://gcs:4443/token"


def test_two_platforms_have_two_keys() -> None:
    first, second = (json.loads(keys.service_account_key("http://gcs:4443/token", "p")) for _ in range(2))
    assert first["private_key"] != second["private_key"]


def test_the_certificate_is_trusted_for_its_hosts_and_by_the_bundle_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system.crt"
    system.write_text("# the system's authorities\n")
    monkeypatch.setattr(keys, "SYSTEM_BUNDLE", system)
    files = keys.certificates(["github.com", "hooks.slack.com"])
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "internet.crt", tmp_path / "internet.key")
    assert _shakes_hands(server, tmp_path / "ca-bundle.crt", "github.com")
    assert _shakes_hands(server, tmp_path / "authority.crt", "hooks.slack.com")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _shakes_hands(server, tmp_path / "ca-bundle.crt", "example.org")


def test_the_authority_signs_servers_but_no_further_authorities(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keys, "SYSTEM_BUNDLE", tmp_path / "none")
    (tmp_path / "none").touch()
    authority = x509.load_pem_x509_certificate(keys.certificates(["github.com"])["authority.crt"].encode())
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def _shakes_hands(server_context: ssl.SSLContext, trusted: Path, host: str) -> bool:
    client_context = ssl.create_default_context(cafile=str(trusted))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.version() is not None and client.getpeercert() is not None

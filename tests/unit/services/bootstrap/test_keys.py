from __future__ import annotations

import json
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from google.oauth2 import service_account

from services.bootstrap import keys


def test_the_service_account_key_is_one_that_google_auth_takes() -> None:
    info = json.loads(keys.service_account_key("http://gcs:4443/token", "some-project"))
    credentials = service_account.Credentials.from_service_account_info(info)  # type: ignore[no-untyped-call]
    assert credentials.project_id == "some-project"
    assert info["token_uri"] == "http://gcs:4443/token"


def test_two_platforms_have_two_keys() -> None:
    first, second = (json.loads(keys.service_account_key("http://gcs:4443/token", "p")) for _ in range(2))
    assert first["private_key"] != second["private_key"]


def test_the_certificate_is_trusted_for_its_hosts_and_by_the_bundle_only(tmp_path: Path) -> None:
    system = tmp_path / "system.crt"
    system.write_text("# the system's authorities\n")
    files = keys.certificates(str(system), ["github.com", "hooks.slack.com"])
    assert files["ca-bundle.crt"].startswith("# the system's authorities")
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "internet.crt", tmp_path / "internet.key")
    assert _shakes_hands(server, tmp_path / "ca-bundle.crt", "github.com")
    assert _shakes_hands(server, tmp_path / "ca-bundle.crt", "hooks.slack.com")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _shakes_hands(server, tmp_path / "ca-bundle.crt", "example.org")


def test_without_a_file_of_the_machine_the_bundle_has_those_that_requests_brings() -> None:
    assert keys.certificates("", ["github.com"])["ca-bundle.crt"].count("BEGIN CERTIFICATE") > 50


@pytest.fixture
def files() -> dict[str, str]:
    return keys.authority_of_addresses()


def test_the_gateway_s_certificate_is_for_its_addresses_by_the_same_authority(
    files: dict[str, str], tmp_path: Path
) -> None:
    server = _serving(tmp_path, keys.server_certificate("gateway", files, ["192.0.2.7", "127.0.0.1"]), "gateway")
    (tmp_path / "authority.crt").write_text(files["authority.crt"])
    assert _shakes_hands(server, tmp_path / "authority.crt", "192.0.2.7")
    assert _shakes_hands(server, tmp_path / "authority.crt", "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        _shakes_hands(server, tmp_path / "authority.crt", "192.0.2.8")


@pytest.mark.parametrize("name", ["bank.example", "github.com", "accounts.google.com"])
def test_the_authority_is_believed_for_addresses_only(files: dict[str, str], tmp_path: Path, name: str) -> None:
    server = _serving(tmp_path, keys.server_certificate("forged", files, [name]), "forged")
    (tmp_path / "authority.crt").write_text(files["authority.crt"])
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        _shakes_hands(server, tmp_path / "authority.crt", name)


def test_nobody_can_sign_a_second_certificate_for_the_internet_s_names(tmp_path: Path) -> None:
    (tmp_path / "system.crt").touch()
    files = keys.certificates(str(tmp_path / "system.crt"), ["github.com"])
    assert sorted(files) == ["ca-bundle.crt", "internet.crt", "internet.key"]
    bundle, server = (
        x509.load_pem_x509_certificate(files[name].encode()) for name in ("ca-bundle.crt", "internet.crt")
    )
    key = serialization.load_pem_private_key(files["internet.key"].encode(), None)
    assert key.public_key() == server.public_key() != bundle.public_key()


def test_no_platform_refuses_a_server_s_certificate_for_lasting_too_long(files: dict[str, str]) -> None:
    """Apple's accept 825 days (https://support.apple.com/103769)."""
    gateway = keys.server_certificate("gateway", files, ["192.0.2.7"])
    internet = keys.certificates("", ["github.com"])
    for certificate in (internet["internet.crt"], gateway["gateway.crt"]):
        found = x509.load_pem_x509_certificate(certificate.encode())
        assert timedelta(days=700) < found.not_valid_after_utc - found.not_valid_before_utc < timedelta(days=825)


def _serving(folder: Path, files: dict[str, str], name: str) -> ssl.SSLContext:
    for file, content in files.items():
        (folder / file).write_text(content)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return server


def test_the_authority_signs_servers_but_no_further_authorities(files: dict[str, str]) -> None:
    authority = x509.load_pem_x509_certificate(files["authority.crt"].encode())
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

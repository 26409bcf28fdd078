"""Throw-away keys for one platform: a service-account key, and a certificate authority for the offline internet.

Nothing outside the platform trusts them. `python -m orionbox.keys TOKEN_URI PROJECT HOST...` prints them as one JSON
object, file name to content; `make up` writes the files.
"""

from __future__ import annotations

import json
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=3650)
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def service_account_key(token_uri: str, project: str) -> str:
    """A key file in Google's form (https://cloud.google.com/iam/docs/keys-create-delete), with our own token server."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": project,
            "private_key_id": secrets.token_hex(20),
            "private_key": _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
            "client_email": f"orionbox@{project}.iam.gserviceaccount.com",
            "client_id": "0" * 21,
            "auth_uri": token_uri.replace("/token", "/auth"),
            "token_uri": token_uri,
        },
        indent=2,
    )


def certificates(hosts: list[str]) -> dict[str, str]:
    """A new authority, one server certificate signed by it for all hosts, and the bundle that trusts both worlds."""
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("Orionbox local authority")
    authority = (
        _certificate(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        _certificate(_name(hosts[0]), authority_name, server_key)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    authority_pem = authority.public_bytes(serialization.Encoding.PEM).decode()
    return {
        "authority.crt": authority_pem,
        "ca-bundle.crt": SYSTEM_BUNDLE.read_text() + authority_pem,
        "internet.crt": server.public_bytes(serialization.Encoding.PEM).decode(),
        "internet.key": _pem(server_key),
    }


def _certificate(subject: x509.Name, issuer: x509.Name, key: PrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC) - timedelta(days=1)  # a classroom's clocks differ
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + LIFETIME)
    )


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def main(token_uri: str, project: str, *hosts: str) -> None:
    """Prints the files."""
    files = {"gcp-key.json": service_account_key(token_uri, project), **certificates(list(hosts))}
    json.dump(files, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])

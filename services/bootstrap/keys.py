"""Throwaway keys for one platform: a service-account key, and certificates of two authorities.

Nothing outside the platform trusts them. Each command prints files as one JSON object, name to content; `make up`
writes them:

    python -m services.bootstrap.keys service-account TOKEN_URI PROJECT
    python -m services.bootstrap.keys certificates TRUSTED HOST...
    python -m services.bootstrap.keys authority
    python -m services.bootstrap.keys server NAME HOST... <authority.key and authority.crt as one JSON object

`certificates` is for the stand-in of the internet: TRUSTED is the file of the authorities that the machine trusts, or
empty. `authority` is for the gateway: browsers import it. A HOST is a DNS name or an IPv4 address.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = timedelta(days=3650)
SERVER_LIFETIME = timedelta(days=800)
"""Apple's platforms trust a server's certificate for 825 days at most, and an authority's without this limit
(https://support.apple.com/103769). `cli.runtimes.compose.key_files` renews it in time."""

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def service_account_key(token_uri: str, project: str) -> str:
    """Returns a key file in Google's format, with the platform's token server.

    The format: https://cloud.google.com/iam/docs/keys-create-delete
    """
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


def certificates(trusted: str, hosts: Sequence[str]) -> dict[str, str]:
    """Creates a server certificate for all hosts, and a CA bundle with its authority and those in `trusted`.

    The authority's key is forgotten, so nobody can sign a second certificate: its names are those of Google and GitHub.

    Args:
        trusted: the file of the authorities that the machine trusts; empty for those that Python's requests brings.
        hosts: the names that the stand-in answers to.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(host) for host in hosts]
    authority = _authority("Orionbox stand-in for the internet", key, names)
    server_key, server = _server("Orionbox internet", names, key, authority)
    bundle = Path(trusted or certifi.where()).read_text(encoding="utf-8", errors="replace") + _text(authority)
    return {"ca-bundle.crt": bundle, "internet.crt": server, "internet.key": server_key}


def authority_of_addresses() -> dict[str, str]:
    """Creates an authority that may sign for bare IPv4 addresses only: browsers trust it for nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A kind of names that is not listed would be allowed without limits; nobody can have a name below .invalid
    allowed = [x509.IPAddress(IPv4Network("0.0.0.0/0")), x509.DNSName("invalid")]
    certificate = _authority("Orionbox local authority", key, allowed)
    return {"authority.crt": _text(certificate), "authority.key": _pem(key)}


def server_certificate(name: str, authority: Mapping[str, str], hosts: Sequence[str]) -> dict[str, str]:
    """Creates NAME.crt and NAME.key for a server, signed by the authority that `certificates` has created."""
    key = serialization.load_pem_private_key(authority["authority.key"].encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"authority.key is not an elliptic-curve key but {type(key).__name__}")
    signer = x509.load_pem_x509_certificate(authority["authority.crt"].encode())
    server_key, server = _server(f"Orionbox {name}", [_host(host) for host in hosts], key, signer)
    return {f"{name}.key": server_key, f"{name}.crt": server}


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(IPv4Address(host))
    except ValueError:
        return x509.DNSName(host)


def _authority(
    common_name: str, key: ec.EllipticCurvePrivateKey, may_sign_for: Sequence[x509.GeneralName]
) -> x509.Certificate:
    name = _name(common_name)
    return (
        _certificate(name, name, key, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=may_sign_for, excluded_subtrees=None), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    common_name: str, names: Sequence[x509.GeneralName], signer: ec.EllipticCurvePrivateKey, authority: x509.Certificate
) -> tuple[str, str]:
    """Creates a server key and its certificate, as text."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _certificate(_name(common_name), authority.subject, key, SERVER_LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return _pem(key), _text(certificate)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC) - timedelta(days=1)  # a classroom's clocks differ
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + lifetime)
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


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def main(what: str, *arguments: str) -> None:
    """Prints the files."""
    if what == "service-account":
        files = {"emulator-key.json": service_account_key(*arguments)}
    elif what == "certificates":
        files = certificates(arguments[0], arguments[1:])
    elif what == "authority":
        files = authority_of_addresses()
    else:
        files = server_certificate(arguments[0], json.load(sys.stdin), arguments[1:])
    json.dump(files, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])

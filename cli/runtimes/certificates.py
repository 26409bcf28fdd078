"""How long a certificate lasts, and for which hosts it is."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

RENEWED_BEFORE = timedelta(days=60)
"""`make up` renews a certificate that ends sooner than this."""
LONGEST_VALIDITY = timedelta(days=825)
"""Apple's platforms refuse a server's certificate that is valid for longer (https://support.apple.com/103769)."""
TIME = rb"(?:\x17\x0d|\x18\x0f20)(\d{12})Z"
"""A moment in a certificate, as UTCTime or GeneralizedTime; its year without the century comes first."""


def is_usable(certificate: Path, hosts: Sequence[str] = ()) -> bool:
    """Returns whether a server's certificate is for all hosts, and neither about to expire nor too long-lived."""
    validity = _validity(certificate)
    if not validity or not lasts(certificate) or validity[1] - validity[0] > LONGEST_VALIDITY:
        return False
    return all(names(certificate, host) for host in hosts)


def names(certificate: Path, host: str) -> bool:
    """Returns whether a server's certificate is for this host, or an authority's lets it sign for the host."""
    # Names are plain ASCII in the binary form, each after its tag and length (RFC 5280, section 4.2.1.6)
    return b"\x82" + bytes([len(host)]) + host.encode() in _binary(certificate)


def lasts(certificate: Path) -> bool:
    """Returns whether a certificate is valid for long enough."""
    validity = _validity(certificate)
    return bool(validity) and validity[1] - datetime.now(timezone.utc) > RENEWED_BEFORE


def _validity(certificate: Path) -> Sequence[datetime]:
    """Returns the first and the last moment at which a certificate is valid; empty if it is not a certificate.

    The standard library has no public reader of certificates. In their binary form, these times are the only two
    texts of this form (https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5).
    """
    try:
        found = re.search(TIME + TIME, _binary(certificate))
    except (OSError, ValueError):
        return ()
    moments = found.groups() if found else ()
    return [datetime.strptime(f"20{moment.decode()}+0000", "%Y%m%d%H%M%S%z") for moment in moments]


def _binary(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="utf-8"))

"""Signed addresses with Amazon's names: the example in Amazon's documentation, and what must be refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest

pytest.importorskip("cryptography")

from services.gcs.errors import StorageError
from services.gcs.rules.signatures import Keys, SignedRequest, check, is_signed

# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
ACCESS_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
QUERY = (
    f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={ACCESS_ID}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)
MADE = datetime(2013, 5, 24, tzinfo=UTC)
KEYS = Keys(hmac_secret={ACCESS_ID: SECRET}.get)


def signed(method: str = "GET", path: str = "/test.txt", query: str = QUERY) -> SignedRequest:
    return SignedRequest(method, path, tuple(parse_qsl(query)), {"host": "examplebucket.s3.amazonaws.com"})


def test_the_example_of_amazons_documentation_verifies() -> None:
    assert is_signed(name for name, _ in signed().query)
    check(signed(), KEYS, MADE + timedelta(hours=1))


@pytest.mark.parametrize(
    ("request_", "keys", "hours", "code"),
    [
        (signed("PUT"), KEYS, 1, "SignatureDoesNotMatch"),
        (signed(path="/other.txt"), KEYS, 1, "SignatureDoesNotMatch"),
        (signed(query=QUERY.replace("86400", "86401")), KEYS, 1, "SignatureDoesNotMatch"),
        (signed(), KEYS, 25, "ExpiredToken"),
        (signed(), Keys(), 1, "InvalidSecurity"),
        (signed(query="X-Amz-Signature=00"), KEYS, 1, "AuthorizationQueryParametersError"),
    ],
)
def test_what_was_not_signed_so_is_refused(request_: SignedRequest, keys: Keys, hours: int, code: str) -> None:
    with pytest.raises(StorageError) as refused:
        check(request_, keys, MADE + timedelta(hours=hours))
    assert refused.value.xml_code == code

"""Signed URLs and signed forms: whether one is what its signer has signed, and still valid.

https://cloud.google.com/storage/docs/authentication/signatures, .../canonical-requests and
https://cloud.google.com/storage/docs/xml-api/post-object-forms. Only V4 signatures and the old V2 ones exist.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.gcs.errors import StorageError, forbidden, invalid

RSA, HMAC, AMAZON_HMAC = "GOOG4-RSA-SHA256", "GOOG4-HMAC-SHA256", "AWS4-HMAC-SHA256"
"""Clients of S3 sign with an HMAC key and Amazon's names: https://cloud.google.com/storage/docs/aws-simple-migration."""
KEY_PREFIXES = {HMAC: b"GOOG4", AMAZON_HMAC: b"AWS4"}
V4_NAMES = {f"x-{brand}-{name}" for brand in ("goog", "amz") for name in ("signature", "algorithm")}
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""No date is later once its seconds have been added."""
LONGEST = 604_800
"""Seconds that a V4 signature is valid at most: 7 days."""
EARLY = timedelta(minutes=15)
"""How far a signer's clock may be ahead."""
MOST_POLICY_BYTES = 65536
_log = logging.getLogger("gcs")


@dataclass(frozen=True)
class SignedRequest:
    """What a signature covers: method, path and query as they were sent, and headers with small letters."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]


@dataclass
class Keys:
    """Whose signatures count: service accounts by address, from their key files, and HMAC keys."""

    path: Path | None = None
    hmac_secret: Callable[[str], str | None] = lambda _: None
    _known: dict[str, RSAPublicKey] = field(default_factory=dict)

    def rsa(self, email: str) -> RSAPublicKey | None:
        """Return the key of a service account; files that are new since the last time are read."""
        if email not in self._known:
            self._known |= dict(_read_keys(self.path))
        return self._known.get(email)

    def first_account(self) -> str:
        """Return the first service account whose key is known; empty without one."""
        return next((email for email, _ in _read_keys(self.path)), "")


def _read_keys(path: Path | None) -> Iterable[tuple[str, RSAPublicKey]]:
    files = [] if path is None else sorted(path.glob("*.json")) if path.is_dir() else [path]
    for file in files:
        try:
            info = json.loads(file.read_text(encoding="utf-8"))
            key = load_pem_private_key(info["private_key"].encode(), None)
            if isinstance(key, RSAPrivateKey):
                yield info["client_email"], key.public_key()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            _log.debug("%s is no service account's key", file)


def is_signed(names: Iterable[str]) -> bool:
    """Return whether a request carries a signature in its query."""
    return bool({name.lower() for name in names} & {*V4_NAMES, "signature"})


def check(request: SignedRequest, keys: Keys, now: datetime) -> None:
    """Refuse a request whose signature is wrong, expired, or of an unknown signer."""
    given = {name.lower(): value for name, value in request.query}
    if given.keys() & V4_NAMES:
        _check_v4(request, given, keys, now)
    else:
        _check_v2(request, given, keys, now)


# --- V4 ---


def _check_v4(request: SignedRequest, given: Mapping[str, str], keys: Keys, now: datetime) -> None:
    wanted = ("algorithm", "credential", "date", "expires", "signedheaders", "signature")
    brand = "amz" if "x-amz-signature" in given or "x-amz-algorithm" in given else "goog"
    values = {name: given.get(f"x-{brand}-{name}", "") for name in wanted}
    if missing := [name for name in wanted if not values[name]]:
        raise invalid(
            f"A signed URL needs X-{brand.title()}-{missing[0].title()}.", xml_code="AuthorizationQueryParametersError"
        )
    made = _read_date(values["date"])
    if not re.fullmatch(r"\d{1,7}", values["expires"]) or not 0 < int(values["expires"]) <= LONGEST:
        raise invalid("X-Goog-Expires must be between 1 and 604800 seconds.", xml_code="InvalidArgument")
    _check_time(made, min(made, LATEST) + timedelta(seconds=int(values["expires"])), now)
    signer, scope = _read_credential(values["credential"], made)
    for headers in _forms_of_host(request.headers):
        digest = hashlib.sha256(canonical_request(request, headers, values["signedheaders"]).encode()).hexdigest()
        text = "\n".join([values["algorithm"], values["date"], scope, digest])
        if _verifies(text.encode(), values["signature"], values["algorithm"], signer, scope, keys):
            return
    raise _does_not_match()


def canonical_request(request: SignedRequest, headers: Mapping[str, str], signed: str) -> str:
    """Return the text whose digest is signed (https://cloud.google.com/storage/docs/authentication/canonical-requests)."""
    signatures = ("x-goog-signature", "x-amz-signature")
    query = sorted((_encode(name), _encode(value)) for name, value in request.query if name.lower() not in signatures)
    names = signed.split(";")
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}" for name in names]
    digests = (headers.get(name, "") for name in ("x-goog-content-sha256", "x-amz-content-sha256") if name in names)
    payload = next(filter(None, digests), "UNSIGNED-PAYLOAD")
    path = quote(unquote(request.path), safe="/~-._")
    parts = [request.method, path, "&".join(f"{name}={value}" for name, value in query), *lines, "", signed, payload]
    return "\n".join(parts)


def _encode(text: str) -> str:
    return quote(text, safe="~-._")


def _forms_of_host(headers: Mapping[str, str]) -> Iterable[Mapping[str, str]]:
    """Return the headers as they are, and with a host without its port, as clients sign it."""
    yield headers
    host = headers.get("host", "")
    if ":" in host:
        yield {**headers, "host": host.rpartition(":")[0]}


def _read_date(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise invalid("X-Goog-Date must be in the form YYYYMMDD'T'HHMMSS'Z'.") from None


def _read_credential(text: str, made: datetime) -> tuple[str, str]:
    """Return the signer, and the scope: date, region, service and kind of request."""
    signer, *scope = text.rsplit("/", 4)
    if len(scope) != 4 or scope[0] != f"{made:%Y%m%d}" or scope[3] not in ("goog4_request", "aws4_request"):
        raise invalid("The credential must be in the form SIGNER/YYYYMMDD/REGION/storage/goog4_request.")
    return signer, "/".join(scope)


def _check_time(start: datetime, end: datetime, now: datetime) -> None:
    if now > end:
        raise StorageError(400, "invalid", "The provided token has expired.", xml_code="ExpiredToken")
    if now < start - EARLY:
        raise forbidden("The signature is not valid yet.", xml_code="AccessDenied")


def _verifies(text: bytes, signature: str, algorithm: str, signer: str, scope: str, keys: Keys) -> bool:
    try:
        given = bytes.fromhex(signature)
    except ValueError:
        return False
    if algorithm == RSA:
        return _rsa_verifies(text, given, signer, keys)
    if prefix := KEY_PREFIXES.get(algorithm):
        return hmac.compare_digest(_hmac_signature(text, keys.hmac_secret(signer), scope, prefix), given)
    raise invalid(f"Unsupported X-Goog-Algorithm: {algorithm[:100]}")


def _rsa_verifies(text: bytes, signature: bytes, signer: str, keys: Keys) -> bool:
    key = keys.rsa(signer)
    if key is None:
        raise forbidden(f"The key of the signer {signer[:200]} is not known here.", xml_code="InvalidSecurity")
    try:
        key.verify(signature, text, PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _hmac_signature(text: bytes, secret: str | None, scope: str, prefix: bytes) -> bytes:
    if secret is None:
        raise forbidden("The access ID is not known here, or not active.", xml_code="InvalidSecurity")
    key = prefix + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text, "sha256")


def _does_not_match() -> StorageError:
    text = "The request signature we calculated does not match the signature you provided."
    return forbidden(f"{text} Check your Google secret key and signing method.", xml_code="SignatureDoesNotMatch")


# --- V2 ---


def _check_v2(request: SignedRequest, given: Mapping[str, str], keys: Keys, now: datetime) -> None:
    """https://cloud.google.com/storage/docs/access-control/signed-urls-v2."""
    expires, signer = given.get("expires", ""), given.get("googleaccessid", "")
    if not re.fullmatch(r"[0-9]{1,11}", expires) or not signer:
        raise invalid("A signed URL needs GoogleAccessId and Expires.")
    _check_time(datetime.min.replace(tzinfo=UTC) + EARLY, datetime.fromtimestamp(int(expires), UTC), now)
    headers = request.headers
    special = sorted(name for name in headers if name.startswith("x-goog-") and "encryption" not in name)
    lines = [request.method, headers.get("content-md5", ""), headers.get("content-type", ""), expires]
    lines += [f"{name}:{headers[name].strip()}" for name in special]
    try:
        signature = base64.b64decode(given.get("signature", ""), validate=True)
    except ValueError:
        raise _does_not_match() from None
    sub_resources = [
        name for name, _ in request.query if name in ("acl", "cors", "uploads", "uploadId", "partNumber", "versioning")
    ]
    suffix = f"?{sub_resources[0]}" if sub_resources else ""
    # Clients sign the path encoded or not
    for path in (request.path, unquote(request.path)):
        if _rsa_verifies("\n".join([*lines, path + suffix]).encode(), signature, signer, keys):
            return
    raise _does_not_match()


# --- forms ---


def check_form(fields: Mapping[str, str], keys: Keys, now: datetime, size: int) -> None:
    """Refuse a form whose policy is wrongly signed, has expired, or does not allow it.

    Args:
        fields: the form's fields, without the file; names with small letters.
        keys: whose signatures count.
        now: the time.
        size: of the file, in bytes.
    """
    encoded = fields.get("policy", "")
    if not encoded:
        raise forbidden("A form needs a policy.", xml_code="AccessDenied")
    signer, scope = _read_credential(fields.get("x-goog-credential", ""), _read_date(fields.get("x-goog-date", "")))
    algorithm, signature = fields.get("x-goog-algorithm", ""), fields.get("x-goog-signature", "")
    if not _verifies(encoded.encode(), signature, algorithm, signer, scope, keys):
        raise _does_not_match()
    check_policy(read_policy(encoded), fields, now, size)


def read_policy(encoded: str) -> dict[str, object]:
    """Return the document of a policy."""
    try:
        found = json.loads(base64.b64decode(encoded[:MOST_POLICY_BYTES], validate=True))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("conditions"), list):
        raise invalid("The policy is not a document of JSON in base64.", xml_code="InvalidPolicyDocument")
    return found


def check_policy(policy: Mapping[str, object], fields: Mapping[str, str], now: datetime, size: int) -> None:
    """Refuse a form that a policy does not allow (.../xml-api/post-object-forms#policydocument)."""
    try:
        end = datetime.fromisoformat(str(policy.get("expiration")))
    except ValueError:
        raise invalid("The policy has no expiration.", xml_code="InvalidPolicyDocument") from None
    if now > (end if end.tzinfo else end.replace(tzinfo=UTC)):
        raise StorageError(400, "invalid", "The provided token has expired.", xml_code="ExpiredToken")
    conditions = policy["conditions"]
    allowed = {"policy", "x-goog-signature", "file"}
    for condition in conditions if isinstance(conditions, list) else []:
        name = _check_condition(condition, fields, size)
        allowed.add(name)
    for name in fields:
        if name not in allowed and not name.startswith("x-ignore-"):
            raise _not_allowed(f"extra input field {name}")


def _check_condition(condition: object, fields: Mapping[str, str], size: int) -> str:
    """Check one condition; return the field that it is about."""
    if isinstance(condition, dict) and len(condition) == 1:
        (name, value), kind = next(iter(condition.items())), "eq"
    elif isinstance(condition, list) and len(condition) == 3:
        kind, name, value = condition
    else:
        raise invalid(f"Invalid condition in the policy: {str(condition)[:100]}", xml_code="InvalidPolicyDocument")
    kind, name = str(kind).lower(), str(name).lower().removeprefix("$")
    if kind == "content-length-range":
        low, high = _limits(condition)
        if not low <= size <= high:
            code = "EntityTooLarge" if size > int(high) else "EntityTooSmall"
            raise StorageError(
                400, "invalid", f"The file has {size} bytes; allowed are {low} to {high}.", xml_code=code
            )
        return ""
    given = fields.get(name)
    fits = given is not None and (given == str(value) if kind == "eq" else given.startswith(str(value)))
    if kind not in ("eq", "starts-with") or not fits:
        raise _not_allowed(str(condition)[:200])
    return name


def _limits(condition: object) -> tuple[int, int]:
    """Return the fewest and the most bytes that a policy allows."""
    try:
        parts = condition if isinstance(condition, list) else []
        _, low, high = parts
        return int(low), int(high)
    except (ValueError, TypeError):
        text = f"Invalid condition in the policy: {str(condition)[:100]}"
        raise invalid(text, xml_code="InvalidPolicyDocument") from None


def _not_allowed(what: str) -> StorageError:
    return forbidden(f"The form does not fulfil a condition of its policy: {what}", xml_code="AccessDenied")

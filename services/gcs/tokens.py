"""Stands in for Google's sign-in: hands out tokens for any well-formed key, and refuses others as Google does.

Nobody checks the tokens. It answers under the paths of oauth2.googleapis.com, accounts.google.com, www.googleapis.com
and iamcredentials.googleapis.com that Google's client libraries ask (google.auth, google.oauth2).
"""

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

Answer = tuple[HTTPStatus, dict[str, Any]]

TOKEN = "local-emulator"
LIFETIME = 3600
"""Seconds that a token is valid, and the longest that a signed request may be."""
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_PATH = re.compile(r"token|o/oauth2/token|oauth2/v[1-4]/token")
INFO_PATH = re.compile(r"tokeninfo|oauth2/v[1-4]/tokeninfo")
IAM_PATH = re.compile(r"v1/projects/-/serviceAccounts/[^/]+:(\w+)")


class RefusedError(Exception):
    """A request that Google refuses.

    Args:
        error: the code (RFC 6749, section 5.2).
        text: Google's description.
    """

    def __init__(self, error: str, text: str) -> None:
        self.error, self.text = error, text


def answer(path: str, body: bytes) -> Answer:
    """Answer a request for a path, without its first slash and its query."""
    if TOKEN_PATH.fullmatch(path):
        return answer_token(body)
    if INFO_PATH.fullmatch(path):
        return HTTPStatus.OK, {"aud": "orionbox", "scope": "", "expires_in": str(LIFETIME)}
    if path == "revoke":
        return HTTPStatus.OK, {}
    if path in ("oauth2/v1/certs", "oauth2/v3/certs"):
        return HTTPStatus.OK, {"keys": []} if "v3" in path else {}
    if (call := IAM_PATH.fullmatch(path)) and (made := _answer_iam(call[1])):
        return HTTPStatus.OK, made
    message = f"Orionbox's stand-in for Google's sign-in has no /{path}"
    return HTTPStatus.NOT_FOUND, {"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}


def answer_token(body: bytes) -> Answer:
    """Answer a request for a token (RFC 7523 for keys, RFC 6749, section 6, for a user's refresh token)."""
    form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    try:
        grant = _required(form, "grant_type")
        if grant == JWT_GRANT:
            return HTTPStatus.OK, _token_for_key(_required(form, "assertion"))
        if grant == "refresh_token":
            for name in ("client_id", "client_secret", "refresh_token"):
                _required(form, name)
            return HTTPStatus.OK, {
                **_token(),
                "scope": form.get("scope", "https://www.googleapis.com/auth/cloud-platform"),
            }
        raise RefusedError("unsupported_grant_type", f"Invalid grant_type: {grant}")
    except RefusedError as refused:
        return HTTPStatus.BAD_REQUEST, {"error": refused.error, "error_description": refused.text}


def _required(form: Mapping[str, str], name: str) -> str:
    if not form.get(name):
        raise RefusedError("invalid_request", f"Required parameter is missing: {name}")
    return form[name]


def _token() -> dict[str, Any]:
    return {"access_token": TOKEN, "token_type": "Bearer", "expires_in": LIFETIME}


def _token_for_key(assertion: str) -> dict[str, Any]:
    """Return what Google answers to a request that a service account's key has signed.

    Raises:
        RefusedError: the request is not one that Google's libraries make from a well-formed key.
    """
    claims = _read_claims(assertion)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", str(claims.get("iss", ""))):
        raise RefusedError("invalid_grant", "Invalid grant: account not found")
    if not re.search("google|/token$", str(claims.get("aud", ""))):
        raise RefusedError("invalid_grant", "Invalid JWT: Failed audience check.")
    begin, end = claims.get("iat"), claims.get("exp")
    if not (isinstance(begin, int | float) and isinstance(end, int | float) and 0 < end - begin <= LIFETIME):
        text = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        raise RefusedError("invalid_grant", f"{text} Check your iat and exp values in the JWT claim.")
    if audience := claims.get("target_audience"):
        return {"id_token": _id_token(str(audience), str(claims["iss"]))}
    if not claims.get("scope"):
        raise RefusedError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    return _token()


def _read_claims(assertion: str) -> dict[str, Any]:
    """Return the claims of a JSON Web Token; its signature must have the length of an RSA key's."""
    try:
        header, claims, signature = map(_decode, assertion.split("."))
        described, found = json.loads(header), json.loads(claims)
    except (ValueError, binascii.Error) as error:
        raise RefusedError("invalid_grant", "Invalid JWT: malformed assertion.") from error
    if not (isinstance(described, dict) and isinstance(found, dict)):
        raise RefusedError("invalid_grant", "Invalid JWT: malformed assertion.")
    if described.get("alg") != "RS256" or len(signature) < 128:
        raise RefusedError("invalid_grant", "Invalid JWT Signature.")
    return found


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _id_token(audience: str, account: str) -> str:
    """Return an identity token, whose signature nobody can check."""
    now = int(time.time())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": audience,
        "email": account,
        "iat": now,
        "exp": now + LIFETIME,
    }
    parts = ({"alg": "RS256", "typ": "JWT", "kid": "orionbox"}, claims)
    return ".".join([*(_encode(json.dumps(part).encode()) for part in parts), _encode(bytes(256))])


def _answer_iam(method: str) -> dict[str, Any] | None:
    """Answer as iamcredentials.googleapis.com; the signatures are of the right length, and nobody can check them."""
    expires = (datetime.now(UTC) + timedelta(seconds=LIFETIME)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answers = {
        "generateAccessToken": {"accessToken": TOKEN, "expireTime": expires},
        "generateIdToken": {"token": _id_token("orionbox", "orionbox@orionbox.example")},
        "signBlob": {"keyId": "orionbox", "signedBlob": base64.b64encode(bytes(256)).decode()},
        "signJwt": {"keyId": "orionbox", "signedJwt": _id_token("orionbox", "orionbox@orionbox.example")},
    }
    return answers.get(method)

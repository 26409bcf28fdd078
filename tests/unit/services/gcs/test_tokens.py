"""The stand-in for Google's sign-in, asked by Google's own library for the most part."""

from __future__ import annotations

import base64
import json
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import pytest
from google.auth import crypt, jwt
from google.oauth2 import service_account

from services.bootstrap import keys
from services.gcs import tokens

URI = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@pytest.fixture(scope="module")
def key() -> dict[str, str]:
    """A student's own key, as Google's console hands it out."""
    made = json.loads(keys.service_account_key(URI, "my-course-1"))
    return {**made, "client_email": "me@my-course-1.iam.gserviceaccount.com"}


def ask(path: str = "token", **form: str) -> tuple[int, dict[str, Any]]:
    status, body = tokens.answer(path, urlencode(form).encode())
    return int(status), body


def signed(key: dict[str, str], **claims: Any) -> str:
    now = int(time.time())
    signer: Any = crypt.RSASigner.from_service_account_info(key)  # type: ignore[no-untyped-call]
    whole = {"iss": key["client_email"], "aud": URI, "scope": SCOPE, "iat": now, "exp": now + 3600, **claims}
    encoded: bytes = jwt.encode(signer, {name: value for name, value in whole.items() if value is not None})  # type: ignore[no-untyped-call]
    return encoded.decode()


@pytest.mark.parametrize("path", ["token", "o/oauth2/token", "oauth2/v4/token", "oauth2/v3/token"])
def test_a_key_of_one_s_own_gets_a_token(key: dict[str, str], path: str) -> None:
    made = service_account.Credentials.from_service_account_info(key, scopes=[SCOPE])  # type: ignore[no-untyped-call]
    assertion = made._make_authorization_grant_assertion().decode()
    status, answer = ask(path, grant_type=tokens.JWT_GRANT, assertion=assertion)
    assert (status, answer["token_type"], answer["expires_in"]) == (200, "Bearer", 3600)


def test_a_key_gets_an_identity_token_for_its_audience(key: dict[str, str]) -> None:
    assertion = signed(key, scope=None, target_audience="https://run.example")
    status, answer = ask(grant_type=tokens.JWT_GRANT, assertion=assertion)
    assert status == 200
    claims: dict[str, Any] = jwt.decode(answer["id_token"], verify=False)  # type: ignore[no-untyped-call]
    assert (claims["aud"], claims["email"]) == ("https://run.example", key["client_email"])


@pytest.mark.parametrize(
    ("claims", "error", "text"),
    [
        ({"iss": "me"}, "invalid_grant", "account not found"),
        ({"iss": None}, "invalid_grant", "account not found"),
        ({"aud": "https://example.org/"}, "invalid_grant", "Failed audience check"),
        ({"exp": 1}, "invalid_grant", "short-lived token"),
        ({"exp": int(time.time()) + 90_000}, "invalid_grant", "short-lived token"),
        ({"iat": "now"}, "invalid_grant", "short-lived token"),
        ({"scope": None}, "invalid_scope", "Invalid OAuth scope"),
        ({"scope": ""}, "invalid_scope", "Invalid OAuth scope"),
    ],
)
def test_a_key_with_something_wrong_gets_google_s_error(
    key: dict[str, str], claims: dict[str, Any], error: str, text: str
) -> None:
    status, answer = ask(grant_type=tokens.JWT_GRANT, assertion=signed(key, **claims))
    assert (status, answer["error"]) == (400, error)
    assert text in answer["error_description"]


def encoded(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "assertion",
    [
        "x",
        "a.b.c",
        "...",
        "\xe9.\xe9.\xe9",
        f"{encoded([])}.{encoded({})}.{'A' * 344}",
        f"{encoded({'alg': 'RS256'})}.{encoded('claims')}.{'A' * 344}",
        f"{encoded({'alg': 'none'})}.{encoded({'iss': 'me@x.y'})}.{'A' * 344}",
        f"{encoded({'alg': 'RS256'})}.{encoded({'iss': 'me@x.y'})}.AAAA",
    ],
)
def test_what_no_key_has_signed_is_refused(assertion: str) -> None:
    status, answer = ask(grant_type=tokens.JWT_GRANT, assertion=assertion)
    assert (status, answer["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": tokens.JWT_GRANT}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "client_id": "a", "client_secret": "b"}, "invalid_request"),
    ],
)
def test_an_incomplete_request_is_refused(form: dict[str, str], error: str) -> None:
    status, answer = ask(**form)
    assert (status, answer["error"]) == (400, error)


def test_a_user_s_login_is_renewed() -> None:
    status, answer = ask(grant_type="refresh_token", client_id="a", client_secret="b", refresh_token="c")
    assert (status, answer["token_type"]) == (200, "Bearer")


def test_iam_signs_and_impersonates() -> None:
    account = "v1/projects/-/serviceAccounts/me@p.iam.gserviceaccount.com"
    assert ask(f"{account}:generateAccessToken")[1]["accessToken"] == tokens.TOKEN
    assert len(base64.b64decode(ask(f"{account}:signBlob")[1]["signedBlob"])) == 256
    assert ask(f"{account}:noSuchMethod")[0] == 404


def test_other_paths_say_who_answers() -> None:
    status, answer = ask("drive/v3/files")
    assert status == HTTPStatus.NOT_FOUND
    assert "stand-in for Google's sign-in has no /drive/v3/files" in answer["error"]["message"]
    assert ask("oauth2/v1/certs") == (200, {})
    assert ask("oauth2/v3/certs") == (200, {"keys": []})
    assert ask("tokeninfo")[0] == ask("revoke")[0] == 200

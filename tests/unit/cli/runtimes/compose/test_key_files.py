"""The files in secrets/: created once, renewed in time, and private if no container needs them."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cli.runtimes.compose import images, key_files
from cli.runtimes.compose.compose import Compose
from cli.settings.settings import Settings
from services.bootstrap import keys

ADDRESSES = ["192.0.2.7"]
INTERNET, AUTHORITY = set(key_files.INTERNET), set(key_files.AUTHORITY)


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty secrets/; the bootstrap's image is this process."""

    def output(*command: str, text: str | None = None) -> str:
        with redirect_stdout(io.StringIO()) as printed, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.StringIO(text or ""))
            keys.main(*command)
        return printed.getvalue()

    def module_command(compose: Any, service: str, module: str, *arguments: str, options: Any) -> list[str]:
        return list(arguments)

    monkeypatch.setattr(key_files, "TRUSTED", str(tmp_path / "system.crt"))
    (tmp_path / "system.crt").touch()
    monkeypatch.setattr(key_files, "output", output)
    monkeypatch.setattr(images, "module_command", module_command)
    monkeypatch.setattr(key_files, "FOLDER", tmp_path / "secrets")
    (tmp_path / "secrets").mkdir()
    return tmp_path / "secrets"


@pytest.fixture
def compose(settings: Settings) -> Compose:
    return Compose(settings)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def changed(folder: Path, ensure: Callable[[], bool]) -> set[str]:
    """Returns the names of the files that it has changed; it must say whether it did."""
    before = contents(folder)
    said = ensure()
    after = contents(folder)
    names = {name for name in after if after[name] != before.get(name)}
    assert said == bool(names)
    return names


def test_all_files_are_made_once(secrets: Path, compose: Compose) -> None:
    assert changed(secrets, lambda: key_files.ensure(compose)) == {key_files.EMULATOR_KEY} | INTERNET | AUTHORITY
    assert changed(secrets, lambda: key_files.ensure(compose)) == set()


@pytest.mark.parametrize(
    ("missing", "renewed"), [("internet.crt", INTERNET), ("ca-bundle.crt", INTERNET), ("authority.key", AUTHORITY)]
)
def test_a_missing_file_renews_what_belongs_to_it(
    secrets: Path, compose: Compose, missing: str, renewed: set[str]
) -> None:
    key_files.ensure(compose)
    (secrets / missing).unlink()
    assert changed(secrets, lambda: key_files.ensure(compose)) == renewed


def test_a_certificate_of_an_older_version_that_lacks_a_host_is_renewed(
    secrets: Path, compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_files, "HOSTS", ("github.com", "hooks.slack.com"))
        key_files.ensure(compose)
    assert changed(secrets, lambda: key_files.ensure(compose)) == INTERNET
    assert changed(secrets, lambda: key_files.ensure(compose)) == set()


def test_the_authority_of_version_0_1_that_could_sign_for_the_internet_is_replaced(
    secrets: Path, compose: Compose
) -> None:
    key_files.ensure(compose)
    key = ec.generate_private_key(ec.SECP256R1())
    old = keys._authority("Orionbox local authority", key, [x509.DNSName(host) for host in key_files.HOSTS[:2]])
    (secrets / "authority.crt").write_text(keys._text(old))
    (secrets / "authority.key").write_text(keys._pem(key))
    assert changed(secrets, lambda: key_files.ensure(compose)) == AUTHORITY
    assert changed(secrets, lambda: key_files.ensure(compose)) == set()


@pytest.mark.parametrize(("days", "is_renewed"), [(50, True), (100, False), (3650, True)])
def test_a_server_s_certificate_is_renewed_before_it_expires_or_if_it_lasts_too_long(
    secrets: Path, compose: Compose, monkeypatch: pytest.MonkeyPatch, days: int, is_renewed: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "SERVER_LIFETIME", timedelta(days=days))
        key_files.ensure(compose)
    renewed = INTERNET if is_renewed else set()
    assert changed(secrets, lambda: key_files.ensure(compose)) == renewed
    assert changed(secrets, lambda: key_files.ensure(compose)) == set()


@pytest.mark.parametrize(("days", "is_renewed"), [(50, True), (100, False), (3650, True)])
def test_the_gateway_s_certificate_is_renewed_like_any_other(
    secrets: Path, compose: Compose, days: int, is_renewed: bool
) -> None:
    key_files.ensure(compose)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "SERVER_LIFETIME", timedelta(days=days))
        key_files.ensure_gateway(compose, ADDRESSES)
    renewed = {"gateway.crt", "gateway.key"} if is_renewed else set()
    assert changed(secrets, lambda: key_files.ensure_gateway(compose, ADDRESSES)) == renewed


def test_an_authority_that_ends_soon_is_renewed_with_all_that_it_has_signed(secrets: Path, compose: Compose) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "AUTHORITY_LIFETIME", timedelta(days=50))
        key_files.ensure(compose)
        key_files.ensure_gateway(compose, ADDRESSES)
    assert changed(secrets, lambda: key_files.ensure(compose)) == AUTHORITY
    gateway = {"gateway.crt", "gateway.key", key_files.GATEWAY_NOTE}
    assert changed(secrets, lambda: key_files.ensure_gateway(compose, ADDRESSES)) == gateway


@pytest.mark.parametrize("name", ["ca-bundle.crt", "internet.crt"])
def test_a_renewal_that_is_interrupted_is_done_again(secrets: Path, compose: Compose, name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "SERVER_LIFETIME", timedelta(days=50))
        key_files.ensure(compose)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_files, "write", interrupted_after(name))
        with pytest.raises(KeyboardInterrupt):
            key_files.ensure(compose)
    assert changed(secrets, lambda: key_files.ensure(compose)) == INTERNET


def interrupted_after(name: str) -> Callable[[Path, str, int], None]:
    def write(path: Path, content: str, mode: int) -> None:
        path.write_text(content)
        if path.name == name:
            raise KeyboardInterrupt

    return write


def test_other_addresses_get_a_certificate_of_their_own(secrets: Path, compose: Compose) -> None:
    key_files.ensure(compose)
    key_files.ensure_gateway(compose, ADDRESSES)
    gateway = {"gateway.crt", "gateway.key", key_files.GATEWAY_NOTE}
    assert changed(secrets, lambda: key_files.ensure_gateway(compose, ["192.0.2.8"])) == gateway


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_that_is_not_a_certificate_is_replaced(secrets: Path, compose: Compose, content: str) -> None:
    key_files.ensure(compose)
    (secrets / "internet.crt").write_text(content)
    assert changed(secrets, lambda: key_files.ensure(compose)) == INTERNET


def test_files_that_no_container_needs_are_private(secrets: Path, compose: Compose) -> None:
    key_files.ensure(compose)
    key_files.ensure_gateway(compose, ADDRESSES)
    private = {path.name for path in secrets.iterdir() if path.stat().st_mode & 0o777 == 0o600}
    assert private == set(key_files.PRIVATE_FILES)
    assert (secrets / "internet.key").stat().st_mode & 0o777 == 0o644, "containers of other users read it"


def test_files_of_0_1_0_get_their_new_names(secrets: Path, compose: Compose) -> None:
    (secrets / "gcp-key.json").write_text(json.dumps({"client_email": "old"}))
    (secrets / "google-key.json").write_text("a copy of the user's own key")
    key_files.ensure(compose)
    assert json.loads((secrets / key_files.EMULATOR_KEY).read_text()) == {"client_email": "old"}
    assert not (secrets / "google-key.json").exists() and not (secrets / "gcp-key.json").exists()

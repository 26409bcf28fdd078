"""Where pip and uv get packages: as the site has configured pip, for both."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.environments import package_index

LISTING = """\
:env:.index-url='https://mirror.example/simple'
:env:.target='/somewhere/else'
global.extra-index-url='https://one.example/simple https://two.example/simple'
global.index-url='https://old.example/simple'
global.timeout='15.5'
global.trusted-host='mirror.example'
install.no-binary=':all:'
install.user='true'
"""


def test_only_the_places_of_packages_are_read_and_variables_win() -> None:
    assert package_index.read_options(LISTING) == {
        "index-url": "https://mirror.example/simple",
        "extra-index-url": "https://one.example/simple https://two.example/simple",
        "timeout": "15.5",
        "trusted-host": "mirror.example",
    }


def test_uv_gets_pip_s_index() -> None:
    assert package_index.for_uv(package_index.read_options(LISTING), {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "mirror.example",
        "UV_HTTP_TIMEOUT": "15",
    }


def test_a_user_who_has_configured_uv_keeps_that() -> None:
    own = {"UV_DEFAULT_INDEX": "https://uv.example/simple", "UV_HTTP_TIMEOUT": "60"}
    assert package_index.for_uv(package_index.read_options(LISTING), own) == {"UV_INSECURE_HOST": "mirror.example"}


def test_folders_that_are_missing_are_left_out_as_uv_would_stop_there(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    listing = (
        f"global.find-links='/no/such/folder {wheels}'\nglobal.extra-index-url='file:///no/such'\nglobal.cert='/no'\n"
    )
    options = package_index.read_options(listing + "global.no-index='1'\n")
    assert options == {"find-links": str(wheels), "no-index": "1"}
    assert package_index.for_uv(options, {}) == {"UV_FIND_LINKS": str(wheels), "UV_NO_INDEX": "1"}


def test_the_file_of_a_site_is_read_and_its_other_options_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a real pip: an option like `user` in pip.conf would make `pip install --target` fail."""
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://mirror.example/simple\n[install]\nuser = true\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_TARGET", "/somewhere/else")
    monkeypatch.setenv("UV_PROJECT", "/somewhere/else")
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    pip = pip_of_this_machine()
    environment = package_index.environment("/etc/authorities.pem", pip)
    assert environment["PIP_INDEX_URL"] == environment["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert environment["PIP_CONFIG_FILE"] == "/dev/null"
    assert environment["UV_SYSTEM_CERTS"] == environment["UV_NATIVE_TLS"] == "1"
    assert environment["SSL_CERT_FILE"] == environment["PIP_CERT"] == "/etc/authorities.pem"
    assert "/somewhere/else" not in environment.values()


def pip_of_this_machine() -> list[str]:
    """The bootstrap environment of `tests/setup.sh` has pip."""
    return [str(Path(sys.prefix) / "bootstrap/bin/python"), "-m", "pip"]


def test_without_pip_its_variables_still_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_USER", "1")
    options = package_index.configured(["/no/such/python", "-m", "pip"])
    assert options["index-url"] == "https://mirror.example/simple" and "user" not in options


def test_a_home_that_cannot_be_written_needs_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    environment = package_index.environment("", ["/no/such/python"])
    assert environment["UV_NO_CACHE"] == environment["PIP_NO_CACHE_DIR"] == "1"


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("invalid peer certificate: UnknownIssuer", "its certificate is not trusted"),
        ("tunnel error: 407 Proxy Authentication Required", "the proxy wants a login"),
        ("ProxyError('Cannot connect to proxy.', timeout('timed out'))", "the proxy does not answer"),
        ("HTTP status client error (403 Forbidden) for url (...)", "access is denied"),
        ("failed to lookup address information: Name or service not known", "its name is unknown"),
        ("NewConnectionError: [Errno 111] Connection refused", "nothing answers there"),
        ("ReadTimeoutError: Read timed out.", "no answer in time"),
        ("ERROR: Could not find a version that satisfies uv==1 (from versions: none)", "a package is missing there"),
    ],
)
def test_an_index_that_cannot_be_used_says_why(printed: str, reason: str) -> None:
    found = package_index.explain(printed)
    assert found and found[0].startswith(reason) and found[1]
    assert package_index.explain("the wheel is broken") is None


def test_an_index_is_shown_without_its_password() -> None:
    assert package_index.shown("https://ada:secret@mirror.example/simple") == "https://mirror.example/simple"
    assert package_index.shown("/srv/wheels") == "/srv/wheels" and package_index.shown("") == "pip's own"

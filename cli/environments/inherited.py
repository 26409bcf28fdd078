"""The environment variables of the programs that the command line starts: a list for each kind of program.

What is not on the list of a program does not reach it. So a variable that the user has set for other programs, for
example PGHOST or COMPOSE_FILE, cannot lead ours to another server or another project.
"""

from __future__ import annotations

import locale
import os
import pwd
from collections.abc import Collection, Iterator, MutableMapping
from fnmatch import fnmatchcase
from pathlib import Path

from cli.environments import proxies
from orionbox.files import write

LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables without which a Python that was moved does not find its libraries."""
SYSTEM = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", *LIBRARIES)
"""What every program needs."""
TERMINAL = ("TERM", "TERMINFO", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES", "LANG", "LANGUAGE", "LC_*", "SHELL")
"""What a program needs that the user types into."""
USER = ("EDITOR", "VISUAL", "PAGER", "LESS", "PSQL_EDITOR", "PSQL_PAGER", "SSH_AUTH_SOCK")
"""The user's choices for a shell."""
ENGINE = (
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "DOCKER_API_VERSION",
)
"""Which container engine to use, and how to log in to it. `.env` may have these, too."""
DOCKER = (*ENGINE, *proxies.NAMES, "SSH_AUTH_SOCK", "XDG_*", "COMPOSE_HTTP_TIMEOUT", "COMPOSE_PARALLEL_LIMIT")
TAG = "ORIONBOX_TAG"
"""The tag of the images, which compose/versions.env sets for everybody who has not chosen one."""
MISLEADING = (
    "COMPOSE_FILE",
    "COMPOSE_PATH_SEPARATOR",
    "COMPOSE_ENV_FILES",
    "COMPOSE_DISABLE_ENV_FILE",
    "COMPOSE_PROFILES",
    "DOCKER_DEFAULT_PLATFORM",
)
"""Variables of Docker that would select other files, services or images than the platform's."""
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
"""Variables that name a file of certificate authorities."""
SYSTEM_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
"""Where Debian, Red Hat and SUSE keep the authorities that the machine trusts. macOS keeps them in no file."""


def choose(*patterns: str) -> dict[str, str]:
    """Returns the variables of the user's environment that match a pattern, and PATH and HOME in any case.

    A folder for temporary files is left out if no file can be created in it, because many programs fail there; and a
    language that is not installed, of which many complain.
    """
    names = (*SYSTEM, *patterns)
    found = {name: value for name, value in os.environ.items() if matches(name, names)}
    found.setdefault("PATH", os.defpath)
    if not os.path.isdir(found.get("HOME", "")):
        found["HOME"] = _home()
    if not _is_writable(found.get("TMPDIR", "")):
        found.pop("TMPDIR", None)
    if not _has_language():
        found = {name: value for name, value in found.items() if not name.startswith(("LANG", "LC_"))}
    return found


def matches(name: str, patterns: Collection[str]) -> bool:
    """Returns whether a variable's name matches one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _has_language() -> bool:
    """Returns whether the language of the user's environment is installed."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "")
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_ALL, before)
    return True


def _home() -> str:
    """Returns the home folder in the list of users; the top folder for a user who is not in it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # as in a container that was started with a number
        return "/"


def _is_writable(folder: str) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def for_tools() -> dict[str, str]:
    """Returns the environment of Docker, Compose and this machine's own tools, such as git."""
    return choose(*TERMINAL, *DOCKER, TAG)


def for_builds() -> dict[str, str]:
    """Returns the environment of image builds, from which `BUILD_ARGUMENTS` takes the proxies: empty without one.

    Without these, Docker would pass on the proxies of its config.json, even those that a build cannot reach.
    """
    chosen = {**dict.fromkeys(proxies.NAMES, ""), **proxies.for_containers(os.environ).variables}
    return {**for_tools(), **chosen, "DOCKER_BUILDKIT": "1"}


BUILD_ARGUMENTS = tuple(word for name in proxies.NAMES for word in ("--build-arg", name))
"""The options of `docker build` that pass the proxies on, by name: others can see a command line."""


def for_services() -> dict[str, str]:
    """Returns the environment of the services without Docker, which keeps no trace of the user's terminal but PATH."""
    libraries = {name: os.environ[name] for name in LIBRARIES if name in os.environ}
    return {"PATH": os.environ.get("PATH", os.defpath), **libraries, "PYTHONUTF8": "1"}


def for_terminal() -> dict[str, str]:
    """Returns the environment of a program of the platform that the user types into: a shell, or psql."""
    return choose(*TERMINAL, *USER)


def for_developers() -> dict[str, str]:
    """Returns the whole environment, for the tests and tools of this project's own developers."""
    return dict(os.environ)


def certificate_problems(variables: MutableMapping[str, str] = os.environ) -> Iterator[str]:
    """Removes the variables that name no file of certificates; yields a line for each.

    A conda environment that was deleted leaves them behind, and every TLS connection would fail.
    """
    for name in CERTIFICATES:
        if name in variables and (problem := _problem(variables[name])):
            yield f"{name}={variables[name]}: {problem}; ignored (unset {name})"
            del variables[name]


def _problem(path: str) -> str:
    """Returns what is wrong with a file of certificates; empty if nothing is."""
    if os.path.isdir(path):  # of hashed names, which requests and curl accept
        return ""
    try:
        return "" if b"BEGIN" in Path(path).read_bytes() else "has no certificate"
    except OSError as error:
        return "there is no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)


def authorities(own: Path, bundle: Path) -> str:
    """Returns a file with the certificate authorities that this machine and the user trust; empty if none is known.

    Args:
        own: the folder with the user's own, as .crt files.
        bundle: the file to write if there are any, beside the machine's.
    """
    files = [os.environ.get("SSL_CERT_FILE", ""), *SYSTEM_AUTHORITIES]
    trusted = next((file for file in files if file and os.path.isfile(file)), "")
    certificates = [path.read_text(errors="replace") for path in sorted(own.glob("*.crt"))]
    if not certificates:
        return trusted
    machine = [Path(trusted).read_text(errors="replace")] if trusted else []
    write(bundle, "\n".join([*machine, *certificates]))
    return str(bundle)

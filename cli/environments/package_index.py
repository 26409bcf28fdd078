"""The environment in which pip and uv install the virtual environments: this site's package index, and nothing else.

Sites configure pip, by pip.conf or PIP_*; uv does not read that, so it is translated. Other options that a user has
set, for example PIP_TARGET, PIP_USER or UV_PROJECT, would install something else or somewhere else.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cli.environments import inherited, proxies

OF_PIP = (
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "trusted-host",
    "client-cert",
    "cert",
    "proxy",
    "timeout",
    "retries",
    "keyring-provider",
)
"""The options of pip that say where packages come from, and how to get there."""
LISTS = ("extra-index-url", "find-links", "trusted-host")
SECTIONS = ("global.", "install.", ":env:.")
"""Where `pip config list` finds options; later ones win."""
INDEXES_OF_UV = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")
"""A user who has set one of these has configured uv, and pip's configuration is not translated."""
OF_UV = (
    *INDEXES_OF_UV,
    "UV_INDEX_*",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_HTTP_TIMEOUT",
    "UV_CACHE_DIR",
    "UV_PYTHON_INSTALL_DIR",
    "UV_PYTHON_INSTALL_MIRROR",
)
USERS_OWN = ("XDG_CONFIG_*", "XDG_CACHE_HOME", "XDG_DATA_HOME", "NETRC", "SSL_CERT_DIR", "SSL_CLIENT_CERT")
FOR_BOTH = {
    "PIP_CONFIG_FILE": os.devnull,  # the whole configuration is in variables
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # An authority that the machine trusts: a newer and an older name of the same option
    "UV_SYSTEM_CERTS": "1",
    "UV_NATIVE_TLS": "1",
}


def environment(authorities: str = "", pip: Sequence[str] = (sys.executable, "-m", "pip")) -> dict[str, str]:
    """Returns the environment for pip and uv.

    Args:
        authorities: a file with certificate authorities that are to be trusted; empty for those of the machine.
        pip: the pip whose configuration counts.
    """
    own = inherited.choose("LANG", "LC_*", *USERS_OWN, *OF_UV)
    options = configured(pip)
    if proxy := options.get("proxy"):
        chosen = proxies.for_processes({**os.environ, "HTTPS_PROXY": proxy, "HTTP_PROXY": proxy})
    else:
        chosen = proxies.for_processes(os.environ)
    trusted = authorities or options.get("cert", "")
    return {
        **own,
        **chosen.variables,
        **_cache(own),
        **for_pip(options),
        **for_uv(options, own),
        **({"SSL_CERT_FILE": trusted, "PIP_CERT": trusted} if trusted else {}),
        **FOR_BOTH,
    }


def configured(pip: Sequence[str]) -> dict[str, str]:
    """Returns pip's options of OF_PIP, from its files and from PIP_*, which win."""
    variables = inherited.choose("XDG_CONFIG_*", *(_variable(option) for option in OF_PIP), "PIP_CONFIG_FILE")
    try:
        done = subprocess.run([*pip, "config", "list"], env=variables, capture_output=True, text=True)
    except OSError:
        done = subprocess.CompletedProcess(pip, 1)
    if done.returncode:  # there is no pip: only the variables are known
        pairs = ((option, variables.get(_variable(option), "")) for option in OF_PIP)
        return {option: value for option, value in pairs if value}
    return read_options(done.stdout)


def _variable(option: str) -> str:
    return f"PIP_{'DEFAULT_TIMEOUT' if option == 'timeout' else option.upper().replace('-', '_')}"


def read_options(listing: str) -> dict[str, str]:
    """Returns the options of OF_PIP in the output of `pip config list`: lines like `global.index-url='https://...'`."""
    found: dict[str, str] = {}
    for section in SECTIONS:
        for line in listing.splitlines():
            key, _, value = line.partition("=")
            option = key[len(section) :].replace("_", "-").replace("default-timeout", "timeout")
            if key.startswith(section) and option in OF_PIP:
                found[option] = _unquote(value)
    # pip passes over a file that is missing, and uv stops there
    files = {"find-links", "extra-index-url", "index-url", "cert", "client-cert"} & found.keys()
    for option in files:
        found[option] = " ".join(place for place in re.split(r"[\s]+", found[option]) if _exists(place))
    return {option: value for option, value in found.items() if value.strip()}


def _unquote(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return value


def _exists(place: str) -> bool:
    """Returns False for a path or a file:// address where nothing is; other addresses are for pip to try."""
    parts = urlsplit(place)
    if parts.scheme not in ("", "file"):
        return True
    return Path(unquote(parts.path) if parts.scheme else place).expanduser().exists()


def for_pip(options: Mapping[str, str]) -> dict[str, str]:
    """Returns pip's options as variables."""
    return {_variable(option): value for option, value in options.items() if option not in ("cert", "proxy")}


def for_uv(options: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Returns pip's options as uv's variables; none for the index if the user has configured uv's.

    Args:
        options: of pip.
        own: the user's own variables for uv.
    """
    found: dict[str, str] = {}
    if not any(own.get(name) for name in INDEXES_OF_UV):
        found["UV_DEFAULT_INDEX"] = options.get("index-url", "")
        found["UV_INDEX"] = options.get("extra-index-url", "")
        # As pip: every index counts, and the locks' hashes decide what is installed
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match" if found["UV_INDEX"] else ""
        found["UV_FIND_LINKS"] = ",".join(options.get("find-links", "").split())
        found["UV_NO_INDEX"] = "1" if options.get("no-index", "").lower() in ("1", "true", "yes", "on") else ""
    found["UV_INSECURE_HOST"] = options.get("trusted-host", "")
    found["UV_HTTP_TIMEOUT"] = _whole_seconds(options.get("timeout", ""))
    found["SSL_CLIENT_CERT"] = options.get("client-cert", "")
    found["UV_KEYRING_PROVIDER"] = "subprocess" if options.get("keyring-provider") in ("subprocess", "import") else ""
    return {name: value for name, value in found.items() if value and not own.get(name)}


def _whole_seconds(text: str) -> str:
    return text.partition(".")[0] if re.fullmatch(r"\d+(\.\d*)?", text) else ""


def _cache(own: Mapping[str, str]) -> dict[str, str]:
    """Returns where to cache packages if the home folder does not allow it; empty if it does."""
    cache = Path(own.get("XDG_CACHE_HOME") or Path(own["HOME"], ".cache"))
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if os.access(existing, os.W_OK | os.X_OK):
        return {}
    return {"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1"}


PROBLEMS = (
    (
        r"CERTIFICATE_VERIFY_FAILED|UnknownIssuer|invalid peer certificate|x509",
        "its certificate is not trusted",
        "put the certificate of your proxy's authority into infra/certs/ as a .crt file",
    ),
    (r"\b407\b|Proxy Authentication", "the proxy wants a login", "put it into the proxy's address: USER:PASSWORD@HOST"),
    (r"ProxyError|Cannot connect to proxy|proxy connect", "the proxy does not answer", "see: env | grep -i proxy"),
    (r"\b40[13]\b", "access is denied", "see the login in its address, or in ~/.netrc"),
    (r"dns error|name resolution|not known|getaddrinfo|nodename", "its name is unknown", ""),
    (r"Connection refused|No route to host|unreachable", "nothing answers there", ""),
    (r"timed? ?out", "no answer in time", ""),
    (r"NewConnectionError|Failed to (fetch|download)|error sending request", "it cannot be read", ""),
    (r"from versions: none|not found in the package registry", "a package is missing there, or nothing answers", ""),
)
"""What pip and uv print if the index cannot be used, why it cannot, and a fix; empty for FIX."""
FIX = "connect to the internet, or name your mirror: export PIP_INDEX_URL=https://..."


def explain(errors: str) -> tuple[str, str] | None:
    """Returns why the package index cannot be used, and a fix; None if pip or uv failed for another reason.

    Args:
        errors: what pip or uv printed.
    """
    for pattern, reason, fix in PROBLEMS:
        if re.search(pattern, errors):
            return reason, fix or FIX
    return None


def shown(index: str) -> str:
    """Returns an index as it can be shown, without a password."""
    parts = urlsplit(index)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else index or "pip's own"

"""NET.PUBLIC_SUFFIX and NET.REG_DOMAIN: Google's module ends at them, because it has no data for them.

https://cloud.google.com/bigquery/docs/reference/standard-sql/net_functions
"""

from __future__ import annotations

import re
from functools import cache

from publicsuffixlist import PublicSuffixList

_SPACE = " \t\n\v\f\r"
_START = re.compile(r"[/\\]{2}|[^:/?#\\]*:[/\\]{2}")
"""What stands before the user and the host: `//`, or `SCHEME://`, with slashes of either kind."""
_IN_BRACKETS = re.compile(r"\[[^\[\]]*[\[\]]?")


@cache
def _suffixes() -> PublicSuffixList:
    """ICANN's part of publicsuffix.org's list; Google ignores the other part, the private domains."""
    return PublicSuffixList(only_icann=True, accept_unknown=False)


def host(url: str) -> str | None:
    """NET.HOST, as Google's module evaluates it."""
    text = url.strip(_SPACE)
    start = _START.match(text)
    text = re.split(r"[/?#\\]", text[start.end() if start else 0 :], maxsplit=1)[0].rpartition("@")[2]
    brackets = _IN_BRACKETS.match(text)
    end = text.find(":", brackets.end() if brackets else 0)
    text = (text if end < 0 else text[:end]).lstrip(".")
    return (text.rstrip(".") + "." if text.endswith(".") else text) or None


def public_suffix(url: str) -> str | None:
    """NET.PUBLIC_SUFFIX: the part of the host as it is written."""
    return _end(url, 0)


def reg_domain(url: str) -> str | None:
    """NET.REG_DOMAIN: the public suffix with one label before it."""
    return _end(url, 1)


def _end(url: str, more: int) -> str | None:
    """The labels of a URL's host that are a public suffix, and as many more before them."""
    found = host(url)
    if found is None or ".." in found:
        return None
    labels = found.removesuffix(".").split(".")
    suffix = _suffix(".".join(_normal(label) for label in labels))
    count = len(suffix.split(".")) + more if suffix else len(labels) + 1
    return None if count > len(labels) else ".".join(labels[-count:]) + "." * found.endswith(".")


def _normal(label: str) -> str:
    """English letters in lower case, and Punycode if there are others."""
    lower = re.sub("[A-Z]+", lambda found: found[0].lower(), label)
    return lower if lower.isascii() else f"xn--{lower.encode('punycode').decode()}"


def _suffix(name: str) -> str | None:
    """The public suffix of a host's name in normal form."""
    rules = _suffixes()
    found = rules.publicsuffix(name)
    if found == name and "." in name and rules.publicsuffix(f"x.{name}") == f"x.{name}":
        # Of *.sch.uk the package takes sch.uk for a suffix, too; Google does not
        return rules.publicsuffix(name.partition(".")[2])
    return found

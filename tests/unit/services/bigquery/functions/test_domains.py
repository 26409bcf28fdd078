"""Hosts and their public suffixes: where Google's module can say it, it is the judge."""

from __future__ import annotations

import pytest

from services.bigquery.functions import domains
from services.bigquery.language.evaluator import Scalar
from services.bigquery.types import BY_NAME, Type
from tests.googlesql import queries

URLS = [
    "", " ", "a.b", "http://abc.xyz", "//user:password@a.b:80/path?query", "https://[::1]:80", "[::1", "[a[b]:c",
    "http://例子.卷筒纸.中国", "    www.Example.Co.UK    ", "mailto:?to=&subject=&body=", "mailto:a@b.com", "a:b://c",
    "\\\\a.b\\c", "/\\a.b", "http:/\\x.y", "http:/x.y", "a@b://c@d:1@e?f", "..a..b..", "...", "a.com.", "http://", "://a",
    "a#b:c", "a/b://c", "x:y:z", "http://a:b:c", "http://@", "@", ":", "//", "///a", "javascript:void(0)", "a b.com",
]  # fmt: skip


def test_the_host_is_that_of_googles_module() -> None:
    text = Type(BY_NAME["STRING"])
    found = queries().evaluator.scalar(Scalar("NET.HOST(a0)", (text,), text), [URLS])
    assert [domains.host(url) for url in URLS] == found


@pytest.mark.parametrize(
    ("name", "suffix", "domain"),
    [
        ("com", "com", None),
        ("sch.uk", "uk", "sch.uk"),
        ("www.clavering.essex.sch.uk", "essex.sch.uk", "clavering.essex.sch.uk"),
        ("ck", "ck", None),
        ("foo.ck", "foo.ck", None),
        ("www.ck", "ck", "www.ck"),
        ("foo.blogspot.com", "com", "blogspot.com"),
        ("foo.com.", "com.", "foo.com."),
        ("foo.bar.invalid", None, None),
        ("a.XN--55QX5D.cn", "XN--55QX5D.cn", "a.XN--55QX5D.cn"),
        ("a.公司.cn", "公司.cn", "a.公司.cn"),
        ("a.公司.CN", "公司.CN", "a.公司.CN"),
        ("1.2.3.4", None, None),
    ],
)
def test_suffixes_are_those_of_googles_own_tests(name: str, suffix: str | None, domain: str | None) -> None:
    assert (domains.public_suffix(name), domains.reg_domain(name)) == (suffix, domain)

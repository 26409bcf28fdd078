"""Checks the signed URLs and forms in googleapis/conformance-tests: python -m dev.peers.signatures FOLDER.

They were made in 2019 and 2020, so each is checked as of its own time.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from services.gcs.errors import StorageError
from services.gcs.rules import signatures


def check_url(test: dict[str, Any], keys: signatures.Keys) -> None:
    """Check a signed URL; raise StorageError if it is not right."""
    address = urlsplit(test["expectedUrl"])
    query = tuple(parse_qsl(address.query, keep_blank_values=True))
    headers = {name.lower(): value for name, value in test.get("headers", {}).items()} | {"host": address.netloc}
    request = signatures.SignedRequest(test["method"], address.path or "/", query, headers)
    signatures.check(request, keys, _moment(test["timestamp"]))


def check_form(test: dict[str, Any], keys: signatures.Keys) -> None:
    """Check a signed form; raise StorageError if it is not right."""
    given, conditions = test["policyInput"], test["policyInput"].get("conditions") or {}
    fields = {name.lower(): value for name, value in test["policyOutput"]["fields"].items()}
    fields["bucket"] = given["bucket"]
    if starts := conditions.get("startsWith"):
        fields[starts[0].lstrip("$")] = f"{starts[1]}x"
    size = (conditions.get("contentLengthRange") or [0])[0]
    signatures.check_form(fields, keys, _moment(given["timestamp"]), size)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) + timedelta(seconds=5)


def main() -> None:
    """Check all of them; print those that are refused, and a count."""
    folder = Path(sys.argv[1])
    tests = json.loads((folder / "v4_signatures.json").read_text(encoding="utf-8"))
    keys = signatures.Keys(folder / "test_service_account.not-a-test.json")
    right, total = 0, 0
    for name, check in (("signingV4Tests", check_url), ("postPolicyV4Tests", check_form)):
        for test in tests[name]:
            total += 1
            try:
                check(test, keys)
                right += 1
            except StorageError as error:
                print(f"{test['description']}: {error.message}")  # noqa: T201
    print(f"{right} of {total} verified")  # noqa: T201


if __name__ == "__main__":
    main()

"""Sends the steps in this folder to a Cloud Storage server and compares its answers with Google's.

Usage: python -m tests.conformance.storage.runner http://127.0.0.1:4443
"""

from __future__ import annotations

import json
import os
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

FOLDER = Path(__file__).parent
TIMEOUT = 60
"""Seconds that a server has for an answer."""
Step = dict[str, Any]


@dataclass
class Case:
    """Some steps in a row, on a bucket of their own; `page` is where Google documents the answers."""

    file: str
    name: str
    page: str
    steps: list[Step]
    bucket: dict[str, Any] = field(default_factory=dict)


@dataclass
class Answer:
    """What a server has answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON; None if it is something else."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def read_cases(folder: Path = FOLDER) -> Iterator[Case]:
    """Return all cases of a folder."""
    for file in sorted(folder.glob("*.yaml")):
        for case in yaml.safe_load(file.read_text(encoding="utf-8")):
            yield Case(file.stem, case["case"], case["page"], case["steps"], case.get("bucket", {}))


def count_steps(folder: Path = FOLDER) -> int:
    """Return the number of steps in a folder."""
    return sum(len(case.steps) for case in read_cases(folder))


class Runner:
    """Sends the steps of one case to a server.

    Args:
        url: the server's address.
        case: the case.
    """

    def __init__(self, url: str, case: Case) -> None:
        self._url, self._case = url.rstrip("/"), case
        self._kept = {"B": f"conformance-{uuid.uuid4().hex}"}
        self._clients: dict[str, Any] = {}

    def run(self) -> list[str]:
        """Run all steps; return what is wrong, a line for each step."""
        bucket = {"name": self._kept["B"], **self._case.bucket}
        created = self._send({"do": "POST /storage/v1/b?project=p&enableObjectRetention=true", "json": bucket})
        if created.status != 200:
            return [f"{self._case.name}: no bucket: {created.body!r}"]
        wrong = []
        for number, step in enumerate(self._case.steps, start=1):
            filled = self._fill(step)
            problems = self._call(filled) if "python" in filled else self._ask(filled)
            what = filled.get("python") or filled["do"]
            wrong += [f"{self._case.file}: {self._case.name}, step {number}: {what}: {each}" for each in problems]
        return wrong

    def _fill(self, value: Any) -> Any:
        """Replace `$name` in every text."""
        if isinstance(value, dict):
            return {name: self._fill(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._fill(each) for each in value]
        if isinstance(value, str):
            return re.sub(r"\$(\w+)", lambda found: str(self._kept.get(found[1], found[0])), value)
        return value

    def _send(self, step: Step) -> Answer:
        address = urlsplit(self._url)
        method, _, path = step["do"].partition(" ")
        # A redirect or a Location is an address of this server
        path = path.removeprefix(self._url)
        headers = {name: str(value) for name, value in step.get("headers", {}).items()}
        body: bytes | None = None
        if "json" in step:
            body = json.dumps(step["json"]).encode()
            headers.setdefault("Content-Type", "application/json")
        elif "size" in step:
            body = b"x" * step["size"]
        elif "body" in step:
            body = step["body"] if isinstance(step["body"], bytes) else step["body"].encode()
        if body is not None and path.startswith("/storage/v1/"):
            headers.setdefault("Content-Type", "application/json")
        connection = HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, headers)
            response: HTTPResponse = connection.getresponse()
            answered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, answered, response.read())
        finally:
            connection.close()

    def _ask(self, step: Step) -> Iterator[str]:
        answer = self._send(step)
        if answer.status != step.get("status", 200):
            yield f"status {answer.status}, right is {step.get('status', 200)}: {answer.body[:200]!r}"
            return
        yield from _compare(step, answer)
        for name, path in step.get("keep", {}).items():
            found = answer.headers.get(path[1:]) if path.startswith("@") else _at(answer.document, path)
            self._kept[name] = "" if found is None else str(found)

    def _call(self, step: Step) -> Iterator[str]:
        try:
            found = eval(step["python"], self._names())
        except Exception as error:
            if type(error).__name__ != step.get("raises"):
                yield f"raised {error!r}, right is {step.get('raises') or step.get('returns')!r}"
            return
        if "raises" in step:
            yield f"returned {found!r}, right is to raise {step['raises']}"
        elif "returns" in step and found != step["returns"]:
            yield f"returned {found!r}, right is {step['returns']!r}"

    def _names(self) -> dict[str, Any]:
        if not self._clients:
            self._clients = make_clients(self._url, self._kept["B"])
        return {**self._clients, "B": self._kept["B"]}


def make_clients(url: str, bucket: str) -> dict[str, Any]:
    """Return the clients that steps may call, all of them anonymous and without caches."""
    os.environ.setdefault("NO_GCE_CHECK", "true")
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
    import gcsfs
    import pyarrow.fs
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
    gcs = storage.Client(project="p", credentials=anonymous, client_options={"api_endpoint": url})
    fs = gcsfs.GCSFileSystem(token="anon", endpoint_url=url, use_listings_cache=False, skip_instance_cache=True)
    host = url.removeprefix("http://")
    arrow = pyarrow.fs.GcsFileSystem(anonymous=True, scheme="http", endpoint_override=host)
    return {"gcs": gcs, "bucket": gcs.bucket(bucket), "fs": fs, "arrow": arrow, "pyarrow": pyarrow}


def _compare(step: Step, answer: Answer) -> Iterator[str]:
    document = answer.document
    for path, value in step.get("has", {}).items():
        if (found := _at(document, path)) != value:
            yield f"{path} is {found!r}, right is {value!r}"
    for path in step.get("lacks", []):
        if (found := _at(document, path)) is not None:
            yield f"{path} is {found!r}, right is none"
    if "error" in step and (found := _at(document, "error.errors.0.reason")) != step["error"]:
        yield f"reason {found!r}, right is {step['error']!r}: {answer.body[:200]!r}"
    for key, field_name in (("names", "items"), ("prefixes", "prefixes")):
        if key in step:
            found = (document or {}).get(field_name, [])
            listed = [each["name"] for each in found] if key == "names" else found
            if listed != step[key]:
                yield f"{key} {listed!r}, right is {step[key]!r}"
    yield from _compare_bytes(step, answer)


def _compare_bytes(step: Step, answer: Answer) -> Iterator[str]:
    text = answer.body.decode("utf-8", "replace")
    if "gives" in step and text != step["gives"]:
        yield f"gave {text[:200]!r}, right is {step['gives']!r}"
    if "says" in step and step["says"] not in text:
        yield f"said {text[:300]!r}, right is {step['says']!r}"
    if "length" in step and len(answer.body) != step["length"]:
        yield f"gave {len(answer.body)} bytes, right is {step['length']}"
    for name, value in step.get("sends", {}).items():
        if (found := answer.headers.get(name.lower())) != (None if value is None else str(value)):
            yield f"header {name} is {found!r}, right is {value!r}"


def _at(document: Any, path: str) -> Any:
    """Return the field at a path such as `a.b`; a number is a place in a list."""
    for part in path.split("."):
        if isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        elif isinstance(document, dict):
            document = document.get(part)
        else:
            return None
    return document


def main() -> int:
    """Run every case against the server that is named; return the number of wrong cases."""
    wrong = [(case, problems) for case in read_cases() if (problems := Runner(sys.argv[1], case).run())]
    for _, problems in wrong:
        print("\n".join(problems))  # noqa: T201
    print(f"{count_steps()} steps, {sum(len(problems) for _, problems in wrong)} wrong answers")  # noqa: T201
    return min(len(wrong), 1)


if __name__ == "__main__":
    sys.exit(main())

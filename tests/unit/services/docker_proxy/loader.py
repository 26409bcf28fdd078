"""The docker-proxy's modules, loaded by path: services/docker-proxy is a program, not a package."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import pytest

from tests.conftest import ROOT

ENV = {
    "PROJECT": "box",
    "NETWORK": "box",
    "ALLOWED_IMAGES": "orionbox/flows:1, orionbox/extra:2",
    "ALLOWED_BINDS": "/home/ada/box/flows:ro\n/home/ada/box/workspace/",
    "ALLOWED_VOLUMES": "box_results,elsewhere_results",
    "RUN_MEMORY": "1000",
    "RUN_USER": "1000:1000",
    "RUN_DNS": "127.0.0.1",
    "RUN_DNS_OPTIONS": "timeout:1,attempts:2",
    "CHECKOUT": "4f2a",
    "FOLDER": "/home/ada/box",
}
IMAGE = "orionbox/flows:1"


def load(name: str) -> Any:
    folder = str(ROOT / "services" / "docker-proxy")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


rules, routes = load("rules"), load("routes")
POLICY = rules.Policy.from_env(ENV)


def decide(method: str, target: str, body: Any = None) -> Any:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return routes.decide(method, target, raw, POLICY)


def create(**fields: Any) -> Any:
    return decide("POST", "/v1.41/containers/create?name=teal-otter", {"Image": IMAGE, **fields})


def reason(method: str, target: str, body: Any = None) -> str:
    with pytest.raises(rules.Refused) as refusal:
        decide(method, target, body)
    return str(refusal.value)

"""The PyPI package `zetasql`: Google's analyzer and reference evaluator as WebAssembly, and its protobuf messages.

Nothing outside this folder names the package, so that another build of Google's library can take its place. Its Python
wrappers are not used: they take 25 ms a statement where the raw messages take 4.
"""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
from pathlib import Path
from typing import Any

PACKAGE = "zetasql"
VERSION = "0.1.5"
_MESSAGES = "zetasql.wasi._pb2.zetasql"

# Protobuf refuses messages nested deeper than 100, which are 25 nested expressions of a resolved tree
importlib.import_module("google._upb._message").SetAllowOversizeProtos(True)


def _messages(name: str) -> Any:
    """One of the package's protobuf modules; they have no usable types."""
    return importlib.import_module(f"{_MESSAGES}.{name}")


service = _messages("local_service.local_service_pb2")
option = _messages("public.options_pb2")
types = _messages("public.type_pb2")
value = _messages("public.value_pb2")
options = _messages("proto.options_pb2")
catalog = _messages("proto.simple_catalog_pb2")
function = _messages("proto.function_pb2")
dates = _messages("public.functions.datetime_pb2")
nodes = _messages("resolved_ast.resolved_ast_pb2")
node_kinds = _messages("resolved_ast.resolved_node_kind_pb2")


def wasm_file() -> Path:
    """Where the package keeps the module's source."""
    found = importlib.util.find_spec("zetasql.wasi")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / "zetasql.wasm"


def time_zones() -> Path:
    """The folder of time zone files that the module reads as /usr/share/zoneinfo."""
    return Path(str(importlib.resources.files("tzdata"))) / "zoneinfo"


Empty = importlib.import_module("google.protobuf.empty_pb2").Empty
PARSE_LOCATION_RECORD_CODE_SEARCH = 2
"""The module's enumeration ParseLocationRecordType: of a table the place of its path."""

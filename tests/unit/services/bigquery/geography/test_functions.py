"""The table of functions: nothing that BigQuery documents is forgotten, nothing is there without a case."""

from __future__ import annotations

from services.bigquery.geography.functions import AGGREGATES, SCALARS
from services.bigquery.language import package
from services.bigquery.language.catalog import NOT_BIGQUERY
from tests.conformance.bigquery.cases import FOLDER, read

NOT_BUILT = {"st_clusterdbscan"}
"""Refused by name."""


def test_every_function_that_the_analyzer_knows_is_built_or_refused_by_name() -> None:
    known = package.service.DESCRIPTOR.pool.FindEnumTypeByName("zetasql.FunctionSignatureId").values_by_name
    names = {
        name.removeprefix("FN_").replace("_", "").lower()
        for name in known
        if name.startswith(("FN_ST_", "FN_S2_")) and not name.startswith(NOT_BIGQUERY)
    }
    built = {name.replace("_", "") for name in {*SCALARS, *AGGREGATES, *NOT_BUILT}}
    forgotten = {name for name in names if not any(name.startswith(one) for one in built)}
    assert forgotten == set()


def test_every_function_has_a_case() -> None:
    texts = "\n".join(case.text.lower() for case in read(FOLDER / "geography.txt"))
    assert {name for name in {*SCALARS, *AGGREGATES, *NOT_BUILT} if f"{name}(" not in texts} == set()

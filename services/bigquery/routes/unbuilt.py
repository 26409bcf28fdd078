"""What BigQuery's API has and this server has not: refused by name."""

from __future__ import annotations

from typing import Any

from services.bigquery.routes.call import Call, Route, refuse, route

_DATASET = "/projects/{project}/datasets/{dataset}"
_METHODS = "GET POST PUT PATCH DELETE"


def no_models(call: Call) -> Any:
    """Lists a dataset's models: there are none."""
    with call.api.store.transaction() as tx:
        tx.dataset((call.project, call.params["dataset"]))
    return {}


def allowed(call: Call) -> Any:
    """Says that a client may do all that it asks about: access is not controlled here."""
    asked = call.json().get("permissions") or []
    # Google's JSON reader takes a list in a list for its items, and Google's own client sends one
    return {"permissions": [one for each in asked for one in (each if isinstance(each, list) else [each])]}


ROUTES: tuple[Route, ...] = (
    route("GET", f"{_DATASET}/models", no_models),
    route(_METHODS, f"{_DATASET}/models/{{model}}", refuse("models (BigQuery ML)")),
    route("POST", f"{_DATASET}/tables/{{table}}:testIamPermissions", allowed),
    route("GET POST", f"{_DATASET}/tables/{{table}}:(?:get|set)IamPolicy", refuse("access policies")),
    route(_METHODS, f"{_DATASET}/tables/{{table}}/rowAccessPolicies(?:/.*)?", refuse("row access policies")),
    route("POST", f"{_DATASET}:undelete", refuse("undelete of datasets")),
)

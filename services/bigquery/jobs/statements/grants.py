"""GRANT and REVOKE: kept and shown in INFORMATION_SCHEMA.OBJECT_PRIVILEGES; nobody is refused anything.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-control-language
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.bigquery.compiler.module_text import constant_of
from services.bigquery.errors import NotBuilt, invalid_query
from services.bigquery.language import tree
from services.bigquery.records import GRANTS, Dataset, Path, Table, Transaction

_TABLES = ("TABLE", "VIEW", "MATERIALIZED VIEW", "EXTERNAL TABLE")


def carry_out(
    tx: Transaction,
    statement: Any,
    locate: Callable[[tuple[str, ...]], Path],
    locate_dataset: Callable[[tuple[str, ...]], tuple[str, str]],
) -> None:
    """Changes who has which roles on a dataset or table.

    Args:
        tx: The transaction.
        statement: The resolved statement.
        locate: Gives the full path of a table's name.
        locate_dataset: Likewise of a dataset's.

    Raises:
        BigQueryError: There is no such dataset or table, or its kind has no roles here.
    """
    found = tree.node(statement)
    is_grant = tree.kind(found) == "GrantStmt"
    what = " ".join(tree.get(found, "object_type_list")).upper()
    roles = [one.action_type for one in tree.get(found, "privilege_list")]
    known = [constant_of(one) for one in tree.get(found, "grantee_expr_list")]
    grantees = [str(one[1]) for one in known if one is not None]
    if len(grantees) < max(len(known), 1):
        raise invalid_query("GRANT and REVOKE need grantees in quotes")
    path = tuple(tree.get(found, "name_path"))
    if what == "SCHEMA":
        dataset = tx.dataset(locate_dataset(path))
        resource = _changed(dataset.resource, roles, grantees, is_grant)
        tx.put_dataset(Dataset(dataset.path, resource, dataset.created), is_new=False)
    elif what in _TABLES:
        table = tx.table(locate(path))
        tx.put_table(Table(table.path, table.kind, _changed(table.resource, roles, grantees, is_grant), table.created))
    else:
        raise NotBuilt(f"{'GRANT' if is_grant else 'REVOKE'} on {what}")


def _changed(
    resource: Mapping[str, Any], roles: Sequence[str], grantees: Sequence[str], is_grant: bool
) -> dict[str, Any]:
    known = {role: list(names) for role, names in (resource.get(GRANTS) or {}).items()}
    for role in roles:
        old = known.get(role, [])
        new = [*old, *(name for name in grantees if name not in old)]
        known[role] = new if is_grant else [name for name in old if name not in grantees]
    kept = {role: names for role, names in known.items() if names}
    own = {key: value for key, value in resource.items() if key != GRANTS}
    return {**own, GRANTS: kept} if kept else own

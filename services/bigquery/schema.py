"""Columns in REST form (`TableFieldSchema`), as types, and back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.bigquery import types
from services.bigquery.errors import BigQueryError
from services.bigquery.types import Type

Field = Mapping[str, Any]
_KINDS = {
    **{row.name: kind for kind, row in types.ROWS.items()},
    **{row.rest: kind for kind, row in types.ROWS.items()},
    "FLOAT64": "DOUBLE",
    "BOOL": "BOOL",
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
}
_NOT_OF_FIELD = re.compile(r"""[!"$()*,./;?@\[\\\]^`{}~\x00-\x1f\x7f\ud800-\udfff]""")
_RECORDS = ("RECORD", "STRUCT")
_RESERVED = ("_PARTITION", "_TABLE_", "_FILE_", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:-]{0,98}[A-Za-z0-9])?")
"""What a project's name can have, also of one that is only known here: shorter than Google's, or with capitals."""


def invalid(message: str) -> BigQueryError:
    """An error about a schema or another part of a request."""
    return BigQueryError("invalid", message)


def check_dataset(project: str, name: str) -> None:
    """Refuses names that no new dataset can have, and no project.

    https://cloud.google.com/bigquery/docs/datasets#dataset-naming,
    https://cloud.google.com/resource-manager/docs/creating-managing-projects

    Raises:
        BigQueryError: In Google's words.
    """
    if not _PROJECT.fullmatch(project):
        text = (
            "Project IDs must contain 6-63 lowercase letters, digits, or dashes. Some project IDs also include domain"
        )
        text += " name separated by a colon. IDs must start with a letter and may not end with a dash."
        raise invalid(f"Invalid project ID '{project[:100]}'. {text}")
    if not _DATASET.fullmatch(name):
        text = "Dataset IDs must be alphanumeric (plus underscores) and must be at most 1024 characters long."
        raise invalid(f'Invalid dataset ID "{name[:100]}". {text}')


def check_names(table: str, fields: Iterable[Field]) -> None:
    """Refuses names that no new table can have.

    https://cloud.google.com/bigquery/docs/tables#table_naming, https://cloud.google.com/bigquery/docs/schemas#column_names

    Raises:
        BigQueryError: In Google's words.
    """
    if not table or len(table.encode()) > 1024 or any(not _is_of_table(char) for char in table):
        text = "Table IDs must be alphanumeric (plus underscores) and must be at most 1024 characters long."
        raise invalid(f'Invalid table ID "{table[:100]}". {text} Also, Table decorators cannot be used.')
    for field in fields:
        name = str(field["name"])
        if len(name) > 300 or _NOT_OF_FIELD.search(name):
            text = "Fields must contain the allowed characters, and be at most 300 characters long. For allowed"
            text += " characters, please refer to https://cloud.google.com/bigquery/docs/schemas#column_names"
            raise invalid(f'Invalid field name "{name[:100]}". {text}')
        if name.upper().startswith(_RESERVED):
            text = f"Field names are not allowed to start with the (case-insensitive) prefixes {', '.join(_RESERVED)}"
            raise invalid(f'Invalid field name "{name[:100]}". {text}')
        if field.get("fields"):
            check_names(table, field["fields"])


def _is_of_table(char: str) -> bool:
    """Letters, marks, numbers, connectors, dashes and spaces."""
    kind = unicodedata.category(char)
    return kind[0] in "LMN" or kind in ("Pc", "Pd", "Zs")


def type_of(field: Field) -> Type:
    """The type of a column.

    Raises:
        BigQueryError: BigQuery has no such type.
    """
    kind = _element(field)
    return Type("ARRAY", kind) if mode(field) == "REPEATED" else kind


def mode(field: Field) -> str:
    """NULLABLE, REQUIRED or REPEATED."""
    return str(field.get("mode") or "NULLABLE").upper()


def _element(field: Field) -> Type:
    name = str(field.get("type", "")).upper()
    if name in _RECORDS:
        if not field.get("fields"):
            raise invalid(f"Field {field.get('name')} is type RECORD but has no schema")
        return Type("STRUCT", fields=tuple((part["name"], type_of(part)) for part in field["fields"]))
    if name == "RANGE":
        element = str((field.get("rangeElementType") or {}).get("type", "")).upper()
        if element not in ("DATE", "DATETIME", "TIMESTAMP"):
            raise invalid(f"Invalid range element type for field {field.get('name')}")
        return Type("RANGE", Type(element))
    if name not in _KINDS:
        raise invalid(f"Invalid value for type: {field.get('type')} is not a valid value")
    return Type(_KINDS[name])


def field_of(name: str, kind: Type, is_required: bool = False, **more: Any) -> dict[str, Any]:
    """The REST form of a column."""
    field: dict[str, Any] = {"name": name}
    if kind.kind == "ARRAY":
        field |= {**field_of(name, kind.part), "mode": "REPEATED"}
    elif kind.kind == "STRUCT":
        parts = ((name or f"_field_{number}", part) for number, (name, part) in enumerate(kind.fields, 1))
        field |= {"type": "RECORD", "mode": "NULLABLE", "fields": [field_of(*one) for one in parts]}
    elif kind.kind == "RANGE":
        field |= {"type": "RANGE", "mode": "NULLABLE", "rangeElementType": {"type": kind.part.row.rest}}
    else:
        field |= {"type": kind.row.rest, "mode": "NULLABLE"}
    if is_required:
        field["mode"] = "REQUIRED"
    return {**field, **{key: value for key, value in more.items() if value}}


def fields_of(columns: Iterable[tuple[str, Type]]) -> list[dict[str, Any]]:
    """The REST form of a query's columns; those without a name are called f0_, f1_, ... as in BigQuery."""
    fields, anonymous = [], 0
    for name, kind in columns:
        # The module calls them $col1, $col2, ...
        is_anonymous = not name or name.startswith("$")
        fields.append(field_of(f"f{anonymous}_" if is_anonymous else name, kind))
        anonymous += is_anonymous
    return fields


def result_fields(columns: Iterable[tuple[str, Type]]) -> list[dict[str, Any]]:
    """Likewise, of the columns of a result.

    Raises:
        BigQueryError: Two have the same name, which no table can have.
    """
    fields = fields_of(columns)
    names = [field["name"].lower() for field in fields]
    double = sorted({field["name"] for field in fields if names.count(field["name"].lower()) > 1})
    if double:
        text = "Duplicate column names in the result are not supported when a destination table is present."
        raise BigQueryError("invalidQuery", f"{text} Found duplicate(s): {', '.join(double)}", "query")
    return fields


def columns_of(fields: Sequence[Field]) -> tuple[tuple[str, Type], ...]:
    """Names and types of columns in REST form."""
    return tuple((field["name"], type_of(field)) for field in fields)


def normal(fields: Iterable[Field]) -> list[dict[str, Any]]:
    """Fields as BigQuery answers them: REST's names of types, and always a mode.

    Raises:
        BigQueryError: A name or type that BigQuery does not have.
    """
    found = []
    for field in fields:
        if not field.get("name"):
            raise invalid("Field name cannot be empty")
        element = _element(field)
        rest = "RECORD" if element.kind == "STRUCT" else "RANGE" if element.kind == "RANGE" else element.row.rest
        one = {**{key: value for key, value in field.items() if value is not None}, "type": rest, "mode": mode(field)}
        if field.get("fields"):
            one["fields"] = normal(field["fields"])
        if not (one.get("policyTags") or {}).get("names"):
            one.pop("policyTags", None)
        found.append(one)
    names = [field["name"].lower() for field in found]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"Duplicate column name: {name}")
    return found

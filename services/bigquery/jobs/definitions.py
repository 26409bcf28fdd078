"""CREATE, ALTER and DROP: carried out in the store as `compiler.definitions` describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.bigquery import schema
from services.bigquery.compiler import definitions as asked
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.jobs.destinations import ensure_hidden
from services.bigquery.records import ColumnChange, Dataset, Path, Routine, Table, Transaction
from services.bigquery.schema import invalid

_KINDS = {"TABLE": ("TABLE",), "VIEW": ("VIEW",), "MATERIALIZED VIEW": ("MATERIALIZED_VIEW",)}
_KINDS |= {"SNAPSHOT TABLE": ("SNAPSHOT",), "EXTERNAL TABLE": ("EXTERNAL",)}
_OPTIONS = {
    "description": "description",
    "friendly_name": "friendlyName",
    "labels": "labels",
    "expiration_timestamp": "expirationTime",
    "require_partition_filter": "requirePartitionFilter",
    "default_table_expiration_days": "defaultTableExpirationMs",
    "default_partition_expiration_days": "defaultPartitionExpirationMs",
    "location": "location",
    "default_collation": "defaultCollation",
    "is_case_insensitive": "isCaseInsensitive",
    "max_time_travel_hours": "maxTimeTravelHours",
    "storage_billing_model": "storageBillingModel",
    "kms_key_name": "kmsKeyName",
    "default_rounding_mode": "defaultRoundingMode",
    "max_staleness": "maxStaleness",
    "tags": "resourceTags",
}
"""Names in OPTIONS(...) and in REST."""
_OF_VIEW = {"enable_refresh": "enableRefresh", "refresh_interval_minutes": "refreshIntervalMs"}
_OF_VIEW |= {"max_staleness": "maxStaleness", "allow_non_incremental_definition": "allowNonIncrementalDefinition"}
"""Likewise inside `materializedView`."""
_REFUSED = frozenset(
    "privacy_policy storage_uri file_format table_format enable_change_history primary_replica is_primary "
    "failover_reservation default_kms_key_name enable_fine_grained_mutations".split()
)
"""Options whose work nothing here does."""
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Done:
    """What a definition did.

    Attributes:
        operation: CREATE, REPLACE, SKIP, ALTER or DROP.
        kind: Of the target: table, dataset or routine.
        path: The target.
    """

    operation: str
    kind: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Maker:
    """Carries out a definition.

    Attributes:
        tx: The transaction.
        locate: Gives the full path of a table's name.
        locate_dataset: Likewise of a dataset's.
        rows: Gives DuckDB SQL of the rows of CREATE TABLE AS.
        convert: Gives DuckDB SQL that turns a column into a field's type, or a field's default value.
    """

    tx: Transaction
    locate: Callable[[asked.Path], Path]
    locate_dataset: Callable[[asked.Path], tuple[str, str]]
    rows: Callable[[], str]

    def carry_out(self, definition: asked.Definition) -> Done:
        """Does it.

        Raises:
            BigQueryError: Google's sentence, where BigQuery refuses it.
        """
        if isinstance(definition, asked.CreateSchema):
            return self._create_schema(definition)
        if isinstance(definition, asked.CreateTable):
            return self._create_table(definition)
        if isinstance(definition, asked.CreateView):
            return self._create_view(definition)
        if isinstance(definition, asked.CreateRoutine):
            return self._create_routine(definition)
        if isinstance(definition, asked.Drop):
            return self._drop(definition)
        if isinstance(definition, asked.Alter):
            return self._alter(definition)
        raise NotBuilt(f"statement {type(definition).__name__}")

    def _create_schema(self, definition: asked.CreateSchema) -> Done:
        path = self.locate_dataset(definition.path)
        found = _or_none(lambda: self.tx.dataset(path))
        if found and definition.mode == "if_not_exists":
            return Done("SKIP", "dataset", path)
        resource = {"location": "US", **options(definition.options)}
        self.tx.put_dataset(Dataset(path, resource), is_new=True)
        return Done("CREATE", "dataset", path)

    def _make_room(self, path: Path, mode: str) -> str:
        """CREATE, or REPLACE once the old table is gone, or SKIP."""
        if path[1].startswith("_"):
            ensure_hidden(self.tx, path)
        self.tx.dataset(path[:2])
        found = _or_none(lambda: self.tx.table(path))
        if found and mode == "if_not_exists":
            return "SKIP"
        if found and mode == "or_replace":
            self.tx.drop_table(path)
            return "REPLACE"
        if found:
            raise BigQueryError("duplicate", f"Already Exists: Table {path[0]}:{path[1]}.{path[2]}", status=409)
        return "CREATE"

    def _create_table(self, definition: asked.CreateTable) -> Done:
        path = self.locate(definition.path)
        rows = self.rows() if definition.has_query else ""
        resource: dict[str, Any] = options(definition.options)
        resource["schema"] = {"fields": [field_of(column) for column in definition.columns]}
        resource |= partitioning_of(definition)
        if definition.primary_key:
            resource["tableConstraints"] = {"primaryKey": {"columns": list(definition.primary_key)}}
        if definition.like:
            resource, rows = self._like(definition, resource)
        schema.check_names(path[2], resource["schema"]["fields"])
        operation = self._make_room(path, definition.mode)
        if operation != "SKIP":
            self.tx.create_table(Table(path, "TABLE", resource), rows)
        return Done(operation, "table", path)

    def _like(self, definition: asked.CreateTable, resource: dict[str, Any]) -> tuple[dict[str, Any], str]:
        name = definition.like.split(".")
        source = self.tx.table((".".join(name[:-2]), name[-2], name[-1]))
        kept = {key: value for key, value in source.resource.items() if key != "expirationTime"}
        if definition.like_word == "LIKE":
            return {**kept, **{key: value for key, value in resource.items() if key != "schema"}}, ""
        relation = self.tx.relation(source.path)
        columns = ", ".join(f"{column} AS o{number}" for number, column in enumerate(relation.columns))
        own = {key: value for key, value in resource.items() if key != "schema"}
        return {**kept, **own}, f"SELECT {columns} FROM {relation.sql}"

    def _create_view(self, definition: asked.CreateView) -> Done:
        path = self.locate(definition.path)
        schema.check_names(path[2], ())
        operation = self._make_room(path, definition.mode)
        if operation == "SKIP":
            return Done(operation, "table", path)
        kind = "MATERIALIZED_VIEW" if definition.is_materialized else "VIEW"
        first: dict[str, Any] = {"schema": {"fields": schema.fields_of(definition.columns)}}
        if definition.is_materialized:
            first["materializedView"] = {"query": definition.sql, "enableRefresh": True}
        else:
            first["view"] = {"query": definition.sql, "useLegacySql": False}
        resource = changed(first, definition.options)
        self.tx.create_table(Table(path, kind, resource))
        return Done(operation, "table", path)

    def _create_routine(self, definition: asked.CreateRoutine) -> Done:
        if definition.is_temporary:
            text = "CREATE TEMPORARY FUNCTION statements must be followed by an actual query."
            raise BigQueryError("invalidQuery", text, "query")
        path = self.locate(definition.path)
        self.tx.dataset(path[:2])
        found = _or_none(lambda: self.tx.routine(path))
        if found and definition.mode == "if_not_exists":
            return Done("SKIP", "routine", path)
        is_replaced = bool(found) and definition.mode == "or_replace"
        self.tx.put_routine(Routine(path, definition.resource), is_new=not is_replaced)
        return Done("REPLACE" if is_replaced else "CREATE", "routine", path)

    def _drop(self, definition: asked.Drop) -> Done:
        what = definition.what.upper()
        try:
            if what == "SCHEMA":
                dataset = self.locate_dataset(definition.path)
                self.tx.drop_dataset(dataset, definition.is_cascade)
                return Done("DROP", "dataset", dataset)
            path = self.locate(definition.path)
            if what in ("FUNCTION", "TABLE FUNCTION", "PROCEDURE"):
                self.tx.drop_routine(path)
                return Done("DROP", "routine", path)
            self._check_kind(path, what)
            self.tx.drop_table(path)
            return Done("DROP", "table", path)
        except BigQueryError as error:
            if error.reason != "notFound" or not definition.is_if_exists:
                raise
        return Done("SKIP", "dataset" if what == "SCHEMA" else "table", definition.path)

    def _check_kind(self, path: Path, what: str) -> Table:
        table = self.tx.table(path)
        if table.kind not in _KINDS.get(what, (table.kind,)) and (what, table.kind) != ("TABLE", "EXTERNAL"):
            name = f"{path[0]}:{path[1]}.{path[2]}"
            raise invalid(f"{name} is not allowed for this operation because it is currently a {table.kind}.")
        return table

    def _alter(self, definition: asked.Alter) -> Done:
        if definition.what == "SCHEMA":
            return self._alter_schema(definition)
        path = self.locate(definition.path)
        try:
            table = self._check_kind(path, definition.what)
        except BigQueryError as error:
            if error.reason == "notFound" and definition.is_if_exists:
                return Done("SKIP", "table", path)
            raise
        for action in definition.actions:
            table = self._act(table, action)
        return Done("ALTER", "table", path)

    def _alter_schema(self, definition: asked.Alter) -> Done:
        path = self.locate_dataset(definition.path)
        found = _or_none(lambda: self.tx.dataset(path))
        if found is None and definition.is_if_exists:
            return Done("SKIP", "dataset", path)
        dataset = found or self.tx.dataset(path)
        for action in definition.actions:
            if action.name != "SetOptions":
                raise NotBuilt(f"ALTER SCHEMA ... {action.name}")
            self.tx.put_dataset(Dataset(path, changed(dataset.resource, action.options), dataset.created), is_new=False)
        return Done("ALTER", "dataset", path)

    def _act(self, table: Table, action: asked.Action) -> Table:
        if action.name == "SetOptions":
            return self.tx.put_table(Table(table.path, table.kind, changed(table.resource, action.options)))
        if action.name == "RenameTo":
            self.tx.rename_table(table.path, action.new_name[-1])
            return self.tx.table((*table.path[:2], action.new_name[-1]))
        known = next((one for one in table.fields if one["name"].lower() == action.column.lower()), None)
        if (action.name == "AddColumn") == (known is not None):
            if action.may_miss:
                return table
            name = f"{table.path[0]}:{table.path[1]}.{table.path[2]}"
            text = "Column already exists" if known else "Column not found"
            raise invalid(f"{text}: {action.column} in table {name}")
        return self.tx.change_columns(table.path, [_change(action, known or {})])


def _change(action: asked.Action, known: Mapping[str, Any]) -> ColumnChange:
    definition = action.definition
    if action.name == "AddColumn" and definition is not None:
        if definition.is_required:
            raise invalid(f"ALTER TABLE ADD COLUMN cannot add a REQUIRED column: {definition.name}")
        if definition.default:
            raise invalid("Default values cannot be specified with ADD COLUMN; use ALTER COLUMN SET DEFAULT after it")
        return ColumnChange("add", definition.name, field_of(definition))
    if action.name == "DropColumn":
        return ColumnChange("drop", action.column)
    if action.name == "RenameColumn":
        return ColumnChange("rename", action.column, {**known, "name": action.new_name[-1]})
    if action.name == "AlterColumnSetDataType" and definition is not None:
        own = field_of(definition)
        new = {key: value for key, value in known.items() if key not in ("maxLength", "precision", "scale")}
        return ColumnChange("retype", action.column, {**new, **own, "name": known["name"], "mode": schema.mode(known)})
    if action.name == "AlterColumnSetDefault" and definition is not None:
        return ColumnChange("default", action.column, {**known, "defaultValueExpression": definition.default})
    if action.name == "AlterColumnDropDefault":
        left = {key: value for key, value in known.items() if key != "defaultValueExpression"}
        return ColumnChange("default", action.column, left)
    if action.name == "AlterColumnDropNotNull":
        return ColumnChange("relax", action.column, {**known, "mode": "NULLABLE"})
    if action.name == "AlterColumnOptions":
        new = {**known, **_column_options(action.options)}
        return ColumnChange("describe", action.column, {key: value for key, value in new.items() if value is not None})
    raise NotBuilt(f"ALTER TABLE ... {action.name}")


def field_of(column: asked.ColumnDefinition) -> dict[str, Any]:
    """A column's REST form."""
    more: dict[str, Any] = {"defaultValueExpression": column.default, **_column_options(column.options)}
    field = schema.field_of(column.name, column.type, column.is_required, **more)
    _restrict(field, column.parameters)
    return field


_COLUMN = {"description": "description", "rounding_mode": "roundingMode"}


def _column_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """OPTIONS(...) of a column in REST form; NULL takes one away."""
    found = {}
    for name, value in given.items():
        if name.lower() not in _COLUMN:
            raise BigQueryError("invalidQuery", f"Unknown option: {name}", "query")
        found[_COLUMN[name.lower()]] = value
    return found


def _restrict(field: dict[str, Any], parameters: asked.Parameters) -> None:
    if field.get("mode") == "REPEATED" and parameters.children:
        parameters = parameters.children[0]
    for name, value in (("maxLength", parameters.length), ("precision", parameters.precision)):
        if value:
            field[name] = str(value)
    if parameters.scale:
        field["scale"] = str(parameters.scale)
    for part, own in zip(field.get("fields", ()), parameters.children, strict=False):
        _restrict(part, own)


def partitioning_of(definition: asked.CreateTable | asked.LoadData) -> dict[str, Any]:
    """PARTITION BY and CLUSTER BY in REST form."""
    found: dict[str, Any] = {}
    by = definition.partitioning
    if by and by.bounds:
        start, end, step = map(str, by.bounds)
        found["rangePartitioning"] = {
            "field": by.column,
            "range": {"start": start, "end": end, "interval": step},
        }
    elif by:
        is_ingestion = by.column.startswith("_PARTITION")
        found["timePartitioning"] = {"type": by.unit, **({} if is_ingestion else {"field": by.column})}
        days = definition.options.get("partition_expiration_days")
        if days is not None:
            found["timePartitioning"]["expirationMs"] = str(int(float(days) * _DAY_MS))
    if definition.clustering:
        found["clustering"] = {"fields": list(definition.clustering)}
    return found


def options(given: Mapping[str, Any]) -> dict[str, Any]:
    """OPTIONS(...) in REST form."""
    return changed({}, given)


def changed(resource: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A resource after SET OPTIONS; NULL takes an option away."""
    new = dict(resource)
    for name, value in ((name.lower(), value) for name, value in given.items()):
        if name == "partition_expiration_days":
            if "timePartitioning" in new:
                milliseconds = {} if value is None else {"expirationMs": str(int(float(value) * _DAY_MS))}
                old = {key: kept for key, kept in new["timePartitioning"].items() if key != "expirationMs"}
                new["timePartitioning"] = {**old, **milliseconds}
            continue
        if name in _OF_VIEW and "materializedView" in new:
            own = str(int(float(value) * 60_000)) if name == "refresh_interval_minutes" and value is not None else value
            new["materializedView"] = {**new["materializedView"], _OF_VIEW[name]: own}
            continue
        if name in _REFUSED:
            raise NotBuilt(f"option {name}")
        key = _OPTIONS.get(name)
        if key is None:
            raise BigQueryError("invalidQuery", f"Unknown option: {name}", "query")
        new.pop(key, None)
        if value is not None:
            new[key] = _option(key, value)
    return new


def _option(key: str, value: Any) -> Any:
    if key in ("labels", "resourceTags"):
        return {str(one["f0"]): str(one["f1"]) for one in value}
    if key == "expirationTime":
        return str(int(value) // 1000)
    if key.endswith("ExpirationMs"):
        return str(int(float(value) * _DAY_MS))
    if isinstance(value, bool):
        return value
    return str(value)


def _or_none(find: Callable[[], Any]) -> Any:
    try:
        return find()
    except BigQueryError as error:
        if error.reason != "notFound":
            raise
        return None

"""CREATE, ALTER and DROP: described for the store, which carries them out; only their queries become SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.bigquery.compiler.module_text import constant_of
from services.bigquery.errors import NotBuilt
from services.bigquery.language import tree, values
from services.bigquery.language.features import PSEUDO_COLUMNS
from services.bigquery.language.functions import routines
from services.bigquery.types import Type

Path = tuple[str, ...]
Options = Mapping[str, Any]
"""Names and plain values of OPTIONS(...)."""


@dataclass(frozen=True)
class Parameters:
    """What a type is restricted to: STRING(5), NUMERIC(10, 2); 0 is no restriction.

    Attributes:
        length: Characters of a STRING, bytes of a BYTES.
        precision: Digits of a NUMERIC or BIGNUMERIC.
        scale: Of them after the point.
        children: Of an array's element, or of a struct's fields.
    """

    length: int = 0
    precision: int = 0
    scale: int = 0
    children: tuple[Parameters, ...] = ()


@dataclass(frozen=True)
class ColumnDefinition:
    """A column of a table to be made.

    Attributes:
        default: Its default value as GoogleSQL text; empty if it has none.
    """

    name: str
    type: Type
    is_required: bool = False
    parameters: Parameters = Parameters()
    default: str = ""
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Partitioning:
    """PARTITION BY.

    Attributes:
        column: Its name; `_PARTITIONTIME` or `_PARTITIONDATE` for a table partitioned by the time of loading.
        unit: HOUR, DAY, MONTH, YEAR or RANGE.
        bounds: Start, end and step of a RANGE.
    """

    column: str
    unit: str
    bounds: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class CreateTable:
    """CREATE TABLE, with or without AS.

    Attributes:
        path: The table's path as written.
        mode: `default`, `or_replace` or `if_not_exists`.
        has_query: Whether `compile_query` gives its rows.
        like: The full name of the table whose columns it takes (LIKE), or whose rows, too (CLONE, COPY).
        like_word: LIKE, CLONE or COPY.
        primary_key: Its columns; BigQuery does not enforce it.
    """

    path: Path
    mode: str
    is_temporary: bool
    columns: tuple[ColumnDefinition, ...]
    has_query: bool
    partitioning: Partitioning | None
    clustering: tuple[str, ...]
    options: Options
    like: str = ""
    like_word: str = ""
    primary_key: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadData:
    """LOAD DATA.

    Attributes:
        path: The table's path as written.
        is_overwrite: Whether the rows replace the old ones.
        options: Of a table that has to be made.
        files: Options of the files: format, uris and so on.
    """

    path: Path
    is_overwrite: bool
    columns: tuple[ColumnDefinition, ...]
    partitioning: Partitioning | None
    clustering: tuple[str, ...]
    options: Options
    files: Options


@dataclass(frozen=True)
class CreateView:
    """CREATE VIEW and CREATE MATERIALIZED VIEW; `sql` is the query as written."""

    path: Path
    mode: str
    columns: tuple[tuple[str, Type], ...]
    sql: str
    is_materialized: bool
    options: Options


@dataclass(frozen=True)
class CreateSchema:
    """CREATE SCHEMA: a dataset."""

    path: Path
    mode: str
    options: Options


@dataclass(frozen=True)
class CreateRoutine:
    """CREATE FUNCTION, TABLE FUNCTION, AGGREGATE FUNCTION and PROCEDURE.

    Attributes:
        resource: As REST has it, without its reference; `routines.text_of` gives the statement again.
    """

    path: Path
    mode: str
    is_temporary: bool
    resource: Mapping[str, Any]


@dataclass(frozen=True)
class Drop:
    """DROP of a TABLE, VIEW, SCHEMA, FUNCTION and so on."""

    what: str
    path: Path
    is_if_exists: bool
    is_cascade: bool = False


@dataclass(frozen=True)
class Action:
    """One action of ALTER.

    Attributes:
        name: The module's name of it, such as `AddColumn` or `SetOptions`.
        column: The column that it is about; empty if it is about the table.
        may_miss: IF EXISTS or IF NOT EXISTS.
        definition: Of a column that is added, or the new type of one that is altered.
        options: New options; NULL takes one away.
        new_name: Of a column or table that is renamed, in parts.
    """

    name: str
    column: str = ""
    may_miss: bool = False
    definition: ColumnDefinition | None = None
    options: Options = field(default_factory=dict)
    new_name: Path = ()


@dataclass(frozen=True)
class Alter:
    """ALTER of a TABLE, VIEW, SCHEMA or MATERIALIZED VIEW."""

    what: str
    path: Path
    is_if_exists: bool
    actions: tuple[Action, ...]


Definition = CreateTable | CreateView | CreateSchema | CreateRoutine | Drop | Alter
_MODES = ("default", "or_replace", "if_not_exists")
_TEMPORARY = 3
_CASCADE = 2
_OVERWRITE = 2
"""Numbers of the module's enumerations CreateScope, DropMode and InsertionMode."""
_TRUNCATIONS = ("timestamp_trunc", "datetime_trunc", "date_trunc")


def describe(statement: Any) -> Definition:
    """What a definition asks for.

    Raises:
        NotBuilt: It is another statement, or has a clause without a rule.
    """
    found = tree.node(statement)
    build = _DEFINITIONS.get(tree.kind(found))
    if build is None:
        raise NotBuilt(f"statement {tree.kind(found).removesuffix('Stmt')}")
    return build(found)


def options_of(items: Any) -> dict[str, Any]:
    """The names and plain values of OPTIONS(...).

    Raises:
        NotBuilt: One is no constant.
    """
    found = {}
    for item in items:
        known = constant_of(item.value)
        if known is None:
            raise NotBuilt(f"option {item.name} that is no constant")
        found[item.name] = known[1]
    return found


def _parameters(message: Any) -> Parameters:
    own = message.type_parameters
    numeric, text = own.numeric_type_parameters, own.string_type_parameters
    return Parameters(
        text.max_length, numeric.precision, numeric.scale, tuple(_parameters(child) for child in message.child_list)
    )


def _column(message: Any) -> ColumnDefinition:
    notes = message.annotations
    if message.HasField("generated_column_info"):
        raise NotBuilt("generated columns")
    if tree.node(notes.collation_name) is not None:
        raise NotBuilt("COLLATE of a column")
    return ColumnDefinition(
        message.name,
        values.type_of(message.type),
        notes.not_null,
        _parameters(notes),
        message.default_value.sql if message.HasField("default_value") else "",
        options_of(notes.option_list),
    )


def _create_table(found: Any) -> CreateTable:
    has_query = tree.kind(found) == "CreateTableAsSelectStmt"
    like, word = _like(found, has_query)
    return CreateTable(
        tuple(tree.get(found, "name_path")),
        _MODES[tree.get(found, "create_mode")],
        tree.get(found, "create_scope") == _TEMPORARY,
        tuple(_column(column) for column in tree.get(found, "column_definition_list")),
        has_query,
        _partitioning(found),
        tuple(_name_of(item) for item in found.cluster_by_list),
        options_of(tree.get(found, "option_list")),
        like,
        word,
        _primary_key(found),
    )


def _primary_key(found: Any) -> tuple[str, ...]:
    if tree.get(found, "foreign_key_list"):
        raise NotBuilt("FOREIGN KEY")
    if not tree.has(found, "primary_key"):
        return ()
    key = tree.get(found, "primary_key")
    if not key.unenforced:
        raise NotBuilt("PRIMARY KEY without NOT ENFORCED")
    return tuple(key.column_name_list)


def _like(found: Any, has_query: bool) -> tuple[str, str]:
    if tree.get(found, "like_table").name:
        return tree.get(found, "like_table").name, "LIKE"
    for word in () if has_query else ("CLONE", "COPY"):
        source = tree.node(getattr(found, f"{word.lower()}_from"))
        if source is not None:
            if tree.kind(source) != "TableScan" or tree.has(source, "for_system_time_expr"):
                raise NotBuilt(f"{word} of an earlier state")
            return source.table.name, word
    return "", ""


def load_data(found: Any) -> LoadData:
    """What LOAD DATA asks for.

    Raises:
        NotBuilt: It has a clause without a rule.
    """
    if found.is_temp_table:
        raise NotBuilt("LOAD DATA into a temporary table")
    if found.HasField("partition_filter") or found.HasField("with_partition_columns"):
        raise NotBuilt("LOAD DATA with PARTITIONS or WITH PARTITION COLUMNS")
    return LoadData(
        tuple(found.name_path),
        found.insertion_mode == _OVERWRITE,
        tuple(_column(column) for column in found.column_definition_list),
        _partitioning(found),
        tuple(_name_of(item) for item in found.cluster_by_list),
        options_of(found.option_list),
        options_of(found.from_files_option_list),
    )


def _name_of(message: Any) -> str:
    found = tree.node(message)
    if tree.kind(found) != "ColumnRef":
        raise NotBuilt("PARTITION BY or CLUSTER BY of such an expression")
    name = str(found.column.name)
    return name.upper() if name.upper() in PSEUDO_COLUMNS else name


def _partitioning(found: Any) -> Partitioning | None:
    if not found.partition_by_list:
        return None
    expression = tree.node(found.partition_by_list[0])
    if tree.kind(expression) == "ColumnRef":
        return Partitioning(_name_of(expression), "DAY")
    if tree.kind(expression) == "Cast":
        return Partitioning(_name_of(expression.expr), "DAY")
    if tree.kind(expression) != "FunctionCall":
        raise NotBuilt("PARTITION BY of such an expression")
    name = tree.get(expression, "function").name.removeprefix("ZetaSQL:")
    arguments = tree.get(expression, "argument_list")
    if name == "date":
        return Partitioning(_name_of(arguments[0]), "DAY")
    if name in _TRUNCATIONS:
        part = tree.node(arguments[1]).value.value.enum_value
        return Partitioning(_name_of(arguments[0]), values.date_part(part))
    if name == "range_bucket":
        return Partitioning(_name_of(arguments[0]), "RANGE", _bounds(arguments[1]))
    raise NotBuilt(f"PARTITION BY {name.upper()}")


def _bounds(message: Any) -> tuple[int, int, int]:
    """Start, end and step of GENERATE_ARRAY(start, end[, step])."""
    found = tree.node(message)
    arguments = tree.get(found, "argument_list") if tree.kind(found) == "FunctionCall" else ()
    known = [constant_of(argument) for argument in arguments]
    numbers = [one[1] for one in known if one is not None and one[0].kind == "INT64"]
    if len(numbers) != len(known) or len(numbers) not in (2, 3):
        raise NotBuilt("RANGE_BUCKET without GENERATE_ARRAY of constants")
    start, end, step = numbers if len(numbers) == 3 else (*numbers, 1)
    return start, end, step


def _create_view(found: Any) -> CreateView:
    outputs = [(item.name, values.type_of(item.column.type)) for item in tree.get(found, "output_column_list")]
    return CreateView(
        tuple(tree.get(found, "name_path")),
        _MODES[tree.get(found, "create_mode")],
        tuple(outputs),
        tree.get(found, "sql"),
        tree.kind(found) == "CreateMaterializedViewStmt",
        options_of(tree.get(found, "option_list")),
    )


def _create_schema(found: Any) -> CreateSchema:
    path, mode = tuple(tree.get(found, "name_path")), _MODES[tree.get(found, "create_mode")]
    return CreateSchema(path, mode, options_of(tree.get(found, "option_list")))


def _create_routine(found: Any) -> CreateRoutine:
    return CreateRoutine(
        tuple(tree.get(found, "name_path")),
        _MODES[tree.get(found, "create_mode")],
        tree.get(found, "create_scope") == _TEMPORARY,
        routines.resource_of(found),
    )


def _drop(found: Any) -> Drop:
    return Drop(found.object_type, tuple(found.name_path), found.is_if_exists, found.drop_mode == _CASCADE)


def _drop_of(what: str) -> Callable[[Any], Drop]:
    return lambda found: Drop(what, tuple(found.name_path), found.is_if_exists)


def _alter_of(what: str) -> Callable[[Any], Alter]:
    def build(found: Any) -> Alter:
        actions = [_action(tree.node(message)) for message in tree.get(found, "alter_action_list")]
        return Alter(what, tuple(tree.get(found, "name_path")), tree.get(found, "is_if_exists"), tuple(actions))

    return build


def _set_options(found: Any) -> Alter:
    """ALTER TABLE ... SET OPTIONS, which has a statement of its own."""
    action = Action("SetOptions", options=options_of(found.option_list))
    return Alter("TABLE", tuple(found.name_path), found.is_if_exists, (action,))


def _action(found: Any) -> Action:
    name = tree.kind(found).removesuffix("Action")
    if name not in _ACTIONS:
        raise NotBuilt(f"ALTER ... {name}")
    return _ACTIONS[name](name, found)


def _add_column(name: str, found: Any) -> Action:
    definition = _column(found.column_definition)
    return Action(name, definition.name, found.is_if_not_exists, definition)


def _new_type(name: str, found: Any) -> Action:
    column = tree.get(found, "column")
    own = found.updated_type_parameters
    text, numeric = own.string_type_parameters, own.numeric_type_parameters
    parameters = Parameters(text.max_length, numeric.precision, numeric.scale)
    definition = ColumnDefinition(column, values.type_of(found.updated_type), parameters=parameters)
    return Action(name, column, tree.get(found, "is_if_exists"), definition)


def _new_default(name: str, found: Any) -> Action:
    column = tree.get(found, "column")
    kind = tree.type_of(found.default_value.expression)
    definition = ColumnDefinition(column, kind, default=found.default_value.sql)
    return Action(name, column, tree.get(found, "is_if_exists"), definition)


def _of_column(name: str, found: Any) -> Action:
    return Action(name, tree.get(found, "column"), tree.get(found, "is_if_exists"))


_ACTIONS: Mapping[str, Callable[[str, Any], Action]] = {
    "AddColumn": _add_column,
    "DropColumn": lambda name, found: Action(name, found.name, found.is_if_exists),
    "RenameColumn": lambda name, found: Action(name, found.name, found.is_if_exists, new_name=(found.new_name,)),
    "RenameTo": lambda name, found: Action(name, new_name=tuple(found.new_path)),
    "SetOptions": lambda name, found: Action(name, options=options_of(found.option_list)),
    "AlterColumnOptions": lambda name, found: Action(
        name, tree.get(found, "column"), tree.get(found, "is_if_exists"), options=options_of(found.option_list)
    ),
    "AlterColumnSetDataType": _new_type,
    "AlterColumnSetDefault": _new_default,
    "AlterColumnDropDefault": _of_column,
    "AlterColumnDropNotNull": _of_column,
}
_DEFINITIONS: Mapping[str, Callable[[Any], Definition]] = {
    "CreateTableStmt": _create_table,
    "CreateTableAsSelectStmt": _create_table,
    "CreateViewStmt": _create_view,
    "CreateMaterializedViewStmt": _create_view,
    "CreateSchemaStmt": _create_schema,
    "CreateFunctionStmt": _create_routine,
    "CreateTableFunctionStmt": _create_routine,
    "CreateProcedureStmt": _create_routine,
    "DropStmt": _drop,
    "DropMaterializedViewStmt": _drop_of("MATERIALIZED VIEW"),
    "DropSnapshotTableStmt": _drop_of("SNAPSHOT TABLE"),
    "DropFunctionStmt": _drop_of("FUNCTION"),
    "DropTableFunctionStmt": _drop_of("TABLE FUNCTION"),
    "AlterTableStmt": _alter_of("TABLE"),
    "AlterTableSetOptionsStmt": _set_options,
    "AlterViewStmt": _alter_of("VIEW"),
    "AlterMaterializedViewStmt": _alter_of("MATERIALIZED VIEW"),
    "AlterSchemaStmt": _alter_of("SCHEMA"),
}

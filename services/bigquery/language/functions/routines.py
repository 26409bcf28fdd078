"""SQL, JavaScript and table functions: from their definition to what the analyzer knows of them.

A function is kept as Google's REST resource has it (https://cloud.google.com/bigquery/docs/reference/rest/v2/routines).
SQL functions are registered with their text, which the module puts in the place of each call; so the compiler needs no
rule for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.language import package, tree, values
from services.bigquery.language.functions.javascript import Javascript, aggregate_function, check
from services.bigquery.types import BY_NAME, Type

Path = tuple[str, ...]
Resource = Mapping[str, Any]
TEMPLATED, _OTHER = "Templated_SQL_Function", "External_function"
"""Groups of functions: the first is what the module puts in the place of a call."""
_ARGUMENT = package.function.FunctionArgumentTypeProto.DESCRIPTOR
_ARBITRARY = _ARGUMENT.fields_by_name["kind"].enum_type.values_by_name["ARG_TYPE_ARBITRARY"].number
_TABLE_FUNCTION = package.function.TableValuedFunctionProto.DESCRIPTOR
_TEMPLATED = _TABLE_FUNCTION.fields_by_name["type"].enum_type.values_by_name["TEMPLATED_SQL_TVF"].number
_SCALAR, _AGGREGATE = 1, 2
"""The module's enumeration of a function's modes."""


@dataclass(frozen=True)
class Function:
    """A function that a statement may call.

    Attributes:
        path: The parts under which the statement names it, after `names.split_paths`.
        message: The module's `FunctionProto` or `TableValuedFunctionProto`.
        is_table: Whether it is a table function.
        javascript: Its code, if it is JavaScript.
    """

    path: Path
    message: Any
    is_table: bool = False
    javascript: Javascript | None = None


def function_of(statement: Any, path: Path, library_of: Callable[[str], str]) -> Function:
    """A function from its resolved CREATE statement.

    Args:
        statement: Of `text_of(resource)`, analyzed with what its body refers to.
        path: The parts under which statements name it.
        library_of: Reads a library of JavaScript functions, by its address gs://BUCKET/OBJECT.

    Raises:
        NotBuilt: It is in a language that is not built.
    """
    found = tree.node(statement)
    if tree.kind(found) == "CreateTableFunctionStmt":
        return _table_function(found, path)
    message = package.function.FunctionProto(name_path=path, group=TEMPLATED)
    message.mode = (_SCALAR, _AGGREGATE)[found.is_aggregate]
    message.options.sql_name, message.options.uses_upper_case_sql_name = ".".join(path), False
    message.signature.add().CopyFrom(found.signature)
    if found.language.upper() == "SQL":
        message.parse_resume_location.input = found.code
        message.templated_sql_function_argument_name.extend(found.argument_name_list)
        return Function(path, message)
    if found.language.lower() != "js":
        raise NotBuilt(f"functions in {found.language}")
    libraries = tuple(library_of(uri) for uri in _options(found).get("importedLibraries", ()))
    message.group = _OTHER
    kinds = tuple(values.type_of(argument.type) for argument in found.signature.argument)
    names = tuple(found.argument_name_list)
    script = Javascript(".".join(path), found.code, names, kinds, values.type_of(found.return_type), libraries)
    if found.is_aggregate:
        message.options.supports_null_handling_modifier = True
        script = aggregate_function(script, tuple(not one.options.is_not_aggregate for one in found.signature.argument))
    return Function(path, message, javascript=check(script))


def _table_function(found: Any, path: Path) -> Function:
    message = package.function.TableValuedFunctionProto(name_path=path)
    message.signature.CopyFrom(found.signature)
    message.type = _TEMPLATED
    message.parse_resume_location.input = found.code
    message.argument_name.extend(found.argument_name_list)
    return Function(path, message, is_table=True)


def resource_of(statement: Any) -> Resource:
    """Google's REST resource of a resolved CREATE FUNCTION, TABLE FUNCTION or PROCEDURE, without its reference."""
    found = tree.node(statement)
    kind = tree.kind(found)
    resource: dict[str, Any] = {"arguments": _arguments(found)}
    if kind == "CreateProcedureStmt":
        if found.language and found.language.upper() != "SQL":
            raise NotBuilt(f"procedures in {found.language}")
        return {**resource, "routineType": "PROCEDURE", "language": "SQL", "definitionBody": found.procedure_body}
    language = "JAVASCRIPT" if found.language.lower() == "js" else found.language.upper() or "SQL"
    resource |= {"language": language, "definitionBody": found.code}
    if kind == "CreateTableFunctionStmt":
        resource["routineType"] = "TABLE_VALUED_FUNCTION"
        columns = found.signature.return_type.options.relation_input_schema.column
        if found.has_explicit_return_schema:
            described = [{"name": column.name, "type": data_type(values.type_of(column.type))} for column in columns]
            resource["returnTableType"] = {"columns": described}
        return resource
    resource["routineType"] = "AGGREGATE_FUNCTION" if found.is_aggregate else "SCALAR_FUNCTION"
    if found.has_explicit_return_type:
        resource["returnType"] = data_type(values.type_of(found.return_type))
    if found.determinism_level:
        resource["determinismLevel"] = _DETERMINISM.get(found.determinism_level, "DETERMINISM_LEVEL_UNSPECIFIED")
    return resource | _options(found)


_DETERMINISM = {1: "DETERMINISTIC", 2: "NOT_DETERMINISTIC"}


def _options(found: Any) -> dict[str, Any]:
    resource: dict[str, Any] = {}
    for option in found.option_list:
        content = tree.node(option.value)
        value = content.value.value if tree.kind(content) == "Literal" else None
        if option.name == "description" and value is not None:
            resource["description"] = value.string_value
        elif option.name == "library" and value is not None:
            several = [item.string_value for item in value.array_value.element]
            resource["importedLibraries"] = several or [value.string_value]
    return resource


def _arguments(found: Any) -> list[dict[str, Any]]:
    described = []
    for name, argument in zip(found.argument_name_list, found.signature.argument, strict=True):
        one: dict[str, Any] = {"name": name}
        if argument.kind == _ARBITRARY:
            one["argumentKind"] = "ANY_TYPE"
        elif argument.options.HasField("relation_input_schema"):
            columns = argument.options.relation_input_schema.column
            schema = [{"name": column.name, "type": data_type(values.type_of(column.type))} for column in columns]
            one |= {"argumentKind": "FIXED_TABLE", "tableType": {"columns": schema}}
        else:
            one["dataType"] = data_type(values.type_of(argument.type))
        if tree.kind(found) == "CreateProcedureStmt":
            one["mode"] = _MODES.get(argument.options.procedure_argument_mode, "IN")
        if tree.kind(found) == "CreateFunctionStmt" and found.is_aggregate:
            one["isAggregate"] = not argument.options.is_not_aggregate
        described.append(one)
    return described


_MODES = {1: "IN", 2: "OUT", 3: "INOUT"}


def data_type(kind: Type) -> dict[str, Any]:
    """A type as a `StandardSqlDataType` of REST."""
    if kind.kind in ("ARRAY", "RANGE"):
        name = "arrayElementType" if kind.kind == "ARRAY" else "rangeElementType"
        return {"typeKind": kind.kind, name: data_type(kind.part)}
    if kind.kind == "STRUCT":
        fields = [{"name": name, "type": data_type(field)} for name, field in kind.fields]
        return {"typeKind": "STRUCT", "structType": {"fields": fields}}
    return {"typeKind": kind.row.name}


def type_text(described: Resource) -> str:
    """GoogleSQL of a `StandardSqlDataType`."""
    name = str(described.get("typeKind", ""))
    if name in ("ARRAY", "RANGE"):
        part = described["arrayElementType" if name == "ARRAY" else "rangeElementType"]
        return f"{name}<{type_text(part)}>"
    if name == "STRUCT":
        fields = described.get("structType", {}).get("fields", ())
        texts = [
            f"{_quoted(field['name']) if field.get('name') else ''} {type_text(field['type'])}" for field in fields
        ]
        return f"STRUCT<{', '.join(text.strip() for text in texts)}>"
    if name not in BY_NAME:
        raise BigQueryError("invalid", f"Invalid value for typeKind: {name} is not a valid value", status=400)
    return name


def text_of(resource: Resource, path: Path = ("f",)) -> str:
    """The CREATE statement of a routine.

    Args:
        resource: As REST has it.
        path: Its name, in parts.
    """
    name = ".".join(_quoted(part) for part in path)
    arguments = ", ".join(_argument_text(argument) for argument in resource.get("arguments", ()))
    sort, body = resource.get("routineType", "SCALAR_FUNCTION"), resource.get("definitionBody", "")
    if sort == "PROCEDURE":
        inner = body.strip().rstrip(";")
        is_block = inner.upper().startswith("BEGIN") and inner.upper().endswith("END")
        return f"CREATE PROCEDURE {name}({arguments})\n" + (inner if is_block else f"BEGIN\n{body}\nEND")
    if sort == "TABLE_VALUED_FUNCTION":
        columns = resource.get("returnTableType", {}).get("columns", ())
        schema = ", ".join(f"{_quoted(column['name'])} {type_text(column['type'])}" for column in columns)
        returns = f" RETURNS TABLE<{schema}>" if columns else ""
        return f"CREATE TABLE FUNCTION {name}({arguments}){returns} AS\n{body}"
    word = "AGGREGATE FUNCTION" if sort == "AGGREGATE_FUNCTION" else "FUNCTION"
    returns = f" RETURNS {type_text(resource['returnType'])}" if resource.get("returnType") else ""
    if resource.get("language", "SQL") == "SQL":
        return f"CREATE {word} {name}({arguments}){returns} AS (\n{body}\n)"
    libraries = [literal(item) for item in resource.get("importedLibraries", ())]
    options = f" OPTIONS (library = [{', '.join(libraries)}])" if libraries else ""
    language = {"JAVASCRIPT": "js"}.get(resource["language"], resource["language"])
    return f"CREATE {word} {name}({arguments}){returns} LANGUAGE {language}{options} AS {literal(body)}"


def _argument_text(argument: Resource) -> str:
    mode = f"{argument['mode']} " if argument.get("mode") else ""
    if argument.get("argumentKind") == "ANY_TYPE":
        kind = "ANY TYPE"
    elif "tableType" in argument:
        columns = argument["tableType"].get("columns", ())
        inner = ", ".join(f"{_quoted(column['name'])} {type_text(column['type'])}" for column in columns)
        kind = f"TABLE<{inner}>"
    else:
        kind = type_text(argument.get("dataType", {}))
    aggregate = " NOT AGGREGATE" if argument.get("isAggregate") is False else ""
    return f"{mode}{_quoted(argument['name'])} {kind}{aggregate}"


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def literal(text: str) -> str:
    """A string as GoogleSQL."""
    plain = (char if " " <= char <= "~" and char not in '"\\' else f"\\U{ord(char):08x}" for char in text)
    return f'"{"".join(plain)}"'


BUILT_IN = {"safe", "net", "keys", "aead", "hll_count", "kll_quantiles", "ml", "ai", "obj", "differential_privacy"}
"""First parts of built-in functions with a dot."""


def called(syntax: Any) -> list[Path]:
    """The dotted names of functions, table functions and procedures that a syntax tree calls, as written."""
    found: dict[Path, None] = {}
    for message in tree.walk(syntax):
        name = message.DESCRIPTOR.name
        field = _CALLS.get(name)
        if field is None:
            continue
        path = tuple(part.id_string for part in getattr(message, field).names)
        if ".".join(path).count(".") and path[0].lower() not in BUILT_IN:
            found[path] = None
    return list(found)


_CALLS = {"ASTFunctionCallProto": "function", "ASTTVFProto": "name", "ASTCallStatementProto": "procedure_name"}

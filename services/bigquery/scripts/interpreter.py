"""Runs a script: variables, control flow, exceptions and calls of procedures.

The language is that of https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language. Each
expression is a query of its own, in which variables are constants; so values and types follow the rules of all queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from services.bigquery.errors import BigQueryError, NotBuilt, invalid_query
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.functions.routines import Function, Resource, text_of
from services.bigquery.language.pool import Pool
from services.bigquery.queries import Answer
from services.bigquery.scripts.frames import Failure, Frame, Value, Variable
from services.bigquery.scripts.syntax import Parsed, kind_of, parse, statements, syntax_node
from services.bigquery.types import Type

MOST_CALLS = 50
"""How deep procedures may call each other; https://cloud.google.com/bigquery/quotas#procedural_language_limits."""
_DECLARATION = "VariableDeclaration"
_WIDER = {("INT64", "NUMERIC"), ("INT64", "BIGNUMERIC"), ("INT64", "DOUBLE"), ("NUMERIC", "BIGNUMERIC"),
          ("NUMERIC", "DOUBLE"), ("BIGNUMERIC", "DOUBLE"), ("DATE", "DATETIME")}  # fmt: skip
"""Types of values that may be assigned to variables of another type, besides literals."""
SETTABLE = ("time_zone", "dataset_id", "dataset_project_id", "query_label")


@dataclass(frozen=True)
class Step:
    """One statement to run, or an expression to evaluate.

    Attributes:
        sql: Its text, behind white space that keeps its place in the script.
        kind: The kind of its syntax node, such as `QueryStatement` or `BeginStatement`; `Expression`.
        variables: The script's variables, for `Scope.variables`.
        system: System variables, for `Scope.system`.
        functions: Temporary functions, for `Scope.functions`.
        parameters: Of EXECUTE IMMEDIATE ... USING; positional ones are named by their number.
    """

    sql: str
    kind: str
    variables: Mapping[str, Value]
    system: Mapping[str, Value]
    functions: Sequence[Function] = ()
    parameters: Mapping[str, Value] | None = None

    def scope(self, known: Scope) -> Scope:
        """The scope of the statement from that of the names in it."""
        functions = [*known.functions, *self.functions]
        return replace(known, functions=functions, variables=self.variables, system=self.system)


class Host(Protocol):
    """What runs the statements of a script."""

    def run(self, step: Step) -> Answer | None:
        """Runs a statement, as a job of its own; raises BigQueryError if it was cancelled, too."""

    def evaluate(self, step: Step) -> Answer:
        """Answers a query that belongs to another statement: the value of an expression."""

    def temporary_function(self, step: Step) -> Function:
        """The function of CREATE TEMP FUNCTION."""

    def procedure(self, path: Sequence[str]) -> Resource:
        """A procedure as REST has it; raises BigQueryError if there is none."""


class _Leave(Exception):
    """BREAK, CONTINUE and RETURN."""

    def __init__(self, what: str, label: str = "") -> None:
        super().__init__(what)
        self.what, self.label = what, label


@dataclass
class Interpreter:
    """Runs a script; one after the other, where they belong to a session.

    Attributes:
        system: System variables; the host may set some, such as `row_count`.
        last: The answer of the last statement.
        variables: Those of the outermost block, which the next script of a session has, too.
    """

    pool: Pool
    host: Host
    system: dict[str, Value] = field(default_factory=dict)
    last: Answer | None = None
    variables: dict[str, Variable] = field(default_factory=dict)
    _functions: dict[str, Function] = field(default_factory=dict)
    _errors: list[BigQueryError] = field(default_factory=list)
    _failure: Failure | None = None
    _callers: list[tuple[Frame, Any]] = field(default_factory=list)

    def run(self, script: Parsed) -> Answer | None:
        """Runs a script; returns the answer of its last statement that has one.

        Raises:
            BigQueryError: Of the statement that failed.
        """
        self.last = None
        try:
            self._all(Frame(script.source, [self.variables]), script.statements)
        except _Leave as left:
            if left.what != "RETURN":
                raise invalid_query(f"{left.what} is only allowed inside of a loop body") from None
        return self.last

    def _all(self, frame: Frame, listed: Sequence[Any]) -> None:
        kinds = [kind_of(node) for node in listed]
        for number, (node, kind) in enumerate(zip(listed, kinds, strict=True)):
            if kind == _DECLARATION and set(kinds[:number]) - {_DECLARATION}:
                raise invalid_query("Variable declarations are allowed only at the start of a block or script")
            try:
                self._one(frame, node, kind)
            except BigQueryError as error:
                self._failed(error, frame, node)
                raise

    def _one(self, frame: Frame, node: Any, kind: str) -> None:
        if kind in _STATEMENTS:
            _STATEMENTS[kind](self, frame, node)
        elif kind == "CreateFunctionStatement" and _is_temporary(frame.source.text(node)):
            function = self.host.temporary_function(self._step(frame, frame.source.statement(node), kind))
            self._functions[function.path[-1].lower()] = function
        else:
            answer = self.host.run(self._step(frame, frame.source.statement(node), kind))
            self.last = answer if answer is not None else self.last

    def _failed(self, error: BigQueryError, frame: Frame, node: Any) -> None:
        """Notes where an error came from; the statements around the one that failed come later, from inside out."""
        if self._failure is None or self._failure.error is not error:
            self._failure = Failure(error, frame.source.text(node), [])
        places = self._failure.places
        if not places or places[-1][0] is not frame:
            places.append((frame, node))

    def _step(self, frame: Frame, sql: str, kind: str, parameters: Mapping[str, Value] | None = None) -> Step:
        return Step(sql, kind, frame.visible(), dict(self.system), list(self._functions.values()), parameters)

    # --- values

    def _answer(self, frame: Frame, sql: str) -> Answer:
        return self.host.evaluate(self._step(frame, sql, "Expression"))

    def _value(self, frame: Frame, message: Any) -> Value:
        answer = self._answer(frame, frame.source.query(syntax_node(message)))
        return answer.columns[0][1], answer.rows[0][0]

    def _is_true(self, frame: Frame, message: Any) -> bool:
        kind, value = self._value(frame, message)
        if kind.kind != "BOOL" and value is not None:
            raise invalid_query(f"Expected type BOOL but got {kind.sql}")
        return bool(value)

    def _assigned(self, frame: Frame, message: Any, variable: Variable, name: str) -> Variable:
        """A variable with the value of an expression."""
        node, target = syntax_node(message), variable.kind
        sql = frame.source.query(node)
        answer = self._answer(frame, sql)
        kind, value = answer.columns[0][1], answer.rows[0][0]
        if kind == target or value is None:
            return self._held(frame, variable, value)
        is_literal = kind_of(node).endswith("Literal") or kind_of(node).endswith("ArrayConstructor")
        if not (is_literal or str(kind) == str(target) or (kind.kind, target.kind) in _WIDER):
            raise _cannot_coerce(kind, target, name)
        space, bare = sql[: len(sql) - len(sql.lstrip())], sql.lstrip().removeprefix("SELECT ")
        value = self._answer(frame, f"{space}SELECT CAST({bare} AS {target.sql})").rows[0][0]
        return self._held(frame, variable, value)

    def _held(self, frame: Frame, variable: Variable, value: Any) -> Variable:
        """A variable with another value of its type, which STRING(3) may refuse and NUMERIC(5, 2) rounds."""
        if variable.declared and value is not None:
            value = self._cast(frame, variable.kind, value, variable.declared)
        return variable._replace(value=value)

    def _cast(self, frame: Frame, kind: Type, value: Any, target: str) -> Any:
        step = self._step(frame, f"SELECT CAST(v AS {target})", "Expression")
        return self.host.evaluate(replace(step, variables={"v": (kind, value)})).rows[0][0]

    # --- statements

    def _declare(self, frame: Frame, node: Any) -> None:
        names = [identifier.id_string.lower() for identifier in node.variable_list.identifier_list]
        declared = syntax_node(node.type)
        default = syntax_node(node.default_value)
        if declared is not None:
            text = frame.source.text(declared)
            kind = self._answer(frame, f"SELECT CAST(NULL AS {text})").columns[0][1]
            variable = Variable(kind, None, text if "(" in text else "")
            if default is not None:
                variable = self._assigned(frame, default, variable, names[0])
        else:
            variable = Variable(*self._value(frame, default))
        for name in names:
            if name in frame.visible():
                raise invalid_query(f"Variable '{name}' redeclaration")
            frame.blocks[-1][name] = variable

    def _set(self, frame: Frame, node: Any) -> None:
        name = node.variable.id_string.lower()
        block = frame.block_of(name)
        block[name] = self._assigned(frame, node.expression, block[name], name)

    def _set_several(self, frame: Frame, node: Any) -> None:
        names = [identifier.id_string.lower() for identifier in node.variables.identifier_list]
        kind, value = self._value(frame, node.struct_expression)
        if kind.kind != "STRUCT" or len(kind.fields) != len(names):
            raise invalid_query(f"Number of fields in {kind.sql} does not match number of variables: {len(names)}")
        for number, (name, (_, part)) in enumerate(zip(names, kind.fields, strict=True)):
            self._put(frame, name, part, None if value is None else value[f"f{number}"])

    def _put(self, frame: Frame, name: str, kind: Type, value: Any) -> None:
        """Sets a variable to a value of another statement."""
        block = frame.block_of(name)
        target = block[name].kind
        if kind != target and value is not None:
            if str(kind) != str(target) and (kind.kind, target.kind) not in _WIDER:
                raise _cannot_coerce(kind, target, name)
            value = self._cast(frame, kind, value, target.sql)
        block[name] = self._held(frame, block[name], value)

    def _set_system(self, frame: Frame, node: Any) -> None:
        name = ".".join(part.id_string for part in node.system_variable.path.names).lower()
        if name not in SETTABLE:
            raise invalid_query(f"Cannot assign to system variable @@{name}")
        kind, value = self._value(frame, node.expression)
        if kind.kind != "STRING":
            raise invalid_query(f"Cannot coerce expression of type {kind.sql} to type STRING")
        if name != "query_label" and (name, value) != ("time_zone", "UTC"):
            raise NotBuilt(f"@@{name} = '{str(value)[:50]}'; write it in each function or name")
        self.system[name] = kind, value

    def _if(self, frame: Frame, node: Any) -> None:
        clauses = [(node.condition, node.then_list)]
        clauses += [(clause.condition, clause.body) for clause in node.elseif_clauses.elseif_clauses]
        for condition, body in clauses:
            if self._is_true(frame, condition):
                return self._all(frame, statements(body))
        return self._all(frame, statements(node.else_list))

    def _case(self, frame: Frame, node: Any) -> None:
        of = syntax_node(node.expression)
        for clause in node.when_then_clauses.when_then_clauses:
            if of is None:
                is_hit = self._is_true(frame, clause.condition)
            else:
                pair = " = ".join(f"({frame.source.text(one)})" for one in (of, syntax_node(clause.condition)))
                is_hit = bool(self._answer(frame, f"SELECT {pair}").rows[0][0])
            if is_hit:
                return self._all(frame, statements(clause.body))
        return self._all(frame, statements(node.else_list))

    @contextmanager
    def _block(self, frame: Frame, first: Mapping[str, Variable] | None = None) -> Iterator[None]:
        frame.blocks.append(dict(first or {}))
        try:
            yield
        finally:
            frame.blocks.pop()

    def _begin(self, frame: Frame, node: Any) -> None:
        handlers = node.handler_list.exception_handler_list
        try:
            with self._block(frame):
                self._all(frame, statements(node.statement_list_node))
        except BigQueryError as error:
            if not handlers or error.reason == "stopped":
                raise
            before = dict(self.system)
            self._errors.append(error)
            assert self._failure is not None  # of the statement in this block
            self.system |= self._failure.variables(self._callers)
            try:
                self._all(frame, statements(handlers[0].statement_list))
            finally:
                self._errors.pop()
                self.system = before
        except _Leave as left:
            if left.what != "BREAK" or not left.label or left.label != _label(node):
                raise

    def _raise(self, frame: Frame, node: Any) -> None:
        if syntax_node(node.message) is not None:
            kind, text = self._value(frame, node.message)
            if kind.kind != "STRING":
                raise invalid_query("Message in RAISE USING must be a STRING")
            raise invalid_query(text or "")
        if not self._errors:
            raise invalid_query("Cannot re-raise an existing exception outside of an exception handler")
        raise self._errors[-1]

    def _while(self, frame: Frame, node: Any) -> None:
        body = statements(tree_body(node))
        while (syntax_node(node.condition) is None or self._is_true(frame, node.condition)) and self._once(
            frame, node, body
        ):
            pass

    def _repeat(self, frame: Frame, node: Any) -> None:
        body = statements(tree_body(node))
        while self._once(frame, node, body) and not self._is_true(frame, node.until_clause.condition):
            pass

    def _for(self, frame: Frame, node: Any) -> None:
        answer = self._answer(frame, frame.source.statement(node.query))
        kind, body = Type("STRUCT", fields=tuple(answer.columns)), statements(tree_body(node))
        name = node.variable.id_string.lower()
        for row in answer.rows:
            value = {f"f{number}": cell for number, cell in enumerate(row)}
            with self._block(frame, {name: Variable(kind, value)}):
                if not self._once(frame, node, body):
                    return

    def _once(self, frame: Frame, node: Any, body: Sequence[Any]) -> bool:
        """Runs a loop's body; whether the loop goes on."""
        try:
            self._tick(frame)
            self._all(frame, body)
        except _Leave as left:
            if left.what == "RETURN" or (left.label and left.label != _label(node)):
                raise
            return left.what == "CONTINUE"
        return True

    def _tick(self, frame: Frame) -> None:
        """Lets the host stop a loop that runs no statement."""
        self._answer(frame, "SELECT 1")

    def _leave(self, frame: Frame, node: Any) -> None:
        what = kind_of(node).removesuffix("Statement").upper()
        label = "" if what == "RETURN" else tree_label(node).name.id_string.lower()
        raise _Leave(what, label)

    def _execute(self, frame: Frame, node: Any) -> None:
        _, text = self._value(frame, node.sql)
        if text is None:
            raise invalid_query("SQL string of EXECUTE IMMEDIATE is NULL")
        given: dict[str, Value] = {}
        for number, argument in enumerate(node.using_clause.arguments, 1):
            name = argument.alias.identifier.id_string.lower() or str(number)
            given[name] = self._value(frame, argument.expression)
        found = parse(self.pool, text)
        if found.is_script:
            raise invalid_query("EXECUTE IMMEDIATE supports one statement")
        kind = kind_of(found.statements[0])
        step = replace(self._step(frame, text, kind, given), variables={})
        answer = self.host.run(step)
        self.last = answer if answer is not None else self.last
        names = [identifier.id_string.lower() for identifier in node.into_clause.identifiers.identifier_list]
        if names:
            self._into(frame, names, answer)

    def _into(self, frame: Frame, names: Sequence[str], answer: Answer | None) -> None:
        if answer is None or len(answer.columns) != len(names):
            raise invalid_query("EXECUTE IMMEDIATE INTO: the number of columns is not that of the variables")
        rows = answer.rows
        if len(rows) > 1:
            raise invalid_query("EXECUTE IMMEDIATE INTO: the query returned more than one row")
        for number, (name, (_, kind)) in enumerate(zip(names, answer.columns, strict=True)):
            self._put(frame, name, kind, rows[0][number] if rows else None)

    def _call(self, frame: Frame, node: Any) -> None:
        path = [part.id_string for part in node.procedure_name.names]
        resource = self.host.procedure(path)
        if len(resource.get("arguments", ())) != len(node.arguments):
            count = len(resource.get("arguments", ()))
            raise invalid_query(f"Procedure {'.'.join(path)} takes {count} arguments, not {len(node.arguments)}")
        if len(self._callers) >= MOST_CALLS:
            raise invalid_query(f"Procedures call each other more than {MOST_CALLS} times deep")
        created = parse(self.pool, text_of(resource))
        procedure = created.statements[0]
        inner = Frame(
            created.source,
            start=created.source.start(procedure.body),
            procedure=".".join((resource.get("routineReference") or {}).values()) or ".".join(path),
        )
        outs = self._pass(frame, inner, procedure, node.arguments, resource)
        self._callers.append((frame, node))
        try:
            self._all(
                inner,
                statements(procedure.body.statement_list_node.statement_list and procedure.body.statement_list_node),
            )
        except _Leave as left:
            if left.what != "RETURN":
                raise
        finally:
            self._callers.pop()
        for name, target in outs:
            variable = inner.blocks[0][name]
            self._put(frame, target, variable.kind, variable.value)

    def _pass(
        self, frame: Frame, inner: Frame, procedure: Any, given: Any, resource: Resource
    ) -> list[tuple[str, str]]:
        """Gives a procedure its arguments; returns names of OUT arguments with the variables that get their values."""
        outs: list[tuple[str, str]] = []
        declared = zip(procedure.parameters.parameter_entries, resource.get("arguments", ()), given, strict=True)
        for entry, described, argument in declared:
            name, mode = entry.name.id_string.lower(), described.get("mode", "IN")
            text = inner.source.text(syntax_node(entry.type))
            kind = self._answer(inner, f"SELECT CAST(NULL AS {text})").columns[0][1]
            variable = Variable(kind, None)
            inner.blocks[0][name] = variable
            if mode != "OUT":
                inner.blocks[0][name] = self._assigned(frame, argument.expr, variable, name)
            if mode != "IN":
                outs.append((name, _variable(frame, argument)))
        return outs


def tree_body(node: Any) -> Any:
    """The body of a loop."""
    return node.parent.body


def tree_label(node: Any) -> Any:
    """The label that BREAK or CONTINUE names."""
    return node.parent.label


def _cannot_coerce(kind: Type, target: Type, name: str) -> BigQueryError:
    return invalid_query(f"Cannot coerce expression of type {kind.sql} to type {target.sql}: variable {name}")


def _label(node: Any) -> str:
    label = node.label if kind_of(node) == "BeginEndBlock" else node.parent.label
    return str(label.name.id_string.lower())


def _variable(frame: Frame, argument: Any) -> str:
    name = frame.source.text(syntax_node(argument.expr)).strip("`").lower()
    frame.block_of(name)
    return name


def _is_temporary(text: str) -> bool:
    words = text.upper().split(None, 5)[:5]
    return "TEMP" in words or "TEMPORARY" in words


_STATEMENTS: Mapping[str, Callable[[Interpreter, Frame, Any], None]] = {
    "VariableDeclaration": Interpreter._declare,
    "SingleAssignment": Interpreter._set,
    "AssignmentFromStruct": Interpreter._set_several,
    "SystemVariableAssignment": Interpreter._set_system,
    "IfStatement": Interpreter._if,
    "CaseStatement": Interpreter._case,
    "BeginEndBlock": Interpreter._begin,
    "RaiseStatement": Interpreter._raise,
    "WhileStatement": Interpreter._while,
    "RepeatStatement": Interpreter._repeat,
    "ForInStatement": Interpreter._for,
    "BreakStatement": Interpreter._leave,
    "ContinueStatement": Interpreter._leave,
    "ReturnStatement": Interpreter._leave,
    "ExecuteImmediateStatement": Interpreter._execute,
    "CallStatement": Interpreter._call,
}

"""Values that a template needs several times, computed once.

DuckDB puts a macro's arguments wherever the macro names them. So a + b + c + d over FLOAT64, whose `+` looks at its
operands three times, would become 27 copies of a, and RAND() BETWEEN 0.2 AND 0.4 would draw twice. Such an argument is
held in a list of one row instead, over which a lambda gives the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

SHORT = 120
"""Characters of SQL that may be repeated."""
_VOLATILE = re.compile(r"\b(random|uuid|javascript_\w+)\(")
_VARIES = re.compile(rf"\bc\d+\b|\bSELECT\b|\bx\d+\b|\bmodule_|\bpython_|\bheld\b|\btarget\.|{_VOLATILE.pattern}")
"""Columns, subqueries, calls of the module and of Python; all else stays, because functions may want a constant."""


def is_volatile(sql: str) -> bool:
    """Whether a value may be another one each time that it is computed."""
    return bool(_VOLATILE.search(sql))


def hold(arguments: Sequence[str], build: Callable[[list[str]], str]) -> str:
    """The SQL that `build` makes of the arguments, with none that is long or volatile in it twice.

    Args:
        arguments: SQL of values.
        build: Gets the arguments, or names for them; its result must have no subquery besides theirs.
    """
    if all(len(argument) <= SHORT and not is_volatile(argument) for argument in arguments):
        return build(list(arguments))
    held = {number: argument for number, argument in enumerate(arguments) if _VARIES.search(argument)}
    if not held:
        return build(list(arguments))
    # A row without names: in a correlated subquery DuckDB loses those of {'a': column}
    places = {number: f"struct_extract(held, {place})" for place, number in enumerate(held, 1)}
    names = [places.get(number, argument) for number, argument in enumerate(arguments)]
    return f"list_transform([row({', '.join(held.values())})], lambda held: {build(names)})[1]"

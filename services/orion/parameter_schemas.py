"""The schema of a deployment's parameters cannot stop Orion, nor send it to other addresses.

Orion checks parameters in the loop that answers all requests. A regular expression in a schema may take for ever, and a
`$ref` to another document would be fetched from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NoReturn

from services.orion.processor_time import MOST_SECONDS, SlowError, is_limited, limited

SLOW = (
    f"the check against the schema takes more than {MOST_SECONDS} seconds, which would stop all of Orion; "
    "simplify its patterns"
)
ELSEWHERE = "refers to another document, which Orion does not fetch; put it below $defs"


def limit() -> None:
    """Limits all checks of this process, whoever imported their functions already."""
    import jsonschema  # type: ignore[import-untyped]
    from jsonschema import validators
    from prefect.utilities.schema_tools.validation import _VALIDATOR

    # All validators share it, and have nothing else that knows of other documents
    object.__setattr__(validators._REMOTE_WARNING_REGISTRY, "_retrieve", _refuse)
    jsonschema.validate = _bounded(jsonschema.validate)
    errors = _VALIDATOR.iter_errors
    _VALIDATOR.iter_errors = lambda *arguments, **options: _listed(errors, *arguments, **options)


def _refuse(uri: str) -> NoReturn:
    from referencing.exceptions import NoSuchResource

    raise NoSuchResource(uri)


def _bounded(check: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a check fail, as it does for values that do not fit, where it takes too long."""

    @wraps(check)
    def call(*arguments: Any, **options: Any) -> Any:
        from referencing.exceptions import Unresolvable

        try:
            with limited(SLOW):
                return check(*arguments, **options)
        except (SlowError, Unresolvable) as error:
            raise _error(error) from error

    return call


def _listed(errors: Callable[..., Iterator[Any]], *arguments: Any, **options: Any) -> Iterator[Any]:
    """Returns a validator's errors, all computed within the limit; else the one error that says so."""
    from referencing.exceptions import Unresolvable

    if is_limited():  # by the check that this one is a part of
        return errors(*arguments, **options)
    try:
        with limited(SLOW):
            return iter(list(errors(*arguments, **options)))
    except (SlowError, Unresolvable) as error:
        return iter([_error(error)])


def _error(error: Exception) -> Exception:
    from jsonschema import ValidationError

    reference = getattr(error, "ref", None)
    found: Exception = ValidationError(str(error) if reference is None else f"{reference[:200]!r} {ELSEWHERE}")
    return found

"""Makes pandas 2 run code that was written for 1.5, as the course's code and its students' was.

https://pandas.pydata.org/pandas-docs/stable/whatsnew/v2.0.0.html lists what pandas 2 has removed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

BY_POSITION = {
    "DataFrame": ("drop", "drop_duplicates", "dropna", "reset_index", "set_index", "sort_index", "sort_values"),
    "Series": ("drop", "drop_duplicates", "dropna", "reset_index", "sort_index", "sort_values"),
    "": ("concat", "read_csv", "read_table"),
}
"""What takes arguments only by name now; code for 1.5 writes `df.drop("column", 1)`."""


def append(
    frame: Any, other: Any, ignore_index: bool = False, verify_integrity: bool = False, sort: bool = False
) -> Any:
    """Returns a frame with the rows of another one, or of a list of them, after its own."""
    return frame._append(other, ignore_index=ignore_index, verify_integrity=verify_integrity, sort=sort)


def append_series(series: Any, to_append: Any, ignore_index: bool = False, verify_integrity: bool = False) -> Any:
    """Returns a series with the values of another one after its own."""
    return series._append(to_append, ignore_index=ignore_index, verify_integrity=verify_integrity)


def mad(values: Any, *arguments: Any, **options: Any) -> Any:
    """Returns the mean absolute deviation."""
    return (values - values.mean(*arguments, **options)).abs().mean(*arguments, **options)


def week(dates: Any) -> Any:
    """Returns the number of the ISO week."""
    return dates.isocalendar().week


def by_position(function: Callable[..., Any]) -> Callable[..., Any]:
    """Takes arguments by position that can be given by name only, in the order of the signature."""
    names = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    most = sum(
        parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        for parameter in inspect.signature(function).parameters.values()
    )

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        return function(*arguments[:most], **{**dict(zip(names[most:], arguments[most:])), **options})

    return call


def reading(read: Callable[..., Any]) -> Callable[..., Any]:
    """Takes the options that `read_csv` had in 1.5."""

    @wraps(read)
    def read_with_old_options(*arguments: Any, **options: Any) -> Any:
        fails, warns = options.pop("error_bad_lines", None), options.pop("warn_bad_lines", None)
        if fails is False:
            options.setdefault("on_bad_lines", "skip" if warns is False else "warn")
        options.pop("mangle_dupe_cols", None)
        is_squeezed = options.pop("squeeze", False)
        found = read(*arguments, **options)
        return found.squeeze("columns") if is_squeezed else found

    return read_with_old_options


def writing(write: Callable[..., Any]) -> Callable[..., Any]:
    """Takes the old name of an option of `to_csv`."""

    @wraps(write)
    def write_with_old_options(*arguments: Any, **options: Any) -> Any:
        if "line_terminator" in options:
            options["lineterminator"] = options.pop("line_terminator")
        return write(*arguments, **options)

    return write_with_old_options


def change(pandas: ModuleType) -> None:
    """Adds what pandas 2 has removed."""
    import datetime

    import numpy
    from pandas.core.indexes.accessors import DatetimeProperties

    names = vars(pandas)
    frame, series, index = names["DataFrame"], names["Series"], names["Index"]
    frame.append, series.append = append, append_series
    for kind in (frame, series):
        kind.iteritems, kind.mad, kind.to_csv = kind.items, mad, writing(kind.to_csv)
    for kind in (series, index):
        kind.is_monotonic = property(lambda self: self.is_monotonic_increasing)
    dated: tuple[Any, ...] = (names["DatetimeIndex"], DatetimeProperties)
    for kind in dated:
        kind.week = kind.weekofyear = property(week)
    for name in ("Int64Index", "UInt64Index", "Float64Index"):
        names[name] = index
    names["np"], names["datetime"] = numpy, datetime.datetime
    for owner, functions in BY_POSITION.items():
        for function in functions:
            place = names[owner] if owner else pandas
            setattr(place, function, by_position(getattr(place, function)))
    for function in ("read_csv", "read_table"):
        names[function] = reading(names[function])

"""Cron strings in words: five fields for minute, hour, day of the month, month and day of the week."""

from __future__ import annotations

from dataclasses import dataclass

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True)
class Cron:
    """The values of each field at which a run starts."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]


def parse(text: str) -> Cron | None:
    """Returns the values that each field stands for; None if the text is not five fields of cron."""
    fields = ALIASES.get(text.strip(), text).split()
    if len(fields) != len(LIMITS):
        return None
    try:
        return Cron(*(_values(field, number) for number, field in enumerate(fields)))
    except ValueError:
        return None


def _values(field: str, number: int) -> frozenset[int]:
    """Returns the values of a field: numbers, names, ranges and steps, separated by commas.

    Raises:
        ValueError: it is not such a field.
    """
    low, high = LIMITS[number]
    found = set[int]()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span in ("*", "?"):
            start, end = low, high
        else:
            start = _number(first, number)
            end = _number(last, number) if dash else (high if step else start)
        if not low <= start <= end <= high + (number == 4):
            raise ValueError(part)
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(value % 7 if number == 4 else value for value in found)


def _number(text: str, number: int) -> int:
    names = {3: MONTHS, 4: DAYS}.get(number, ())
    for position, name in enumerate(names):
        if text.lower() == name[:3].lower():
            return position + LIMITS[number][0]
    return int(text)


def describe(text: str) -> str:
    """Returns when a run starts, in words: for example `every Monday at 5:00`."""
    cron = parse(text)
    if not cron:
        return "not five fields (minute, hour, day of the month, month, day of the week)"
    return f"{_day(cron)}{_time(cron)}"


def _time(cron: Cron) -> str:
    every_minute, every_hour = len(cron.minutes) == 60, len(cron.hours) == 24
    if every_minute and every_hour:
        return ", every minute"
    if every_minute:
        return f", every minute of {_plural('hour', cron.hours)}"
    if every_hour:
        return f", at {_plural('minute', cron.minutes)} of every hour"
    if len(cron.minutes) * len(cron.hours) > 4:
        return f", at {_plural('minute', cron.minutes)} of {_plural('hour', cron.hours)}"
    times = [f"{hour}:{minute:02}" for hour in sorted(cron.hours) for minute in sorted(cron.minutes)]
    return f" at {_listed(times)}"


def _day(cron: Cron) -> str:
    any_day, any_weekday, any_month = len(cron.days) == 31, len(cron.weekdays) == 7, len(cron.months) == 12
    months = "every month" if any_month else _listed([MONTHS[month - 1] for month in sorted(cron.months)])
    weekdays = f"every {_listed([DAYS[day] for day in sorted(cron.weekdays)])}"
    days = f"on the {_listed([_ordinal(day) for day in sorted(cron.days)])} of {months}"
    if any_day and any_weekday:
        return "every day" if any_month else f"every day in {months}"
    if any_day:
        return weekdays if any_month else f"{weekdays} in {months}"
    return days if any_weekday else f"{days}, and {weekdays}"


def _plural(noun: str, values: frozenset[int]) -> str:
    shown = _listed([str(value) for value in sorted(values)])
    return f"{noun} {shown}" if len(values) == 1 else f"{noun}s {shown}"


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _ordinal(day: int) -> str:
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"

"""Cron strings in words."""

from __future__ import annotations

import pytest

from orionbox.lesson.cron import describe, parse


@pytest.mark.parametrize(
    "text, words",
    [
        ("0 5 1 * *", "on the 1st of every month at 5:00"),
        ("0 5 * * 1", "every Monday at 5:00"),
        ("0 5 * * mon", "every Monday at 5:00"),
        ("5 0 1 * *", "on the 1st of every month at 0:05"),
        ("0 0 * * *", "every day at 0:00"),
        ("* * * * *", "every day, every minute"),
        ("0 * * * *", "every day, at minute 0 of every hour"),
        ("* 5 1 * *", "on the 1st of every month, every minute of hour 5"),
        ("*/15 5 * * *", "every day at 5:00, 5:15, 5:30 and 5:45"),
        ("0 5 1,2,3 * *", "on the 1st, 2nd and 3rd of every month at 5:00"),
        ("0 5 11 1 *", "on the 11th of January at 5:00"),
        ("0 5 * 5 *", "every day in May at 5:00"),
        ("0 5 1 * 0,7", "on the 1st of every month, and every Sunday at 5:00"),
        ("@monthly", "on the 1st of every month at 0:00"),
        ("0 0 5 1 * *", "not five fields (minute, hour, day of the month, month, day of the week)"),
        ("5 * 1 0 *", "not five fields (minute, hour, day of the month, month, day of the week)"),
    ],
)
def test_a_schedule_is_told_in_words(text: str, words: str) -> None:
    assert describe(text) == words


@pytest.mark.parametrize("text", ["00 05 01 * *", "0 5 1 1-12 *", "0 5 1 */1 0-6", "0 5 1 * 0-7"])
def test_strings_that_mean_the_same_are_equal(text: str) -> None:
    assert parse(text) == parse("0 5 1 * *")


@pytest.mark.parametrize("text", ["", "x 5 1 * *", "61 5 1 * *", "0 5 1 * */0", "0 5 0 * *", "5-1 5 1 * *", "@reboot"])
def test_what_is_not_cron_is_not_understood(text: str) -> None:
    assert parse(text) is None

"""`p.d.t` in one pair of backticks is p.d.t; errors name the place in the statement as it was sent."""

from __future__ import annotations

import re

import pytest

from services.bigquery.language.names import Edit, parts, split_paths, with_named_parameters

PATH = ("p", "d", "t")


@pytest.mark.parametrize(
    ("sql", "split"),
    [
        ("FROM `p.d.t`", "FROM `p`.`d`.`t`"),
        ("FROM `p.d`.t", "FROM `p`.`d`.t"),
        ("FROM p.`d.t`", "FROM p.`d`.`t`"),
        ("FROM `p`.`d`.`t`", "FROM `p`.`d`.`t`"),
        ("SELECT 1 AS `x.y` FROM `p.d.t`", "SELECT 1 AS `x.y` FROM `p`.`d`.`t`"),
        ("SELECT '`p.d.t`', \"`p.d.t`\", r'''`p.d.t`'''", "SELECT '`p.d.t`', \"`p.d.t`\", r'''`p.d.t`'''"),
        ("SELECT 1 -- `p.d.t`\n/* `p.d.t` */ # `p.d.t`", "SELECT 1 -- `p.d.t`\n/* `p.d.t` */ # `p.d.t`"),
        ("SELECT `p.d.t`.x, `p.d.t` . `y` FROM `p.d.t`", "SELECT `t`.x, `t` . `y` FROM `p`.`d`.`t`"),
        ("SELECT `d.t`.* FROM `p.d`.t, `p`.`d.t`", "SELECT `t`.* FROM `p`.`d`.t, `p`.`d`.`t`"),
        (r"SELECT 'it\'s', `p.d.t`", r"SELECT 'it\'s', `p`.`d`.`t`"),
    ],
)
def test_only_names_of_tables_are_split(sql: str, split: str) -> None:
    assert split_paths(sql, [PATH]).sql == split


def test_a_place_after_a_split_name_is_the_one_that_was_sent() -> None:
    sql = "SELECT *\nFROM `p.d.t` WHERE wrong"
    statement = split_paths(sql, [PATH])
    place = statement.sql.splitlines()[1].index("wrong") + 1
    assert statement.place(f"Unrecognized name: wrong [at 2:{place}]") == "Unrecognized name: wrong [at 2:20]"


def test_places_are_those_that_were_sent_after_further_edits() -> None:
    sql = "SELECT f(NULL), `p.d.t`.x, f(NULL) + wrong"
    split = split_paths(sql, [PATH])
    starts = [found.start() for found in re.finditer("NULL", split.sql)]
    edited = split.edited([Edit(start, start + 4, "CAST(NULL AS DATE)") for start in starts])
    assert edited.sql == "SELECT f(CAST(NULL AS DATE)), `t`.x, f(CAST(NULL AS DATE)) + wrong"
    for word in ("`", "f(", "wrong"):
        place = edited.sql.rindex(word) if word != "`" else edited.sql.index(word)
        sent = sql.rindex(word) if word != "`" else sql.index(word)
        assert edited.place(f"[at 1:{place + 1}]") == f"[at 1:{sent + 1}]"


def test_a_project_of_a_domain_keeps_its_dot() -> None:
    assert parts(["example.com:project.d.t"]) == ("example.com:project", "d", "t")
    assert parts(["p", "d.t"]) == PATH


def test_positional_parameters_get_names_outside_of_strings_and_comments() -> None:
    sql = "SELECT ?, '?', `a?` /* ? */ FROM t WHERE x = ? -- ?"
    assert with_named_parameters(sql) == "SELECT @p1, '?', `a?` /* ? */ FROM t WHERE x = @p2 -- ?"

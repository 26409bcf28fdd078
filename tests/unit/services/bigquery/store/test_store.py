"""The store: data and catalogue in one transaction."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from services.bigquery.errors import BigQueryError
from services.bigquery.records import ColumnChange, Dataset, Routine, Size, Table
from services.bigquery.store import database
from services.bigquery.store.refusals import Conflict
from tests.unit.services.bigquery.store.conftest import Client, column, run

T = ("p", "d", "t")


def failure(call: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(BigQueryError) as failed:
        call()
    return failed.value.status, failed.value.reason, failed.value.message


def test_all_is_there_after_a_restart(client: Client) -> None:
    client.table("t", column("x", "INTEGER"), column("s", "STRING"), description="mine")
    assert client.sql("INSERT INTO d.t VALUES (1, 'a'), (2, NULL)") == 2
    with client.store.transaction() as tx:
        tx.put_routine(Routine(("p", "d", "f"), {"definitionBody": "x"}), is_new=True)
    client.again()
    assert client.sql("SELECT * FROM d.t ORDER BY x") == [["1", "a"], ["2", None]]
    with client.store.transaction() as tx:
        assert tx.table(T).resource["description"] == "mine" and tx.table(T).created
        assert [one.path for one in tx.datasets("p")] == [("p", "d")] and tx.projects() == ["p"]
        assert tx.routine(("p", "d", "f")).resource == {"definitionBody": "x"}
        assert tx.size(T) == Size(2, {"x": 2 * 8, "s": 3})


def test_rows_and_catalogue_are_rolled_back_together(client: Client) -> None:
    client.table("t", column("x", "INTEGER"))
    with pytest.raises(ZeroDivisionError), client.store.transaction() as tx:
        run(tx, "INSERT INTO d.t VALUES (1)")
        tx.put_dataset(Dataset(("p", "e"), {}), is_new=True)
        tx.create_table(Table(("p", "e", "u"), "TABLE", {"schema": {"fields": [column("y", "INTEGER")]}}))
        assert run(tx, "SELECT COUNT(*) FROM d.t, e.u") == [["0"]]
        raise ZeroDivisionError
    assert client.sql("SELECT * FROM d.t") == []
    with client.store.transaction() as tx:
        assert [one.path for one in tx.datasets("p")] == [("p", "d")]


def test_a_failed_statement_leaves_a_reader_usable(client: Client) -> None:
    client.table("t", column("x", "INTEGER"))
    client.sql("INSERT INTO d.t VALUES (0)")
    with client.store.transaction() as tx:
        assert "division by zero" in failure(lambda: run(tx, "SELECT 1 / x FROM d.t"))[2]
        assert run(tx, "SELECT x FROM d.t") == [["0"]]


def test_names_that_are_not_there(client: Client) -> None:
    client.table("t", column("x", "INTEGER"))
    with client.store.transaction() as tx:
        assert failure(lambda: tx.table(("p", "d", "T"))) == (404, "notFound", "Not found: Table p:d.T")
        assert failure(lambda: tx.tables(("q", "d"))) == (404, "notFound", "Not found: Dataset q:d")
        assert failure(lambda: tx.routine(("p", "d", "f")))[2] == "Not found: Routine p:d.f"
    assert failure(lambda: client.sql("SELECT * FROM d.T")) == (
        404, "notFound", "Not found: Table p:d.T was not found in location US")  # fmt: skip
    assert failure(lambda: client.sql("SELECT * FROM e.t"))[2] == "Not found: Dataset p:e was not found in location US"
    assert failure(lambda: client.sql("SELECT * FROM t", dataset=""))[2] == (
        'Table "t" must be qualified with a dataset (e.g. dataset.table).')  # fmt: skip


def test_names_that_are_there_already(client: Client) -> None:
    client.table("t", column("x", "INTEGER"))
    assert failure(lambda: client.table("t"))[:2] == (409, "duplicate")
    assert failure(client.dataset) == (409, "duplicate", "Already Exists: Dataset p:d")
    with client.store.transaction() as tx:
        assert failure(lambda: tx.drop_dataset(("p", "d"), with_contents=False))[1] == "resourceInUse"
    with client.store.transaction() as tx:
        tx.drop_dataset(("p", "d"), with_contents=True)
    client.dataset()
    client.table("t", column("y", "STRING"))


def test_names_in_all_ways_of_writing(client: Client) -> None:
    client.table("t", column("x", "INTEGER"))
    for name in ("t", "d.t", "p.d.t", "`p.d.t`", "`p`.d.`t`", "`p.d`.t", "p.`d.t`"):
        assert client.sql(f"SELECT COUNT(*) FROM {name}") == [["0"]]


def test_two_tables_may_differ_in_case(client: Client) -> None:
    client.table("t", column("x", "INTEGER"))
    client.table("T", column("x", "INTEGER"))
    client.sql("INSERT INTO d.T VALUES (1)")
    assert (client.sql("SELECT x FROM d.t"), client.sql("SELECT x FROM d.T")) == ([], [["1"]])


def test_projects_share_tables_only_if_the_setting_says_so(new_client: Callable[..., Client]) -> None:
    for shares in (False, True):
        client = new_client(shares_projects=shares)
        client.dataset(project="q")
        client.table("t", column("x", "INTEGER"), place=("q", "d"))
        if shares:
            assert client.sql("SELECT * FROM d.t") == client.sql("SELECT * FROM p.d.t") == []
        else:
            assert failure(lambda: client.sql("SELECT * FROM d.t"))[0] == 404  # noqa: B023
    with client.store.transaction() as tx:
        assert tx.find(["d", "new"], "p") == ("q", "d", "new")


def test_a_column_refuses_what_its_rules_do_not_allow(client: Client) -> None:
    inner = [column("y", "STRING", maxLength="2"), column("z", "INTEGER", mode="REQUIRED")]
    client.table(
        "t",
        column("x", "INTEGER", mode="REQUIRED"),
        column("s", "STRING", maxLength="3"),
        column("n", "NUMERIC", precision="4", scale="2"),
        column("r", "RECORD", fields=inner),
        column("a", "INTEGER", mode="REPEATED"),
    )
    assert failure(lambda: client.sql("INSERT INTO d.t (s) VALUES ('a')"))[1:] == (
        "invalidQuery", "Required field x cannot be null")  # fmt: skip
    assert failure(lambda: client.sql("INSERT INTO d.t (x, s) VALUES (1, 'abcd')"))[2] == (
        "Field s: STRING(3) has maximum length 3 but got a value with length 4")  # fmt: skip
    assert "Field r.y: STRING(2)" in failure(lambda: client.sql("INSERT INTO d.t (x, r) VALUES (1, ('abc', 1))"))[2]
    assert failure(lambda: client.sql("INSERT INTO d.t (x, r) VALUES (1, ('a', NULL))"))[2] == (
        "Required field r.z cannot be null")  # fmt: skip
    assert "NUMERIC(4, 2)" in failure(lambda: client.sql("INSERT INTO d.t (x, n) VALUES (1, 99.996)"))[2]
    assert client.sql("INSERT INTO d.t (x, s, n) VALUES (1, 'abc', 1.235)") == 1
    assert client.sql("SELECT x, s, n, a FROM d.t") == [["1", "abc", "1.24", []]]


def test_bignumeric_is_rounded_and_bounded(client: Client) -> None:
    client.table(
        "t",
        column("b", "BIGNUMERIC", precision="40", scale="2"),
        column("w", "BIGNUMERIC", precision="38"),
        column("f", "BIGNUMERIC", precision="38", scale="38"),
    )
    values = "BIGNUMERIC '1.235', BIGNUMERIC '-2.5', BIGNUMERIC '0.99999999999999999999999999999999999999'"
    client.sql(f"INSERT INTO d.t VALUES ({values}), (BIGNUMERIC '99999999999999999999999999999999999999.994', NULL, 0)")
    assert client.sql("SELECT * FROM d.t ORDER BY b") == [
        ["1.24", "-3", "0.99999999999999999999999999999999999999"],
        ["99999999999999999999999999999999999999.99", None, "0"],
    ]
    client.sql("UPDATE d.t SET b = b + BIGNUMERIC '0.004', w = w - BIGNUMERIC '0.4' WHERE b < 2")
    assert client.sql("SELECT b, w FROM d.t WHERE b < 2") == [["1.24", "-3"]]
    for row in (
        "(BIGNUMERIC '99999999999999999999999999999999999999.995', 0, 0)",
        "(BIGNUMERIC '-1e38', 0, 0)",
        "(0, BIGNUMERIC '99999999999999999999999999999999999999.5', 0)",
        "(0, 0, 1)",
    ):
        wrong = failure(lambda: client.sql(f"INSERT INTO d.t VALUES {row}"))  # noqa: B023
        assert wrong[1] == "invalidQuery" and "with more digits before the point" in wrong[2]
    assert client.sql("SELECT COUNT(*) FROM d.t") == [["2"]]


def test_rules_hold_for_elements_of_arrays(client: Client) -> None:
    pair = [column("n", "NUMERIC", precision="4", scale="2"), column("s", "STRING", maxLength="2")]
    client.table(
        "t",
        column("s", "STRING", mode="REPEATED", maxLength="3"),
        column("b", "BIGNUMERIC", mode="REPEATED", precision="4", scale="1"),
        column("r", "RECORD", mode="REPEATED", fields=pair),
    )
    client.sql("INSERT INTO d.t VALUES (['abc'], [BIGNUMERIC '1.25'], NULL)")
    client.sql("INSERT INTO d.t VALUES (['x'], NULL, [(NUMERIC '1.235', 'ab'), (NULL, NULL)])")
    assert client.sql("SELECT s[0], TO_JSON_STRING(b), TO_JSON_STRING(r) FROM d.t ORDER BY 1") == [
        ["abc", '["1.3"]', "[]"],
        ["x", "[]", '[{"n":"1.24","s":"ab"},{"n":null,"s":null}]'],
    ]
    for values, sentence in (
        ("['a', 'abcd'], [], []", "Field s: STRING(3) has maximum length 3 but got a value with length 4"),
        ("[], [BIGNUMERIC '1000'], []", "Field b: BIGNUMERIC(4, 1) has precision 4"),
        ("[], [], [(NUMERIC '99.995', '')]", "Field r.n: NUMERIC(4, 2) has precision 4"),
    ):
        assert sentence in failure(lambda: client.sql(f"INSERT INTO d.t VALUES ({values})"))[2]  # noqa: B023


def test_columns_are_added_dropped_renamed_and_retyped(client: Client) -> None:
    client.table("t", column("x", "INTEGER"), column("s", "STRING"))
    client.sql("INSERT INTO d.t VALUES (1, 'a')")
    changes = [
        ColumnChange("add", "y", column("y", "STRING", maxLength="5"), "'new'"),
        ColumnChange("rename", "x", {"name": "k"}),
        ColumnChange("drop", "s"),
        ColumnChange("add", "l", column("l", "INTEGER", mode="REPEATED")),
    ]
    with client.store.transaction() as tx:
        tx.change_columns(T, changes)
        assert [one["name"] for one in tx.table(T).fields] == ["k", "y", "l"]
        sql = f"CAST({tx.relation(T).columns[0]} AS DOUBLE) + 0.5"
        tx.change_columns(T, [ColumnChange("retype", "k", column("k", "FLOAT"), sql)])
    client.again()
    assert client.sql("SELECT * FROM d.t") == [["1.5", "new", []]]
    client.table("u", column("x", "INTEGER"))
    with client.store.transaction() as tx:
        tx.change_columns(("p", "d", "u"), [ColumnChange("add", "y", column("y", "DATE"))])
    client.sql("INSERT INTO d.u VALUES (1, '2020-01-01')")
    assert client.sql("SELECT * FROM d.u") == [["1", "2020-01-01"]]


def test_a_column_that_is_no_longer_required(client: Client) -> None:
    table = client.table("t", column("x", "INTEGER", mode="REQUIRED"), column("y", "INTEGER"))
    client.sql("INSERT INTO d.t VALUES (1, 2)")
    fields = [column("x", "INTEGER"), column("y", "INTEGER")]
    with client.store.transaction() as tx:
        tx.put_table(replace(table, resource={"schema": {"fields": fields}}))
    assert client.sql("INSERT INTO d.t (y) VALUES (3)") == 1
    assert client.sql("SELECT * FROM d.t ORDER BY y") == [["1", "2"], [None, "3"]]


def test_a_table_gets_the_rows_of_its_query_and_a_new_name(client: Client) -> None:
    with client.store.transaction() as tx:
        resource = {"schema": {"fields": [column("x", "INTEGER"), column("s", "STRING")]}}
        tx.create_table(Table(T, "TABLE", resource), "SELECT i, 'n' || i FROM range(3) r(i)")
        tx.rename_table(T, "u")
    assert client.sql("SELECT SUM(x), MAX(s) FROM d.u") == [["3", "n2"]]
    assert failure(lambda: client.sql("SELECT * FROM d.t"))[0] == 404


def test_expired_tables_are_gone_and_make_room(client: Client) -> None:
    client.table("t", column("x", "INTEGER"), expirationTime="1000")
    assert failure(lambda: client.sql("SELECT * FROM d.t"))[0] == 404
    with client.store.transaction() as tx:
        assert tx.tables(("p", "d")) == []
    client.table("t", column("x", "INTEGER"))
    client.dataset("e", defaultTableExpirationMs="3600000")
    table = client.table("t", place=("p", "e"))
    assert int(table.resource["expirationTime"]) == table.created + 3600000


def test_default_values(client: Client) -> None:
    client.table("t", column("x", "INTEGER"), column("s", "STRING", defaultValueExpression="CONCAT('a', 'b')"))
    client.sql("INSERT INTO d.t (x, s) VALUES (1, DEFAULT)")
    assert client.sql("SELECT s FROM d.t") == [["ab"]]


def test_views_in_views_and_wildcards(client: Client) -> None:
    client.table("t_1", column("x", "INTEGER"))
    client.table("t_2", column("s", "STRING"), column("x", "INTEGER"))
    client.sql("INSERT INTO d.t_1 VALUES (1)")
    client.sql("INSERT INTO d.t_2 VALUES ('b', 2)")
    client.view("v", "SELECT x, _TABLE_SUFFIX AS suffix FROM `p.d.t_*` WHERE x > 0")
    client.view("w", "SELECT SUM(x) AS total FROM d.v")
    assert client.sql("SELECT * FROM `d.t_*` ORDER BY x") == [[None, "1"], ["b", "2"]]
    assert client.sql("SELECT x FROM `d.t_*` WHERE _TABLE_SUFFIX = '2'") == [["2"]]
    assert client.sql("SELECT * FROM d.v ORDER BY x") == [["1", "1"], ["2", "2"]]
    assert client.sql("SELECT * FROM d.w, d.t_1") == [["3", "1"]]
    assert "does not match any table" in failure(lambda: client.sql("SELECT * FROM `d.z_*`"))[2]
    with client.store.transaction() as tx:
        known = tx.know([("d", "w")], "p")
    assert set(known.referenced) == {("p", "d", "w"), ("p", "d", "v"), ("p", "d", "t_1"), ("p", "d", "t_2")}


def test_what_only_the_evaluator_knows_reads_tables_and_views(client: Client) -> None:
    client.table("t", column("x", "INTEGER"))
    client.sql("INSERT INTO d.t VALUES (1), (2)")
    client.view("v", "SELECT SUM(CAST(x AS BIGNUMERIC)) AS s FROM d.t")
    assert client.sql("SELECT SUM(CAST(x AS BIGNUMERIC)) FROM d.t") == [["3"]]
    assert client.sql("SELECT s FROM d.v") == [["3"]]


def test_partitions_by_the_time_of_loading(client: Client) -> None:
    client.table("t", column("x", "INTEGER"), timePartitioning={"type": "DAY"})
    client.sql("INSERT INTO d.t (x) VALUES (1)")
    client.sql("INSERT INTO d.t (_PARTITIONTIME, x) VALUES (TIMESTAMP '2020-01-02', 2)")
    assert client.sql("SELECT x FROM d.t WHERE _PARTITIONDATE = DATE '2020-01-02'") == [["2"]]
    assert client.sql("SELECT COUNT(*) FROM d.t WHERE _PARTITIONTIME = TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY)")
    assert client.sql("SELECT * FROM d.t ORDER BY x") == [["1"], ["2"]]


def test_external_tables_are_read_anew_each_time(new_client: Callable[..., Client]) -> None:
    rows = [1]
    client = new_client(external=lambda table: pa.table({"x": pa.array(rows, pa.int64())}))
    client.dataset()
    client.table("t", column("x", "INTEGER"), kind="EXTERNAL")
    assert client.sql("SELECT x + 1, FORMAT('%d', x) FROM d.t") == [["2", "1"]]
    rows.append(2)
    assert client.sql("SELECT SUM(x) FROM d.t") == [["3"]]


def test_a_function_of_the_module_in_the_middle_of_a_transaction(client: Client) -> None:
    client.table("t", column("x", "INTEGER"))
    for number in range(2):
        with client.store.transaction() as tx:
            run(tx, f"INSERT INTO d.t VALUES ({number})")
            assert run(tx, f"SELECT FORMAT('{number}-%d', x) FROM d.t WHERE x = {number}") == [[f"{number}-{number}"]]
    with pytest.raises(ZeroDivisionError), client.store.transaction() as tx:
        run(tx, "INSERT INTO d.t VALUES (5)")
        assert run(tx, "SELECT FORMAT('z-%d', x) FROM d.t WHERE x = 5") == [["z-5"]]
        raise ZeroDivisionError
    assert client.sql("SELECT FORMAT('z-%d', x) FROM d.t WHERE x = 1") == [["z-1"]]


def test_a_job_that_is_cancelled_or_takes_too_long_stops(client: Client) -> None:
    endless = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    with client.store.transaction(seconds=0.2) as tx:
        assert failure(lambda: tx.connection.execute(endless).fetchall())[1] == "timeout"
    started, failures = threading.Event(), []

    def job() -> None:
        with client.store.transaction(job="j") as tx:
            tx.connection.execute("SELECT 1").fetchall()
            started.set()
            failures.append(failure(lambda: tx.connection.execute(endless).fetchall()))

    thread = threading.Thread(target=job)
    thread.start()
    started.wait()
    assert client.store.cancel("j") and not client.store.cancel("k")
    thread.join()
    assert failures[0][1:] == ("stopped", "Job execution was cancelled: User requested cancellation")


def test_writers_of_one_table_take_turns(client: Client) -> None:
    client.table("t", column("x", "INTEGER"))
    client.sql("INSERT INTO d.t VALUES (0)")

    def job() -> None:
        for _ in range(10):
            with client.store.transaction(writes=[T]) as tx:
                run(tx, "UPDATE d.t SET x = x + 1 WHERE TRUE")

    threads = [threading.Thread(target=job) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.sql("SELECT x FROM d.t") == [["30"]]


def test_of_two_that_change_the_same_the_second_is_told_or_tries_again(client: Client) -> None:
    client.table("t", column("x", "INTEGER"))
    with pytest.raises(Conflict), client.store.transaction() as first:
        first.touch(T)
        with client.store.transaction() as second:
            second.touch(T)
    attempts: list[int] = []

    def work(tx: Any) -> None:
        attempts.append(1)
        tx.touch(T)
        if len(attempts) == 1:
            with client.store.transaction() as other:
                other.drop_table(T)
                other.create_table(Table(T, "TABLE", {"schema": {"fields": [column("y", "INTEGER")]}}))

    client.store.run(work)
    assert len(attempts) == 2


def test_functions_that_read_tables_and_call_each_other(client: Client) -> None:
    client.table("t", column("x", "INTEGER"))
    client.sql("INSERT INTO d.t VALUES (1), (2)")
    argument = {"name": "x", "dataType": {"typeKind": "INT64"}}
    bodies = {"total": ([], "(SELECT SUM(x) FROM p.d.t)"), "twice": ([argument], "x * d.total()")}
    with client.store.transaction() as tx:
        for name, (arguments, body) in bodies.items():
            resource = {"routineType": "SCALAR_FUNCTION", "language": "SQL", "arguments": arguments}
            tx.put_routine(Routine(("p", "d", name), {**resource, "definitionBody": body}), is_new=True)
    client.view("v", "SELECT d.twice(x) AS y FROM d.t")
    assert client.sql("SELECT d.twice(5), `p.d.total`()") == [["15", "3"]]
    assert client.sql("SELECT MAX(y) FROM d.v") == [["6"]]
    assert "Function not found: d.none" in failure(lambda: client.sql("SELECT d.none(5)"))[2]


def test_space_of_dropped_data_comes_back(client: Client) -> None:
    resource = {"schema": {"fields": [column("s", "STRING")]}}
    with client.store.transaction() as tx:
        tx.create_table(Table(T, "TABLE", resource), "SELECT sha256(CAST(i AS VARCHAR)) FROM range(1_000_000) r(i)")
    client.table("keep", column("x", "INTEGER", mode="REQUIRED"), column("a", "STRING", mode="REPEATED"))
    client.sql("INSERT INTO d.keep (x) VALUES (7)")
    client.again()
    full = (client.folder / "bigquery.duckdb").stat().st_size
    with client.store.transaction() as tx:
        tx.drop_table(T)
    client.table("old", column("x", "INTEGER"), expirationTime="1000")
    assert client.store.prune(1, dry_run=True)["files"] == 1
    client.store.prune(1, dry_run=False)
    assert (client.folder / "bigquery.duckdb").stat().st_size < full / 4
    assert client.sql("SELECT * FROM d.keep") == [["7", []]]
    assert "cannot be null" in failure(lambda: client.sql("INSERT INTO d.keep (a) VALUES (['a'])"))[2]
    client.table("new", column("x", "INTEGER"))
    client.again()
    assert client.sql("SELECT COUNT(*) FROM d.keep, d.new") == [["0"]]


def test_a_backup_holds_one_moment_and_can_be_unpacked(client: Client, tmp_path: Path) -> None:
    client.table("t", column("x", "INTEGER"))
    client.sql("INSERT INTO d.t VALUES (1), (2)")
    pieces = client.store.backup()
    client.sql("INSERT INTO d.t VALUES (3)")
    assert client.store.counts()["rows"] == {"p.d.t": 3}
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        *_, last = tar.getmembers()
        summary = tar.extractfile(last)
        assert summary is not None and json.load(summary) == {"rows": {"p.d.t": 2}}
        tar.extractall(tmp_path / "copy", filter="data")
    copied = Client(tmp_path / "copy")
    assert copied.sql("SELECT SUM(x) FROM d.t") == [["3"]]
    copied.store.close()
    assert not list(client.folder.glob(".backup-*"))


def test_functions_that_no_statement_uses_go(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "MOST_FUNCTIONS", 3)
    client.table("t", column("x", "INTEGER"))
    assert client.sql("INSERT INTO d.t VALUES (7)") == 1
    for number in (*range(8), 0):
        assert client.sql(f"SELECT FORMAT('%d-{number}', x) FROM d.t") == [[f"7-{number}"]]
    known = client.store._database._functions
    assert 0 < len(known) <= 3

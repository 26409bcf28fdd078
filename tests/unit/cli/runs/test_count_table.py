"""The count table of a run."""

from __future__ import annotations

from cli.runs.count_table import count_table

MONTH = {"color": "green", "year": 2021, "month": 1, "source": "real"}
ROWS = {"source": 76_518, "parquet": 76_518, "bigquery": 76_518, "postgres": 76_518}


def test_the_count_table_has_a_total_for_each_store() -> None:
    lines = count_table([{**MONTH, "rows": ROWS}, {**MONTH, "month": 2, "rows": {**ROWS, "postgres": 1}}]).splitlines()
    assert lines[0].split() == ["month", "data", "source", "file", "parquet", "BigQuery", "Postgres"]
    assert lines[2].split() == ["green", "2021-01", "real", *["76,518"] * 4]
    assert lines[-1].split() == ["total", *["153,036"] * 3, "76,519"]
    assert len({len(line) for line in lines}) == 1, "right-aligned"


def test_the_words_of_version_0_2_0_are_shown_as_todays() -> None:
    months = [{**MONTH, "source": word, "rows": ROWS} for word in ("import", "download", "synthetic")]
    assert [line.split()[2] for line in count_table(months).splitlines()[2:5]] == ["real", "real", "generated"]

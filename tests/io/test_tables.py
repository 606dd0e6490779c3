"""CSV, ECSV and Parquet of small tables, read by polars and astropy."""

import csv

import numpy as np
import polars as pl
from astropy import units
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.io.tables import write_csv, write_ecsv, write_parquet


def test_csv_has_a_column_a_bin_and_tells_missing_from_not_a_number(tmp_path, found):
    write_csv(tmp_path / "a.csv", found.lazy())
    head, first, second = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert "counts_0,counts_1,background_0" in head
    assert first.endswith(',unknown,"",,')  # an empty text is quoted, what is missing is nothing
    assert second.endswith(",known burst,matched,GRB é,-0.5")
    table = pl.read_csv(tmp_path / "a.csv")
    assert table["counts_1"].to_list() == [100.0, 900.0]
    assert table["matched"].to_list() == [None, "GRB é"]
    assert table["t90"].is_nan().to_list() == [False, True]
    assert table["t_start"].to_list() == found["t_start"].to_list()


def test_parquet_keeps_arrays_nulls_and_provenance(tmp_path, found):
    write_parquet(tmp_path / "a.parquet", found.lazy(), {"CREATOR": "polarbgb 0"})
    table = pl.read_parquet(tmp_path / "a.parquet")
    assert table.equals(found)
    assert table.schema == found.schema
    assert pl.read_parquet_metadata(tmp_path / "a.parquet")["CREATOR"] == "polarbgb 0"


def test_ecsv_has_units_meanings_and_provenance(tmp_path, found):
    write_ecsv(tmp_path / "a.ecsv", found, "events", {"CREATOR": "polarbgb 0"})
    table = Table.read(tmp_path / "a.ecsv")
    assert dict(table.meta) == {"CREATOR": "polarbgb 0"}
    assert table.colnames == found.columns
    assert table["far"].unit == 1 / units.day
    assert table["far"].description == "false-alarm rate: false events a day that rank as high"
    assert table["id"].dtype == np.int64
    assert table["counts"].tolist() == [[480.0, 100.0], [50.0, 900.0]]
    assert table["matched"].mask.tolist() == table["matched_dt"].mask.tolist() == [True, False]
    assert table["matched"][1] == "GRB é"
    np.testing.assert_array_equal(table["t90"], [2.0, np.nan])


def test_a_table_without_rows_keeps_its_columns(tmp_path, found):
    empty = found.clear()
    write_csv(tmp_path / "a.csv", empty.lazy())
    write_parquet(tmp_path / "a.parquet", empty.lazy(), {})
    write_ecsv(tmp_path / "a.ecsv", empty, "events", {})
    assert pl.read_parquet(tmp_path / "a.parquet").schema == empty.schema
    assert "counts_1" in pl.read_csv(tmp_path / "a.csv").columns
    assert Table.read(tmp_path / "a.ecsv").colnames == empty.columns


NUMBERS = st.floats()
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


@settings(max_examples=50)
@given(st.lists(st.tuples(NUMBERS | st.none(), NUMBERS, NUMBERS, TEXTS)))
def test_what_is_written_is_what_is_read(tmp_path_factory, values):
    frame = pl.DataFrame(
        {
            "x": pl.Series([one[0] for one in values], dtype=pl.Float64),
            "a": pl.Series([one[1:3] for one in values], dtype=pl.Array(pl.Float64, 2)),
            "t": pl.Series([one[3] for one in values], dtype=pl.String),
        }
    )
    folder = tmp_path_factory.mktemp("tables")
    write_parquet(folder / "a.parquet", frame.lazy(), {})
    assert pl.read_parquet(folder / "a.parquet").equals(frame)
    write_csv(folder / "a.csv", frame.lazy())
    with (folder / "a.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["x", "a_0", "a_1", "t"]
    numbers = [tuple(float(cell) if cell else None for cell in row[:3]) for row in rows]
    assert repr(numbers) == repr([one[:3] for one in values])
    assert [row[3] for row in rows] == [one[3] for one in values]

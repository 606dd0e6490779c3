"""What is said of columns, against the tables of a run, FITS's rules and the documentation."""

import re
from pathlib import Path

import pytest
from astropy.io import fits
from astropy.units import Unit

from polarbgb.io.columns import COLUMNS

DOCUMENTED = (Path(__file__).resolve().parents[2] / "docs/export.md").read_text(encoding="utf-8")


def test_every_column_of_a_run_is_told_of(finished):
    config = finished.config()
    for table in ("events", "prediction", "clusters"):
        untold = set(finished.read_frame(f"{table}.parquet").columns) - set(COLUMNS[table])
        assert untold <= set(config.intervals.context), table
    assert set(COLUMNS["events"]) == set(finished.read_frame("events.parquet").columns) - set(config.intervals.context)


def test_units_and_meanings_fit_in_fits():
    for columns in COLUMNS.values():
        for told in columns.values():
            Unit(told.unit, format="fits")
            assert len(fits.Card("TCOMM10", told.meaning).image) == 80  # one card, nothing continued


@pytest.mark.parametrize("table", COLUMNS)
def test_the_documentation_says_the_same(table):
    section = DOCUMENTED.partition(f"### {table}\n")[2].partition("\n#")[0]
    told = {name: (unit, meaning) for name, unit, meaning in re.findall(r"\| `(\w+)` \| (.*?) ?\| (.*) \|", section)}
    assert told == {name: tuple(column) for name, column in COLUMNS[table].items()}

"""Real rows of POLAR, where the development data lie beside the checkout, and the field of the mission's date."""

from pathlib import Path

import polars as pl
import pytest

from polarbgb.simulation.field import igrf
from polarbgb.simulation.orbit import START

_REAL_ROWS = Path(__file__).resolve().parents[3] / "shared/facts/polar_real_rows.csv"


@pytest.fixture(scope="session")
def real_rows():
    if not _REAL_ROWS.exists():
        pytest.skip(f"no {_REAL_ROWS}")
    return pl.read_csv(_REAL_ROWS)


@pytest.fixture(scope="session")
def field():
    return igrf(START)

"""Real rows of POLAR, where the development data lie beside the checkout."""

from pathlib import Path

import polars as pl
import pytest

_REAL_ROWS = Path(__file__).resolve().parents[3] / "shared/facts/polar_real_rows.csv"


@pytest.fixture(scope="session")
def real_rows():
    if not _REAL_ROWS.exists():
        pytest.skip(f"no {_REAL_ROWS}")
    return pl.read_csv(_REAL_ROWS)

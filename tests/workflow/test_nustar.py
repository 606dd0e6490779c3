"""The configuration of NuSTAR: one bin, campaigns that lie months apart."""

from pathlib import Path

import pytest

import polarbgb
from polarbgb.config import shipped

FILE = Path(__file__).resolve().parents[3] / "shared/data/nustar_quiet.root"


def test_the_configuration_is_valid():
    config = polarbgb.load(shipped("configs/nustar.toml"))
    assert config.rates.searched == (0,)
    assert config.rates.titles == ("all energies",)
    assert config.known_events is None


def test_the_configuration_fits_the_columns_of_the_file():
    if not FILE.exists():
        pytest.skip(f"real data are absent: no {FILE}")
    seen = polarbgb.inspect(polarbgb.load("configs/nustar.toml"), path=FILE)
    assert seen.entries == 178_676
    assert seen.absent == {}
    # Only rows in the Earth's shadow are used.
    assert set(seen.dropped) == {"filter night: not in_eclipse > 0.5"}
    assert seen.usable > 60_000
    assert {"in_eclipse_lag_60s", "l_shell", "time_since_saa", "day"} <= set(seen.features)
    assert "livetime" in seen.used

"""The same photons give the same dataset and the same features, however they are stored."""

import numpy as np
import polars as pl
import pytest
from fixtures.photons import columns_of, frame_of, in_pieces, mission, toy, with_masks, with_short_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.config import validate
from polarbgb.data.dataset import clean, unused
from polarbgb.features.matrix import build_matrix
from polarbgb.workflow.reading import row_rules

MARKS = st.sampled_from([np.nan, -1.0, -999.0, np.inf, 1e33])


def dataset_of(pieces, *, counted=False, mark=np.nan):
    """Return the dataset of some pieces, one file after the other, and its features."""
    config = validate(toy(counted=counted), where="test")
    frame = pl.concat([frame_of(columns_of(piece, counted=counted, mark=mark)) for piece in pieces])
    dataset = clean(frame, row_rules(config))
    return dataset, build_matrix(dataset, config.features, config.position, config.input.cadence).values


def assert_same(found, wanted, *, exact=True, errors=True):
    """Compare two datasets and their features, exactly or up to rounding."""
    (found, features), (wanted, other) = found, wanted
    np.testing.assert_array_equal(found.time, wanted.time)
    np.testing.assert_array_equal(found.segment, wanted.segment)
    np.testing.assert_array_equal(found.orbit, wanted.orbit)
    np.testing.assert_array_equal(found.frame["glat"], wanted.frame["glat"])
    np.testing.assert_array_equal(features, other)
    np.testing.assert_array_equal(found.rates.measured, wanted.rates.measured)
    rtol = 0.0 if exact else 1e-12
    np.testing.assert_allclose(found.width, wanted.width, rtol=0 if exact else 1e-6)
    for name in ("rate", "exposure", "counts"):
        np.testing.assert_allclose(getattr(found.rates, name), getattr(wanted.rates, name), rtol=rtol, atol=1e-12)
    if errors:
        np.testing.assert_allclose(found.rates.error, wanted.rates.error, rtol=rtol)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), pieces=st.integers(1, 9), repeated=st.sampled_from([0.0, 0.5]), mark=MARKS)
def test_pieces_in_any_order_and_overlapping_lose_and_change_nothing(seed, pieces, repeated, mark):
    rng = np.random.default_rng(seed)
    photons = with_masks(mission(seed), rng)
    stored = in_pieces(photons, rng, pieces, repeated)
    found, wanted = dataset_of(stored, mark=mark), dataset_of([photons])
    assert_same(found, wanted)
    entries = found[0].entries
    row = np.concatenate([piece.row for piece in stored])
    used = entries.row >= 0
    np.testing.assert_array_equal(entries.row[used], row[used])
    assert sum(entries.dropped.values()) == (~used).sum() == len(row) - len(photons.row)
    assert entries.masked == wanted[0].entries.masked
    np.testing.assert_array_equal(wanted[0].rates.measured, ~photons.masked)
    np.testing.assert_allclose(wanted[0].rates.counts, np.where(photons.masked, 0, photons.counts))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), mark=MARKS)
def test_counts_are_as_good_as_rates_and_errors(seed, mark):
    photons = with_masks(mission(seed), np.random.default_rng(seed))
    assert_same(dataset_of([photons], counted=True, mark=mark), dataset_of([photons]), exact=False)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000), parts=st.sampled_from([2, 4, 8]), first=st.integers(0, 300),
    length=st.integers(1, 80), pieces=st.integers(1, 5), counted=st.booleans(),
)  # fmt: skip
def test_photons_in_short_rows_are_put_together_again(seed, parts, first, length, pieces, counted):
    rng = np.random.default_rng(seed)
    photons = mission(seed)
    short = with_short_rows(photons, rng, first, first + length, parts)
    assert short.counts.sum() == photons.counts.sum()
    found = dataset_of(in_pieces(short, rng, pieces, 0.3), counted=counted)
    # Errors of no counts, of at least one, are those of the parts.
    assert_same(found, dataset_of([photons], counted=counted), exact=False, errors=False)
    # A row alone between gaps is one row in any case, and so is a row of which the next one is missing.
    assert found[0].entries.combined >= (len(short.row) - len(photons.row)) * parts / (parts - 1)


def test_a_row_of_which_parts_are_masked_has_the_counts_and_live_time_of_the_others():
    rng = np.random.default_rng(0)
    photons = mission(0)
    short = with_masks(with_short_rows(photons, rng, 100, 180, 4), rng, share=0.2)
    dataset, _ = dataset_of([short])
    measured = ~short.masked
    for name, values in (("counts", short.counts), ("exposure", np.broadcast_to(short.live[:, None], measured.shape))):
        wanted = np.zeros((len(dataset), 3))
        np.add.at(wanted, short.row, np.where(measured, values, 0.0))
        np.testing.assert_allclose(getattr(dataset.rates, name), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("how", ["errors", "stated"])
def test_a_bin_of_few_counts_loses_no_row_and_no_rate(how):
    """0.6 Hz in 2 s rows: the error sqrt(N)/t is 0 in a third of them."""
    rng = np.random.default_rng(1)
    counts = rng.poisson([400, 1.2], (20_000, 2))
    frame = frame_of(
        {"unix_time": 1.6e9 + 2.0 * np.arange(20_000), "rate": counts / 2.0, "err": np.sqrt(counts) / 2.0,
         "live": np.full(20_000, 2.0), "glat": np.zeros(20_000)}
    )  # fmt: skip
    section = {"values": ["rate[0:2]"], "errors": ["err[0:2]"]} | ({"exposure": "live"} if how == "stated" else {})
    raw = toy(input={"tree": "t", "cadence": 2.0}, rates=section)
    dataset = clean(frame, row_rules(validate(raw, where="test")))
    assert len(dataset) == 20_000
    assert dataset.rates.measured.all()
    assert unused(dataset.entries.facts()) == []
    mean = dataset.rates.counts.sum(axis=0) / dataset.rates.exposure.sum(axis=0)
    np.testing.assert_allclose(mean, [200, 0.6], rtol=0.02)

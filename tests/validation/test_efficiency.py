"""Bright bursts are detected, bursts without counts are not, and the tables count correctly."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

from polarbgb.data.quality import Quality
from polarbgb.errors import UserError
from polarbgb.transients.fixed_windows import fixed_windows
from polarbgb.validation.efficiency import FIXED, FOCUS, METHODS, PUBLISHED, measure_efficiency, overlapping
from polarbgb.validation.logistic import Sensitivity, fit_sensitivity, proportion

ROWS = 40_000


def with_inject(settings, **changes):
    return replace(settings, inject=settings.inject.model_copy(update=changes))


@pytest.fixture(scope="module")
def settings(make_settings):
    return with_inject(make_settings(bins=3, more_than=1), bursts=24, per_day=26.0)


@pytest.fixture(scope="module")
def quiet(make_prediction):
    """Return a prediction with counting noise alone."""
    rng = np.random.default_rng(0)
    return make_prediction(
        (rng.poisson(100.0, (ROWS, 3)) - 100.0) / 10.0,
        orbit=(np.arange(ROWS) // 5500).astype(np.int32),
        quality=np.zeros(ROWS, np.uint32),
    )


@pytest.fixture(scope="module")
def bright(quiet, settings):
    return measure_efficiency(quiet, with_inject(settings, oracle=(60.0, 120.0)))


@pytest.fixture(scope="module")
def all_sorts(quiet, settings):
    return measure_efficiency(quiet, settings)


def test_bright_bursts_are_all_found_where_they_are(bright):
    rows = bright.injections
    assert len(rows) == 24
    assert rows["focus_found"].all()
    assert rows["fixed_found"].all()
    assert (rows["focus_t_start"] < rows["t_stop"]).all()
    assert (rows["focus_t_stop"] > rows["t_start"]).all()
    excess, counts = (np.array(rows[name].to_list()) for name in ("focus_excess", "counts"))
    assert np.median(excess / counts) == pytest.approx(1, abs=0.05)
    assert bright.share(FOCUS, 8.0) == 1.0


def test_bursts_without_counts_are_not_found(quiet, settings):
    nothing = measure_efficiency(quiet, with_inject(settings, oracle=(1e-6, 2e-6)))
    for name in METHODS:
        assert not nothing.injections[f"{name}_found"].any()
        assert np.isnan(nothing.share(name, 8.0))
    assert nothing.injections["counts"].to_numpy().sum() < 3
    assert nothing.injections["focus_t_start"].null_count() == 24


def test_brighter_bursts_are_found_more_often(all_sorts, bright):
    rows = all_sorts.injections
    assert rows.filter(pl.col("oracle") < 3.5)["focus_found"].mean() < 0.5
    assert rows.filter(pl.col("oracle") > 12)["focus_found"].mean() > 0.9
    assert bright.per_day == all_sorts.per_day  # the same rows without bursts
    assert all_sorts.per_day[FOCUS] <= 4


def test_the_table_counts_what_it_says(all_sorts):
    rows, table = all_sorts.injections, all_sorts.table()
    assert len(table) == 5 * 5
    for one in table.iter_rows(named=True):
        members = [
            row
            for row in rows.iter_rows(named=True)
            if one["oracle_from"] <= row["oracle"] < one["oracle_to"]
            and one["duration_from"] <= row["duration"] < one["duration_to"]
        ]
        assert one["bursts"] == len(members)
        for name in METHODS:
            if members:
                assert one[name] == pytest.approx(np.mean([row[f"{name}_found"] for row in members]))
            else:
                assert one[name] is None
    assert all_sorts.summary()["classes"] == table.to_dicts()


def test_the_classes_of_the_table_hold_their_lower_edges(all_sorts):
    edges = {"oracle": [6.0, 8.0, 12.0, 12.0, 12.0], "duration": [0.2, 1.0, 10.0, 60.0, 300.0]}
    found = {f"{name}_found": [True] * 5 for name in METHODS}
    table = replace(all_sorts, injections=pl.DataFrame(edges | found)).table()
    spans = [(0, 1), (1, 10), (10, 60), (60, np.inf), (0, np.inf)]
    assert table.select("duration_from", "duration_to").rows() == spans * 5
    counted = {
        (low, high): of_class["bursts"].to_list()
        for (low, high), of_class in table.group_by("oracle_from", "oracle_to")
    }
    assert counted == {
        (6, 8): [1, 0, 0, 0, 1], (8, 12): [0, 1, 0, 0, 1], (12, np.inf): [0, 0, 1, 2, 3],
        (6, np.inf): [1, 1, 1, 2, 5], (8, np.inf): [0, 1, 1, 2, 4],
    }  # fmt: skip


def test_bursts_tell_the_latitude_of_their_middle(quiet, settings):
    shell = np.linspace(1.5, 6.0, ROWS)
    rows = measure_efficiency(quiet.with_columns(l_shell=shell), with_inject(settings, bursts=5)).injections
    middle = (rows["t_start"] + rows["t_stop"]).to_numpy() / 2
    wanted = np.degrees(np.arccos(np.interp(middle, quiet["unix_time"], shell) ** -0.5))
    np.testing.assert_allclose(rows["latitude"], wanted, atol=0.01)


def test_the_same_seed_gives_the_same_bursts(all_sorts, quiet, settings):
    assert measure_efficiency(quiet, settings).injections.equals(all_sorts.injections)


def test_rounds_hold_no_more_than_was_asked(quiet, settings):
    found = measure_efficiency(quiet, with_inject(settings, bursts=7, per_day=6.5, oracle=(60.0, 120.0)))
    assert found.injections.group_by("round").len().sort("round")["len"].to_list() == [3, 3, 1]
    assert found.injections["focus_found"].all()


def test_a_place_where_there_was_an_event_already_gives_no_credit(quiet, settings):
    rate, pull = (quiet[name].to_numpy().copy() for name in ("rate", "pull"))
    rate += 60.0  # six sigma everywhere
    pull += 6.0
    lifted = quiet.with_columns(
        pl.Series("rate", rate, quiet["rate"].dtype), pl.Series("pull", pull, quiet["pull"].dtype)
    )
    found = measure_efficiency(lifted, with_inject(settings, bursts=5, oracle=(60.0, 120.0)))
    for name in (PUBLISHED, FIXED):
        assert found.injections[f"{name}_covered"].all()
        assert not found.injections[f"{name}_found"].any()
    assert found.summary()["covered"][FIXED] == 1.0


def test_no_place_is_an_answer(quiet, settings):
    held = quiet.with_columns(quality=pl.lit(int(Quality.KNOWN_EVENT), pl.UInt32))
    with pytest.raises(UserError, match="no burst can be injected"):
        measure_efficiency(held, settings)


def test_the_event_that_overlaps_longest_is_taken():
    rng = np.random.default_rng(1)
    for _ in range(50):
        edges = np.sort(rng.uniform(0, 100, 16)).round(0)
        edges = np.unique(edges)[: len(np.unique(edges)) // 2 * 2]
        events = pl.DataFrame({"t_start": edges[::2], "t_stop": edges[1::2]})
        start = rng.uniform(-5, 105, 20).round(0)
        stop = start + rng.uniform(0, 30, 20).round(0)
        for a, b, got in zip(start, stop, overlapping(start, stop, events), strict=True):
            shared = [min(b, y) - max(a, x) for x, y in events.iter_rows()]
            touching = [n for n, (x, y) in enumerate(events.iter_rows()) if x < b and y > a]
            assert (got == -1) == (not touching)
            assert not touching or shared[got] == max(shared[n] for n in touching)
    assert overlapping(np.array([1.0]), np.array([2.0]), events.clear()).tolist() == [-1]


@pytest.mark.parametrize(
    ("cadence", "lengths"), [(1.0, (1, 4, 16, 64)), (4.0, (1, 4, 16)), (10.0, (1, 2, 6)), (0.5, (2, 8, 32, 128))]
)
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_fixed_windows_are_those_beyond_five_sigma(make_prediction, cadence, lengths, seed):
    rng = np.random.default_rng(seed)
    time = 1.5e9 + cadence * np.concatenate([np.arange(150), 200 + np.arange(20), 300 + np.arange(130)])
    pull = rng.normal(0, 1, (300, 2))
    pull[40:44] += 3.0
    pull[[165, 250], 1] += 7.0
    pull[175:260, 0] += 0.9
    pull[100:103, 1] += 2.8
    prediction = make_prediction(pull, time=time, cadence=cadence)
    segment = prediction["segment"].to_numpy()
    inside = np.zeros(300, bool)
    for length in lengths:
        for number in range(segment.max() + 1):
            rows = np.flatnonzero(segment == number)
            for first in range(rows[0], rows[-1] + 2 - length, max(1, length // 2)):
                if (pull[first : first + length].sum(axis=0) / np.sqrt(length) > 5).any():
                    inside[first : first + length] = True
    assert 5 < inside.sum() < 250
    found = fixed_windows(prediction, cadence)
    covered = np.zeros(300, bool)
    for start, stop in found.iter_rows():
        rows = (time >= start) & (time < stop)
        assert not (covered & rows).any()
        assert len(set(segment[rows])) == 1
        covered |= rows
    np.testing.assert_array_equal(covered, inside)


def test_the_line_of_half_the_bursts_is_where_it_was_put():
    rng = np.random.default_rng(3)
    duration, fluence = np.exp(rng.uniform(np.log(0.1), np.log(300), 6000)), np.exp(rng.uniform(0, 8, 6000))
    logit = 3 * np.log(fluence) - 9 - 1.5 * np.log(duration) - 0.1 * np.log(duration) ** 2
    fit = fit_sensitivity(fluence, duration, rng.random(6000) < 1 / (1 + np.exp(-logit)))
    np.testing.assert_allclose(fit.coefficients, [-9, 3, -1.5, -0.1], rtol=0.12, atol=0.02)
    for length in (0.1, 3.0, 100.0):
        truth = np.exp((9 + 1.5 * np.log(length) + 0.1 * np.log(length) ** 2 + np.log(9)) / 3)
        assert fit.fluence(np.array([length]), 0.9).item() == pytest.approx(truth, rel=0.1)


def test_the_fit_is_the_most_likely_one():
    rng = np.random.default_rng(5)
    duration, fluence = np.exp(rng.uniform(np.log(0.1), np.log(300), 500)), np.exp(rng.uniform(0, 8, 500))
    terms = np.stack([np.ones(500), np.log(fluence), np.log(duration), np.log(duration) ** 2])
    found = rng.random(500) < 1 / (1 + np.exp(-(np.array([-6, 2, -1, 0.1]) @ terms)))

    def unlikely(coefficients):
        return np.logaddexp(0, np.where(found, -1, 1) * (coefficients @ terms)).sum()

    fit = fit_sensitivity(fluence, duration, found).coefficients
    assert unlikely(fit) == pytest.approx(minimize(unlikely, np.zeros(4), tol=1e-9).fun, abs=1e-4)


def test_where_brightness_does_not_help_no_fluence_is_enough():
    for slope in (0.0, -1.0):
        assert np.isnan(Sensitivity(np.array([1.0, slope, 0.0, 0.0])).fluence(np.array([1.0, 10.0]), 0.5)).all()


def test_a_sharp_edge_and_nothing_at_all_are_fitted_too():
    fluence, duration = np.geomspace(1, 100, 200), np.tile([1.0, 10.0], 100)
    sharp = fit_sensitivity(fluence, duration, fluence > 10)
    assert sharp.fluence(np.array([1.0, 10.0]), 0.5) == pytest.approx(10, rel=0.1)
    never = fit_sensitivity(fluence, duration, fluence > 1e9)
    assert not (never.fluence(np.array([1.0]), 0.5) < 100).any()


def test_shares_have_the_interval_that_holds_the_truth_two_times_in_three():
    rng = np.random.default_rng(4)
    truth = rng.uniform(0.05, 0.95, 4000)  # a single truth would test few of the possible shares of 40 bursts
    ends = np.array([proportion(rng.random(40) < one)[1:] for one in truth])
    assert ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean() == pytest.approx(0.68, abs=0.03)
    assert np.isnan(proportion(np.zeros(0, bool))).all()


@pytest.mark.parametrize(("found", "number"), [(1, 2), (0, 3), (3, 7), (7, 7)])
def test_the_ends_of_an_interval_lie_a_standard_error_from_the_share_found(found, number):
    # Wilson: both ends p solve (share - p)**2 = p (1 - p) / n.
    share, low, high = proportion(np.arange(number) < found)
    assert share == found / number
    for end in (low, high):
        assert (share - end) ** 2 == pytest.approx(end * (1 - end) / number, abs=1e-12)
    assert low < high

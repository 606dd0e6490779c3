"""Who is predicted by whom, against a plain reading of the rules row by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.background.folds import BLOCK_PARTS, make_folds
from polarbgb.config import validate
from polarbgb.errors import UserError

PERIOD = 1000.0
DAY = 86400.0
T0 = 1_483_525_445.6
ROUNDING = 1e-5
"""s: what a unix time divided by a period and multiplied again may be off by."""


def make_config(**sections):
    raw = {
        "name": "TOY",
        "input": {"tree": "t"},
        "rates": {"values": ["rate"], "errors": ["rate_err"]},
        "features": {"columns": ["glat"]},
        "orbit": {"period": PERIOD},
        "intervals": {"more_than": 0},
    }
    return validate(raw | sections, where="test")


def folds_of(time, excluded, config):
    return make_folds(time, excluded, config.folds, config.orbit, config.model)


def whole_orbits(count, step=20.0):
    return T0 + np.arange(0.0, count * PERIOD, step)


def whole_days(count, step=1800.0):
    midnight = T0 - T0 % DAY
    return midnight + np.arange(0.0, count * DAY, step)


@st.composite
def observations(draw):
    """Rows with gaps of every length, some excluded, and a way to fold them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(300, 700))
    steps = rng.choice([1.0, 10.0, 40.0, 130.0, 900.0, 4000.0], rows, p=[0.3, 0.3, 0.2, 0.17, 0.02, 0.01])
    scheme = draw(st.sampled_from(["orbits", "days"]))
    stretch = DAY / PERIOD if scheme == "days" else 1.0
    time = T0 + np.cumsum(steps) * stretch
    excluded = rng.random(rows) < draw(st.sampled_from([0.0, 0.1, 0.5]))
    folds = {
        "scheme": scheme,
        "count": draw(st.integers(2, 5)),
        "group": draw(st.integers(1, 2)),
        "embargo": draw(st.sampled_from([0.0, 1.0, 77.7, 200.0])) * stretch,
        "seed": draw(st.integers(0, 5)),
    }
    epoch = draw(st.sampled_from([None, T0 - 123_456.7, T0 + 5000.0]))
    return (
        time,
        excluded,
        make_config(folds=folds, orbit={"period": 0.37 * DAY if scheme == "days" else PERIOD, "epoch": epoch}),
    )


def groups_of(time, config):
    """Return each row's group, and the group's first and last second, from the definition of an orbit or a UTC day."""
    if config.folds.scheme == "days":
        epoch, length = 0.0, DAY * config.folds.group
    else:
        epoch = time[0] if config.orbit.epoch is None else config.orbit.epoch
        length = config.orbit.period * config.folds.group
    group = [int((t - epoch) // length) for t in time]
    return np.array(group), {g: (epoch + g * length, epoch + (g + 1) * length) for g in set(group)}


def seconds_from(time, borders):
    """Return each row's distance from the nearest of some stretches of time, s; negative inside one."""
    first, last = np.array(borders).T
    return np.max([first - time[:, None], time[:, None] - last], axis=0).min(axis=1)


@given(observations())
@settings(deadline=None, max_examples=60)
def test_every_row_is_predicted_by_one_split_that_learns_nothing_within_the_embargo(case):
    time, excluded, config = case
    folds = folds_of(time, excluded, config)
    group, borders = groups_of(time, config)

    assert len(folds.splits) == config.folds.count
    np.testing.assert_array_equal(np.sum([split.predicted for split in folds.splits], axis=0), 1)
    for number, split in enumerate(folds.splits):
        np.testing.assert_array_equal(folds.fold == number, split.predicted)
        held_out = set(group[split.predicted])
        learns = split.train | split.validation
        assert not held_out & set(group[learns])
        assert not (split.train & split.validation).any()
        assert not (learns & excluded).any()
        distance = seconds_from(time[learns], [borders[g] for g in held_out])
        assert distance.min() >= config.folds.embargo - ROUNDING


@given(observations())
@settings(deadline=None, max_examples=60)
def test_rows_that_stop_training_keep_the_same_distance_from_rows_that_grow_trees(case):
    time, excluded, config = case
    group, borders = groups_of(time, config)
    for split in folds_of(time, excluded, config).splits:
        stopping = set(group[split.validation])
        assert not stopping & set(group[split.train])
        distance = seconds_from(time[split.train], [borders[g] for g in stopping])
        assert distance.min() >= config.folds.embargo - ROUNDING


@pytest.mark.parametrize("orbits_together", [1, 2])
def test_only_rows_within_the_embargo_are_given_up(orbits_together):
    time = whole_orbits(30)
    config = make_config(folds={"embargo": 130.0, "count": 3, "group": orbits_together})
    group, borders = groups_of(time, config)
    for split in folds_of(time, np.zeros(len(time), bool), config).splits:
        unused = ~(split.train | split.validation | split.predicted)
        near = [borders[g] for g in set(group[split.predicted]) | set(group[split.validation])]
        assert unused.any()
        assert seconds_from(time[unused], near).max() <= 130.0 + ROUNDING


def test_without_embargo_every_row_is_used():
    time = whole_orbits(12)
    folds = folds_of(time, np.zeros(len(time), bool), make_config(folds={"embargo": 0.0, "count": 4}))
    for split in folds.splits:
        np.testing.assert_array_equal(split.train.astype(int) + split.validation + split.predicted, 1)


def test_excluded_rows_are_predicted():
    time = whole_orbits(12)
    excluded = np.zeros(len(time), bool)
    excluded[100:140] = True
    folds = folds_of(time, excluded, make_config())
    assert (np.sum([split.predicted[excluded] for split in folds.splits], axis=0) == 1).all()


def test_neighbouring_orbits_spread_over_all_folds_in_changing_order():
    time = whole_orbits(40)
    folds = folds_of(time, np.zeros(len(time), bool), make_config(folds={"count": 5, "embargo": 0.0}))
    by_orbit = folds.fold.reshape(40, -1)
    assert (by_orbit == by_orbit[:, :1]).all()
    turns = by_orbit[:, 0].reshape(8, 5)
    np.testing.assert_array_equal(np.sort(turns, axis=1), np.tile(np.arange(5), (8, 1)))
    assert len({tuple(turn) for turn in turns}) > 1


@pytest.mark.parametrize(("fraction", "orbits"), [(0.01, 1), (0.1, 3), (0.5, 16)])
def test_the_asked_part_of_the_training_orbits_decides_when_to_stop(fraction, orbits):
    time = whole_orbits(40)  # 8 held out by each of 5, 32 left
    config = make_config(folds={"embargo": 0.0}, model={"validation_fraction": fraction})
    for split in folds_of(time, np.zeros(len(time), bool), config).splits:
        assert len(set(groups_of(time, config)[0][split.validation])) == orbits


def test_the_seed_decides():
    time = whole_orbits(40)
    excluded = np.zeros(len(time), bool)

    def stopping(seed):
        folds = folds_of(time, excluded, make_config(folds={"seed": seed}))
        return np.array([split.validation for split in folds.splits])

    np.testing.assert_array_equal(stopping(1), stopping(1))
    assert not np.array_equal(stopping(1), stopping(2))


@pytest.mark.parametrize(("orbits", "count"), [(0, 5), (1, 2), (2, 2), (4, 5)])
def test_too_few_orbits_are_refused(orbits, count):
    time = whole_orbits(orbits)
    with pytest.raises(UserError, match=f"cover {orbits} group.*lower folds.count") as error:
        folds_of(time, np.zeros(len(time), bool), make_config(folds={"count": count}))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("days", "count"), [(0, 5), (2, 2), (4, 5)])
def test_too_few_days_are_refused(days, count):
    time = whole_days(days)
    with pytest.raises(UserError, match=rf"cover {days} group\(s\) of 1 day\(s\).*lower folds.count") as error:
        folds_of(time, np.zeros(len(time), bool), make_config(folds={"scheme": "days", "count": count}))
    assert "\n" not in str(error.value)


def test_a_day_ends_at_midnight_whatever_the_orbit():
    time = whole_days(12)
    config = make_config(folds={"scheme": "days", "count": 4, "embargo": 900.0})
    folds = folds_of(time, np.zeros(len(time), bool), config)
    by_day = folds.fold.reshape(12, -1)
    assert (by_day == by_day[:, :1]).all()
    np.testing.assert_array_equal(np.sort(by_day[:, 0].reshape(3, 4), axis=1), np.tile(np.arange(4), (3, 1)))


@pytest.mark.parametrize("seed", range(8))
def test_an_orbit_of_excluded_rows_is_no_orbit_to_stop_by(seed):
    time = whole_orbits(30)
    excluded = np.floor((time - T0) / PERIOD) % 3 != 0
    config = make_config(folds={"count": 2, "embargo": 0.0, "seed": seed})
    for split in folds_of(time, excluded, config).splits:
        assert split.validation.any()


def test_a_fold_without_training_rows_is_refused():
    time = whole_orbits(4)
    config = make_config(folds={"count": 2, "embargo": PERIOD})
    with pytest.raises(UserError, match=r"without training rows: lower folds\.embargo"):
        folds_of(time, np.zeros(len(time), bool), config)


def published_part(row):
    """98 % of each 256 rows train, 1 % validate, 1 % test, in time order, all rounded down; the rest is unused."""
    place = row % 256
    for part, end in (("training", 250), ("validation", 252), ("test", 254)):
        if place < end:
            return part
    return "unused"


@given(rows=st.integers(400, 3000), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_blocks_are_split_as_published(rows, seed):
    excluded = np.random.default_rng(seed).random(rows) < 0.05
    config = make_config(folds={"scheme": "blocks", "seed": seed})
    folds = folds_of(T0 + np.arange(rows), excluded, config)
    (split,) = folds.splits

    assert [BLOCK_PARTS[part] for part in folds.fold] == [published_part(row) for row in range(rows)]
    assert split.predicted.all()
    for rows_of, part in ((split.train, "training"), (split.validation, "validation")):
        wanted = np.array([published_part(row) == part for row in range(rows)]) & ~excluded
        np.testing.assert_array_equal(rows_of, wanted)


@pytest.mark.parametrize("rows", [0, 1, 256])
def test_too_few_blocks_are_refused(rows):
    with pytest.raises(UserError, match=f"{rows} usable rows are too few for blocks of 256"):
        folds_of(T0 + np.arange(rows), np.zeros(rows, bool), make_config(folds={"scheme": "blocks"}))

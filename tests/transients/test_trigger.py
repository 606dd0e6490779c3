"""From a prediction to a list: made Poisson counts, of which it is known what is in them."""

import numpy as np
import polars as pl
import pytest

from polarbgb.transients.trigger import find_transients

DAYS, ORBIT, BINS = 3.0, 5500, 3
COLUMNS = {
    "significance": pl.Float64, "strength": pl.Float64, "t_trigger": pl.Float64, "timescale": pl.Float64,
    "far": pl.Float64, "probability": pl.Float64, "bins_flagged": pl.String, "t90": pl.Float64,
}  # fmt: skip
BURSTS = (  # orbit, s into it, s long, share of the background, bins
    (5, 500, 1, 1.2, (0, 1, 2)),
    (12, 1500, 4, 0.9, (0, 1, 2)),
    (17, 2500, 8, 0.9, (1,)),
    (23, 3500, 15, 0.9, (2,)),
    (31, 800, 40, 0.5, (0, 1, 2)),
    (40, 4200, 90, 0.3, (0, 1)),
)


def made(seed, bursts=()):
    """Time, background and counts of three bins in orbits of which a sixth is missing."""
    time = np.arange(int(DAYS * 86_400))
    time = time[time % ORBIT < 4600]
    phase = 2 * np.pi * time / ORBIT
    expected = np.column_stack([300 + 120 * np.cos(phase), 120 + 24 * np.cos(phase), 60 + 10 * np.sin(phase)])
    share = np.ones_like(expected)
    for orbit, begin, length, strength, bins in bursts:
        inside = (time >= orbit * ORBIT + begin) & (time < orbit * ORBIT + begin + length)
        share[np.ix_(inside, bins)] += strength
    return np.random.default_rng(seed).poisson(expected * share), expected, 1.5e9 + time


@pytest.fixture(scope="module")
def asked(make_config, make_observed):
    """List the transients of a made mission at a price; optionally mirrored, excesses for deficits."""

    def find(seed, far, bursts=(), mirrored=False):
        found, expected, time = made(seed, bursts)
        if mirrored:
            found = np.maximum(2 * expected - found, 0.01)
        return find_transients(make_observed(found, expected, time), make_config(trigger={"far": far}))

    return find


@pytest.fixture(scope="module")
def bright(asked):
    return asked(11, 1.0, BURSTS)


def at(events, burst):
    """Return the events that overlap a burst."""
    orbit, begin, length, *_ = burst
    start = 1.5e9 + orbit * ORBIT + begin
    return events.filter((pl.col("t_start") < start + length) & (pl.col("t_stop") > start))


@pytest.mark.parametrize("far", [10.0, 3.0])
def test_without_events_a_list_holds_what_was_asked_for(asked, far):
    # The list and the control that it is priced by are both counted: twice the variance of either.
    found = [asked(seed, far) for seed in (1, 2)]
    expected = far * sum(one.days for one in found)
    assert found[0].days == pytest.approx(DAYS * 4600 / ORBIT, rel=0.01)
    assert sum(len(one.events) for one in found) == pytest.approx(expected, abs=3 * np.sqrt(2 * expected))
    # The control is priced without itself, the deficits of a search are priced with all of it: fewer are as rare.
    assert 0.3 * expected < sum(one.deficits for one in found) <= 1.1 * expected


def test_the_background_follows_the_local_baseline_in_and_beside_short_events_alone(make_config, make_observed):
    # It is wrong by up to 15 % over a quarter of an hour; both bursts, four times as bright, lie where it is so.
    rows, slow = 20_000, 1800
    drift = 1 + 0.15 * np.sin(2 * np.pi * np.arange(rows)[:, None] / slow)
    short, longer = (
        slice(turn * slow + slow // 4, turn * slow + slow // 4 + length) for turn, length in ((4, 4), (7, 5))
    )
    drift[short] *= 4
    drift[longer] *= 4
    found = np.random.default_rng(6).poisson(400.0 * drift, (rows, 2))
    trigger = {"scales": [4.0, 20.0], "follow": 4.0, "trust": 0.1, "far": 1.0}
    config = make_config(bins=2, trigger=trigger, sigma=10.0)
    # So many orbits that bursts in two of them are rare, and no baseline is taken from them.
    prediction = make_observed(found, np.full((rows, 2), 400.0)).with_columns(orbit=pl.col("row") // 200)
    events = find_transients(prediction, config).events
    for burst, local, beside in ((short, 1.15, 0.0), (longer, 1.0, 0.15 * 400 / 20)):
        (event,) = events.filter((pl.col("t_start") - 1.5e9).is_between(burst.start - 1, burst.stop)).rows(named=True)
        assert event["rows"] == burst.stop - burst.start
        assert event["background"] == pytest.approx([400 * local * event["rows"]] * 2, rel=0.02)
        assert event["level"] == pytest.approx((4 * 1.15 - local) * 400 / 20, abs=3)
        assert (event["level_before"], event["level_after"]) == pytest.approx((beside, beside), abs=0.7)


def test_a_higher_price_adds_to_the_list(asked):
    few, many = (asked(1, far) for far in (3.0, 10.0))
    assert 0 < len(few.events) < len(many.events)
    for event in few.events.iter_rows(named=True):
        wider = many.events.filter(pl.col("t_start") <= event["t_start"], pl.col("t_stop") >= event["t_stop"])
        assert wider["far"].to_list() == [event["far"]]
    assert few.windows.equals(many.windows)


@pytest.mark.parametrize("burst", BURSTS)
def test_a_burst_is_listed_with_its_times_and_bins(bright, burst):
    orbit, begin, length, _, bins = burst
    start = 1.5e9 + orbit * ORBIT + begin
    (event,) = at(bright.events, burst).rows(named=True)
    slack = 1 + 0.03 * length
    assert event["t_start"] == pytest.approx(start, abs=slack)
    assert event["t_stop"] == pytest.approx(start + length, abs=slack)
    assert event["t90"] == pytest.approx(max(1, 0.9 * length), abs=slack)
    assert event["timescale"] == pytest.approx(length, abs=max(slack, length / 2))
    assert start - 200 < event["t_trigger"] < start + length
    flagged = [int(number) for number in event["bins_flagged"].split("_")]
    if length < 60:
        assert flagged == list(bins)
    else:  # a chance window of another bin may lie in it
        assert set(bins) <= set(flagged)
    assert event["strength"] >= event["significance"] * 0.95
    assert event["far"] < 1e-6
    assert event["probability"] > 1 - 1e-6


def test_significance_and_strength_are_those_of_the_likelihood(bright):
    _, expected, _ = made(11)
    for burst in BURSTS[2:4]:  # in one bin
        orbit, begin, length, share, (number,) = burst
        background = expected[orbit * 4600 + begin, number] * length
        nominal = np.sqrt(2 * background * ((1 + share) * np.log(1 + share) - share))
        (event,) = at(bright.events, burst).rows(named=True)
        assert event["significance"] == pytest.approx(nominal, abs=3)
        assert event["strength"] == pytest.approx(nominal, abs=3)


def test_what_else_is_listed_is_what_was_asked_for(bright):
    listed = sum(len(at(bright.events, burst)) for burst in BURSTS)
    assert listed == len(BURSTS)
    assert len(bright.events) - listed == pytest.approx(bright.days, abs=3 * np.sqrt(2 * bright.days))
    assert (bright.events["far"] <= 1.0).all()
    assert bright.events["t_start"].is_sorted()
    assert bright.events["id"].to_list() == list(range(len(bright.events)))


def test_a_mirrored_light_curve_has_no_burst(asked, bright):
    mirrored = asked(11, 1.0, BURSTS, mirrored=True)
    for burst in BURSTS:
        assert at(mirrored.events, burst).is_empty()
        dark = at(mirrored.windows, burst)
        assert set(dark.filter(pl.col("strength") > 8)["sign"]) == {-1}
    assert len(mirrored.events) <= bright.days + 3 * np.sqrt(2 * bright.days)


def test_probability_is_one_less_the_false_among_the_as_rare(bright):
    excesses = bright.windows.filter(sign=1).group_by("group").agg(pl.col("far").min())["far"].to_numpy()
    for far, probability in bright.events.select("far", "probability").iter_rows():
        false = far * bright.days / (excesses <= far).sum()
        assert probability == pytest.approx(1 - min(false, 1.0), abs=1e-9)
    assert bright.events["probability"].is_between(0, 1).all()


def test_an_event_is_the_windows_that_are_rare_enough(bright):
    rare = bright.windows.filter(pl.col("sign") == 1, pl.col("far") <= 1.0)
    assert rare["group"].n_unique() == len(bright.events)
    groups = rare.group_by("group").agg(
        pl.col("t_start").min(), pl.col("t_stop").max(), pl.col("far").min(), pl.col("significance", "strength").max()
    )
    columns = ["t_start", "t_stop", "far", "significance", "strength"]
    for mine, theirs in zip(groups.sort("t_start")[columns].rows(), bright.events[columns].rows(), strict=True):
        assert theirs == pytest.approx(mine)
    control = bright.windows.filter(pl.col("sign") == -1, pl.col("far") <= 1.0)
    assert bright.deficits == control["group"].n_unique()


def test_rows_that_were_dropped_do_not_shift_events(make_config, make_observed):
    # A day, of which every third minute is missing.
    found, expected, time = (values[: 16 * 4600] for values in made(3, BURSTS[:2]))
    usable = (np.arange(len(time)) // 60 % 3 != 1) | (np.abs(np.arange(len(time)) - (5 * 4600 + 500)) < 60)
    prediction = make_observed(found, expected, time, usable=usable)
    events = find_transients(prediction, make_config()).events
    (event,) = at(events, BURSTS[0]).rows(named=True)
    assert event["t_start"] == 1.5e9 + 5 * ORBIT + 500
    assert event["rows"] == 1


@pytest.mark.parametrize("rows", [0, 1, 300])
def test_very_short_files_are_searched(make_config, make_observed, rows):
    found, expected, time = (values[:rows] for values in made(4))
    found[rows // 2 : rows // 2 + 1] *= 5
    config = make_config(trigger={"far": 10.0})
    triggered = find_transients(make_observed(found, expected, time), config)
    assert triggered.days == pytest.approx(rows / 86_400)
    assert {name: triggered.events.schema[name] for name in COLUMNS} == COLUMNS
    assert len(triggered.windows) >= (1 if rows else 0)
    # Without any control a row of five times the counts is still no chance.
    assert triggered.events["t_start"].to_list() == time[rows // 2 : rows // 2 + 1].tolist()


def test_a_list_without_events_has_the_columns_of_one_with_events(bright, asked):
    none = asked(11, 1e-9)
    assert none.events.is_empty()
    assert none.events.schema == bright.events.schema
    assert none.windows.schema == bright.windows.schema
    assert none.deficits == 0

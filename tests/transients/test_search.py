"""The search from prediction to list, on Poisson counts with known bursts."""

import numpy as np
import polars as pl
import pytest

from polarbgb.transients.search import find_transients, search_again, train_detector

pytestmark = pytest.mark.usefixtures("fewer_injections")

CADENCE, ORBIT, ORBITS, BINS = 4.0, 5500, 34, 3
COLUMNS = {
    "significance": pl.Float64, "ranking": pl.Float64, "far": pl.Float64, "far_error": pl.Float64,
    "far_limit": pl.Boolean, "probability": pl.Float64, "bins_flagged": pl.String, "t_trigger": pl.Float64,
    "timescale": pl.Float64, "ranked_by": pl.String, "t90": pl.Float64,
}  # fmt: skip
BURSTS = (  # orbit, start in it (s), length (s), excess as a share of the background, bins
    (2, 500, 4, 1.0, (0, 1, 2)),
    (5, 1500, 12, 0.8, (0, 1, 2)),
    (12, 2500, 24, 0.8, (1,)),
    (17, 3500, 48, 0.8, (2,)),
    (23, 800, 120, 0.4, (0, 1, 2)),
    (31, 4200, 160, 0.3, (0, 1)),
)


def made(seed, bursts=(), orbits=ORBITS):
    """Return counts, background and time of three bins in orbits of which a sixth is missing."""
    time = np.arange(0, orbits * ORBIT, CADENCE)
    time = time[time % ORBIT < 4600]
    phase = 2 * np.pi * time / ORBIT
    expected = np.column_stack([300 + 120 * np.cos(phase), 120 + 24 * np.cos(phase), 60 + 10 * np.sin(phase)])
    share = np.ones_like(expected)
    for orbit, begin, length, strength, bins in bursts:
        inside = (time >= orbit * ORBIT + begin) & (time < orbit * ORBIT + begin + length)
        share[np.ix_(inside, bins)] += strength
    return np.random.default_rng(seed).poisson(expected * share), expected, 1.5e9 + time


def configured(make_settings, far):
    trigger = {"far": far, "scales": [4.0, 24.0, 80.0, 200.0], "sums": [[0, 1, 2]]}
    return make_settings(bins=BINS, cadence=CADENCE, trigger=trigger)


@pytest.fixture(scope="module")
def prediction(make_observed):
    return make_observed(*made(11, BURSTS), cadence=CADENCE)


@pytest.fixture(scope="module")
def trained(make_settings, prediction):
    return train_detector(prediction, configured(make_settings, 1.0))


@pytest.fixture(scope="module")
def asked(make_settings, prediction, trained):
    """Return a function that searches the prediction at a false-alarm rate."""

    def find(far):
        return search_again(prediction, configured(make_settings, far), trained)

    return find


@pytest.fixture(scope="module")
def bright(asked):
    return asked(1.0)


def at(events, burst):
    """Return the events that overlap a burst."""
    orbit, begin, length, *_ = burst
    start = 1.5e9 + orbit * ORBIT + begin
    return events.filter((pl.col("t_start") < start + length) & (pl.col("t_stop") > start))


@pytest.mark.parametrize("burst", BURSTS)
def test_a_burst_is_listed_with_its_times_and_bins(bright, burst):
    orbit, begin, length, share, bins = burst
    start = 1.5e9 + orbit * ORBIT + begin
    (event,) = at(bright.events, burst).rows(named=True)
    slack = CADENCE + 0.05 * length
    assert event["t_start"] == pytest.approx(start, abs=slack)
    assert event["t_stop"] == pytest.approx(start + length, abs=slack)
    assert event["t90"] == pytest.approx(max(CADENCE, 0.9 * length), abs=slack)
    assert event["timescale"] == pytest.approx(length, abs=max(slack, length / 2))
    assert start - 200 < event["t_trigger"] < start + length
    flagged = {int(number) for number in event["bins_flagged"].split("_")}
    assert set(bins) & flagged
    assert flagged <= {0, 1, 2}
    assert event["far_limit"]
    assert event["far"] == event["far_error"] == pytest.approx(bright.detector.control.least_far)
    assert event["probability"] > 1 - 1 / 5  # with six of them
    excess = np.array(event["counts"]) - event["background"]
    for i_bin in bins:
        assert excess[i_bin] / event["background"][i_bin] == pytest.approx(share, rel=0.3)


def test_the_significance_is_that_of_the_likelihood(bright):
    _, expected, time = made(11)
    for burst in BURSTS[2:4]:  # in one bin
        orbit, begin, length, share, (i_bin,) = burst
        inside = (time - 1.5e9 >= orbit * ORBIT + begin) & (time - 1.5e9 < orbit * ORBIT + begin + length)
        background = expected[inside, i_bin].sum()
        nominal = np.sqrt(2 * background * ((1 + share) * np.log(1 + share) - share))
        (event,) = at(bright.events, burst).rows(named=True)
        assert event["significance"] == pytest.approx(nominal, abs=3)


def test_what_else_is_listed_is_what_was_asked_for(asked):
    found = asked(4.0)
    listed = sum(len(at(found.events, burst)) for burst in BURSTS)
    assert listed == len(BURSTS)
    due = 4.0 * found.days
    assert len(found.events) - listed == pytest.approx(due, abs=3 * np.sqrt(2 * due))
    assert ((found.events["far"] <= 4.0) | found.events["far_limit"]).all()
    assert found.events["t_start"].is_sorted()
    assert found.events["id"].to_list() == list(range(len(found.events)))
    assert (found.events["t_start"][1:] >= found.events["t_stop"][:-1]).all()


def test_a_higher_rate_adds_to_the_list(asked):
    few, many = asked(1.0), asked(10.0)
    assert 0 < len(few.events) < len(many.events)
    for event in few.events.iter_rows(named=True):
        wider = many.events.filter(pl.col("t_start") <= event["t_start"], pl.col("t_stop") >= event["t_stop"])
        assert wider["far"].to_list() == [event["far"]]
    assert few.candidates.drop("listed").equals(many.candidates.drop("listed"))
    assert not few.candidates.filter(pl.col("listed") & ~many.candidates["listed"]).height


def test_an_event_is_the_candidates_that_are_listed(bright):
    listed = bright.candidates.filter("listed")
    assert len(bright.events) <= len(listed) < len(bright.candidates)
    for event in bright.events.iter_rows(named=True):
        mine = listed.filter(pl.col("t_start") >= event["t_start"], pl.col("t_stop") <= event["t_stop"])
        # Windows at least half as significant as the core they belong to extend an event beyond its cores.
        assert event["t_start"] <= mine["t_start"].min()
        assert event["t_stop"] >= mine["t_stop"].max()
        best = mine.filter(pl.col("ranking") == pl.col("ranking").max())
        assert best["ranking"][0] == event["ranking"]
        assert best["significance"][0] == event["significance"]
    covered = [
        bright.events.filter(pl.col("t_start") <= start, pl.col("t_stop") >= stop).height
        for start, stop in listed.select("t_start", "t_stop").iter_rows()
    ]
    assert set(covered) == {1}


def test_candidates_are_listed_with_the_features_of_their_ranking(bright, trained):
    table = bright.candidates
    names = set(trained.detector.ranking.names)
    assert names <= set(table.columns)
    wanted = {"t_start", "t_stop", "scale", "series", "significance", "ranking", "far", "distance_near"}
    assert wanted <= set(table.columns)
    assert set(table["series"]) <= {"0", "1", "2", "0_1_2"}
    assert set(table["scale"]) <= {4.0, 24.0, 80.0, 200.0}
    far = trained.detector.control.far(table["ranking"].to_numpy())
    np.testing.assert_array_equal(table["far"].to_numpy(), far)


def test_reasons_are_the_largest_shap_values(bright, trained):
    names = [name for name in bright.contributions.columns if name != "id"]
    assert names == list(trained.detector.ranking.names)
    assert bright.contributions["id"].to_list() == bright.events["id"].to_list()
    for shap, reasons in zip(bright.contributions.iter_rows(named=True), bright.events["ranked_by"], strict=True):
        largest = sorted(names, key=lambda name: -abs(shap[name]))[:3]
        assert reasons == ", ".join(f"{name} {shap[name]:+.1f}" for name in largest)


def test_the_background_follows_the_local_baseline_in_and_beside_short_events_alone(make_settings, make_observed):
    # The background is twice wrong by up to 15 % for half an hour; both bursts, four times as bright, lie there.
    rows, slow = 30_000, 1800
    drift = 1 + 0.15 * np.sin(2 * np.pi * np.arange(rows)[:, None] / slow)
    drift[~np.isin(np.arange(rows) // slow, (4, 7))] = 1.0
    short, longer = (
        slice(turn * slow + slow // 4, turn * slow + slow // 4 + length) for turn, length in ((4, 4), (7, 5))
    )
    drift[short] *= 4
    drift[longer] *= 4
    observed = np.random.default_rng(6).poisson(400.0 * drift, (rows, 2))
    trigger = {"scales": [4.0, 20.0], "longest_followed": 4.0, "prior_width": 0.1, "far": 1.0}
    settings = make_settings(bins=2, trigger=trigger, sigma=10.0)
    events = find_transients(make_observed(observed, np.full((rows, 2), 400.0)), settings).events
    for burst, local, beside in ((short, 1.15, 0.0), (longer, 1.0, 0.15 * 400 / 20)):
        (event,) = events.filter((pl.col("t_start") - 1.5e9).is_between(burst.start - 1, burst.stop)).rows(named=True)
        assert event["rows"] == burst.stop - burst.start
        assert event["background"] == pytest.approx([400 * local * event["rows"]] * 2, rel=0.02)
        assert event["level"] == pytest.approx((4 * 1.15 - local) * 400 / 20, abs=3)
        assert (event["level_before"], event["level_after"]) == pytest.approx((beside, beside), abs=0.7)


def test_rows_that_were_dropped_do_not_shift_events(make_settings, make_observed):
    # A few orbits in which every third minute is missing.
    observed, expected, time = made(3, BURSTS[:2], orbits=8)
    into = time - 1.5e9
    usable = (into // 60 % 3 != 1) | (np.abs(into - 2 * ORBIT - 500) < 60)
    prediction = make_observed(observed, expected, time, usable=usable, cadence=CADENCE)
    events = find_transients(prediction, configured(make_settings, 1.0)).events
    (event,) = at(events, BURSTS[0]).rows(named=True)
    assert event["t_start"] == 1.5e9 + 2 * ORBIT + 500
    assert event["rows"] == 1


@pytest.mark.parametrize("rows", [0, 1, 300])
def test_very_short_files_are_searched(make_settings, make_observed, rows):
    observed, expected, time = (values[:rows] for values in made(4))
    observed[rows // 2 : rows // 2 + 1] *= 5
    settings = configured(make_settings, 10.0)
    triggered = find_transients(make_observed(observed, expected, time, cadence=CADENCE), settings)
    assert triggered.days == pytest.approx(rows * CADENCE / 86_400)
    assert {name: triggered.events.schema[name] for name in COLUMNS} == COLUMNS
    assert not triggered.detector.ranking.learned
    # Too short for a ranking and a control, but a row with five times the counts is still listed.
    bright = time[rows // 2 : rows // 2 + 1].tolist()
    assert [start for start in triggered.events["t_start"] if start in bright] == bright


def test_a_list_without_events_has_the_columns_of_one_with_events(make_settings, bright, make_observed):
    observed, expected, time = made(12, orbits=2)
    none = find_transients(
        make_observed(np.minimum(observed, expected), expected, time, cadence=CADENCE), configured(make_settings, 1e-9)
    )
    assert none.events.is_empty()
    assert none.events.schema == bright.events.schema
    assert none.candidates.schema == bright.candidates.schema
    assert none.contributions.schema == bright.contributions.schema


def test_the_same_file_gives_the_same_list(make_settings, prediction, monkeypatch):
    monkeypatch.setattr("polarbgb.transients.detector._INJECTIONS", 200)
    monkeypatch.setattr("polarbgb.transients.ranking._TREES", 20)
    one, again = (find_transients(prediction, configured(make_settings, 1.0)) for _ in range(2))
    assert one.detector.ranking.learned
    assert one.detector.ranking == again.detector.ranking
    for table in ("events", "candidates", "contributions"):
        assert getattr(one, table).equals(getattr(again, table))

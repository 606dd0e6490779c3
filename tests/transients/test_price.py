"""What a list costs: tails against closed forms and samples of known rates, groups against a slow restatement."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.transients.price import Alarms, Tail, group_windows, learn_control, rarities

SAMPLES = st.lists(st.floats(4.0, 60.0).map(lambda strength: round(strength, 1)), max_size=40)
RARITIES = st.lists(st.floats(1e-6, 1e3), max_size=40)
SCHEMA = {
    "sign": pl.Int8, "scale": pl.Float64, "series": pl.String, "trigger": pl.Int64,
    "first": pl.Int64, "last": pl.Int64, "significance": pl.Float64, "strength": pl.Float64, "calmness": pl.Int8,
}  # fmt: skip
ORBIT = 5400


def tail(sample, days=1.0):
    return Tail(np.sort(np.array(sample, float)), days)


def alarms(sample, days=1.0):
    return Alarms(np.sort(np.array(sample, float)), days)


def test_within_the_sample_the_tail_is_counted():
    found = tail(range(100), days=2.0).per_day(np.array([0.0, 50.0, 50.5, 59.0]))
    assert found.tolist() == [50.0, 25.0, 24.5, 20.5]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 79, 82, 200])
def test_each_of_a_sample_is_told_as_if_it_were_not_in_it(size):
    strength = np.sort(np.random.default_rng(size).normal(6, 1.5, size).round(1))  # some of them alike
    alone = [tail(np.delete(strength, place), 3.0).per_day(strength[[place]])[0] for place in range(size)]
    assert tail(strength, 3.0).each_by_others().tolist() == alone


def test_beyond_half_of_a_small_sample_the_tail_goes_by_the_power_that_hill_finds():
    # The ten strongest lie e times as far out as the eleventh, or as far: an exponent of 2.
    sample = [1.0] * 9 + [4.0] + [4.0, 4.0 * np.e] * 5
    found = tail(sample, days=4.0).per_day(np.array([4.0 + 1e-9, 8.0, 40.0]))
    assert found.tolist() == pytest.approx([10 / 4, 10 / 4 / 2**2, 10 / 4 / 10**2])


def test_a_sample_of_a_power_law_is_drawn_further_along_its_own():
    rng = np.random.default_rng(1)
    far = 5 * 1000 ** (1 / 3) * np.array([1.0, 1.5, 2.0])  # once, 0.3 and 0.12 times in the sample of 1000
    drawn = np.array([tail(5 * (1 + rng.pareto(3.0, 1000))).per_day(far) for _ in range(400)])
    truth = 1000 * (far / 5) ** -3
    np.testing.assert_allclose(np.median(drawn, axis=0), truth, rtol=0.2)
    assert (np.abs(np.log(drawn / truth)) < 2).mean() > 0.9  # counted instead, the last would be 0 in most samples


def test_a_tail_falls_no_faster_than_a_gaussian():
    (found,) = tail([6.0] * 20).per_day(np.array([6.3]))
    assert found == pytest.approx(10 * (6.3 / 6) ** -(6 / 0.15))
    assert found > 10 * np.exp(-2)


def test_one_sample_tells_nothing_of_a_tail_which_is_then_taken_to_fall_from_seven_on():
    for sample in ([], [5.0]):
        found = tail(sample, days=4.0).per_day(np.array([1.0, 7.0, 9.0]))
        assert found.tolist() == pytest.approx([0.25, 0.25, 0.25 * np.exp(-2)])
        assert alarms(sample, days=4.0).per_day(np.array([1e-9, 100.0])).tolist() == [1e-9, 0.25]


@given(sample=SAMPLES, asked=SAMPLES)
def test_the_stronger_the_rarer(sample, asked):
    strength = np.sort(np.array(asked, float))
    found = tail(sample, days=3.0).per_day(strength)
    assert (np.diff(found) <= 1e-12).all()
    assert ((found > 0) & np.isfinite(found)).all()


@given(sample=SAMPLES.filter(lambda sample: len(sample) > 1))
def test_the_tail_steps_by_what_is_counted_at_its_border_and_not_more(sample):
    drawn = min(40, len(sample) // 2)
    border = sorted(sample)[-drawn - 1]
    below, above = tail(sample).per_day(np.array([border, border + 1e-9]))
    assert above == pytest.approx(drawn, rel=1e-6)
    assert below == sum(strength >= border for strength in sample)


@given(sample=RARITIES, asked=RARITIES)
def test_the_rarer_the_fewer_false_alarms(sample, asked):
    rarity = np.sort(np.array(asked, float))
    found = alarms(sample, days=3.0).per_day(rarity)
    assert (np.diff(found) >= -1e-12).all()
    assert np.isfinite(found).all()
    assert (found >= 0).all()


@given(sample=st.lists(st.integers(1, 3).map(float), min_size=1, max_size=40))
def test_rarities_that_are_alike_are_no_reason_to_fail(sample):
    found = alarms(sample, days=2.0).per_day(np.array([0.5, 1.0, 2.0, 3.0, 9.0]))
    assert np.isfinite(found).all()
    assert found[-1] == len(sample) / 2
    assert found[0] <= max(1, min(40, len(sample) // 2)) / 2


def test_within_the_control_alarms_are_counted():
    found = alarms(np.arange(1, 101) / 10, days=2.0).per_day(np.array([10.0, 5.0, 4.15, 4.1]))
    assert found.tolist() == [50.0, 25.0, 20.5, 20.5]


def test_beyond_half_of_a_small_control_alarms_go_by_the_power_that_hill_finds():
    # Ten of the control lie e**2 below the eleventh: an exponent of 1/2.
    sample = [1.0 * np.exp(-2)] * 10 + [1.0] * 10
    found = alarms(sample, days=1.0).per_day(np.array([0.25, 0.01, 1e-8]))
    assert found.tolist() == pytest.approx([5.0, 1.0, 1e-3])
    # Never steeper than 1, however close they lie.
    close = alarms([0.9] * 10 + [1.0] * 10).per_day(np.array([0.5, 0.01]))
    assert close.tolist() == pytest.approx([5.0, 0.1])


def test_alarms_of_a_control_whose_rarities_are_true_are_its_rarities():
    # Events whose rarity is what it says lie evenly in rarity: `rate` of them per unit and day.
    rng = np.random.default_rng(2)
    days, rarity = 300.0, np.array([1.0, 0.1, 1 / 300, 1 / 3000])
    drawn = np.array([alarms(rng.uniform(0, 5, rng.poisson(5 * days)), days).per_day(rarity) for _ in range(300)])
    np.testing.assert_allclose(np.median(drawn[:, :2], axis=0), rarity[:2], rtol=0.05)
    # Drawn further, up to a factor: on the side of too many, since the exponent is at most 1.
    ratio = np.median(drawn[:, 2:], axis=0) / rarity[2:]
    assert (ratio > 0.9).all()
    assert (ratio < 4).all()


def windows_of(first, last, sign=1, scale=20.0, strength=6.0, series="0", calmness=0):
    first = np.asarray(first, np.int64)
    values = {"sign": sign, "scale": scale, "series": series, "strength": strength, "significance": strength}
    values |= {"calmness": calmness}
    columns = {name: pl.Series(np.broadcast_to(value, first.shape)) for name, value in values.items()}
    columns |= {"trigger": first, "first": first, "last": np.asarray(last, np.int64)}
    return pl.DataFrame(columns).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def slow_groups(windows, counts, merge, cadence):
    """Join windows to the group of their sign that reaches them, one at a time in order of their start."""
    groups = []
    for sign in (1, -1):
        reach = None
        for window in sorted((w for w in windows if w[0] == sign), key=lambda w: w[1:]):
            _, first, last = window
            if reach is not None:
                between = counts.time[first] - (counts.time[reach] + cadence)
                joined = between <= merge + cadence / 2 and counts.segment[first] == counts.segment[reach]
            if reach is None or not joined:
                groups.append([])
                reach = last
            groups[-1].append(window)
            reach = max(reach, last)
    return groups


@settings(deadline=None, max_examples=150)
@given(data=st.data(), cadence=st.sampled_from([1.0, 2.0]), seed=st.integers(0, 999))
def test_groups_are_those_joined_one_at_a_time(make_config, make_counts, data, cadence, seed):
    rng = np.random.default_rng(seed)
    steps = cadence * rng.choice([1.0, 1.0001, 1.3, 9.0], p=[0.6, 0.3, 0.05, 0.05], size=80)
    counts = make_counts(np.ones((80, 1)), 1.0, time=1.5e9 + np.cumsum(steps), cadence=cadence)
    drawn = data.draw(st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(0, 79), st.integers(0, 12))))
    windows = []
    for sign, first, length in drawn:
        last = min(first + length, 79)
        while counts.segment[last] != counts.segment[first]:
            last -= 1
        windows.append((sign, first, last))
    config = make_config(bins=1, cadence=cadence, trigger={"merge": 3.0})
    table = windows_of([w[1] for w in windows], [w[2] for w in windows], sign=np.array([w[0] for w in windows]))
    grouped = group_windows(table, counts, config)
    found = [
        [tuple(row) for row in one.select("sign", "first", "last").iter_rows()]
        for _, one in grouped.group_by("group", maintain_order=True)
    ]
    expected = slow_groups(windows, counts, 3.0, cadence)
    assert [sorted(one) for one in found] == [sorted(one) for one in expected]
    assert grouped["group"].unique().to_list() == list(range(len(expected)))


def test_windows_within_the_merging_distance_are_one_group(make_config, make_counts):
    counts = make_counts(np.ones((100, 1)), 1.0)
    config = make_config(bins=1, trigger={"merge": 5.0})
    for between, groups in ((5, [0, 0]), (6, [0, 1])):
        grouped = group_windows(windows_of([10, 20 + between], [19, 40]), counts, config)
        assert grouped["group"].to_list() == groups
    # A long window bridges what lies in it, whatever their order.
    assert group_windows(windows_of([10, 12, 60], [70, 13, 61]), counts, config)["group"].to_list() == [0, 0, 0]


@pytest.fixture(scope="module")
def mission(make_counts):
    """Counts of 60 orbits: only when rows were taken is looked at."""
    return make_counts(np.ones((60 * ORBIT, 1)), 1.0)


def chance(rng, number, mission, sign, calmness=0):
    """Windows of chance, with the tail of a Gaussian."""
    first = np.sort(rng.choice(len(mission.time) // 50, number, replace=False)) * 50
    return windows_of(first, first + 9, sign=sign, strength=4.0 + rng.exponential(0.2, number), calmness=calmness)


def priced(windows, mission, make_config, shares=(1.0, 0.0, 0.0, 0.0)):
    """Price windows found at 20 and at 200 s, of rows of which such shares are in the classes of calmness."""
    grouped = group_windows(pl.concat(windows), mission, make_config(bins=1))
    live = np.array(shares) * len(mission.time) / 86_400
    control = learn_control(grouped, {20.0: live, 200.0: live})
    return grouped.with_columns(rarity=rarities(grouped, control)), control.alarms


def test_a_strong_excess_where_it_is_calm_is_rare(mission, make_config):
    rng = np.random.default_rng(3)
    burst = windows_of([30 * ORBIT + 77], [30 * ORBIT + 85], strength=15.0)
    table, found = priced([chance(rng, 300, mission, -1), chance(rng, 300, mission, 1), burst], mission, make_config)
    (rarity,) = table.filter(strength=15.0)["rarity"]
    assert rarity < 1e-6
    assert found.days == pytest.approx(60 * ORBIT / 86_400)
    assert len(found.rarity) == table.filter(sign=-1)["group"].n_unique()
    (far,) = found.per_day(np.array([rarity]))
    assert far < 1e-3


def test_chance_excesses_are_as_rare_as_deficits_say(mission, make_config):
    rng = np.random.default_rng(4)
    table, found = priced([chance(rng, 600, mission, -1), chance(rng, 600, mission, 1)], mission, make_config)
    up, down = (np.sort(table.filter(sign=sign)["rarity"].to_numpy()) for sign in (1, -1))
    for far in (5.0, 20.0, 60.0):
        number = far * found.days
        for rarity in (up, down):
            assert (found.per_day(rarity) <= far).sum() == pytest.approx(number, abs=4 * np.sqrt(2 * number) + 1)
    # A rate is a rate: about as many a day are as rare as it says.
    for rate in (10.0, 30.0):
        assert (up <= rate).sum() / found.days == pytest.approx(rate, rel=0.4)


def test_excesses_that_come_where_it_is_restless_are_as_rare_as_they_come_there(mission, make_config):
    rng = np.random.default_rng(5)
    spikes = np.arange(0, 60, 2) * ORBIT + 700
    recurring = windows_of(spikes, spikes + 5, strength=14.0 + rng.normal(size=len(spikes)), calmness=3)
    burst = windows_of([30 * ORBIT + 77], [30 * ORBIT + 85], strength=14.0)
    deficits = [chance(rng, 300, mission, -1, calmness=calmness) for calmness in (0, 3)]
    shares = (0.9, 0.0, 0.0, 0.1)
    table, found = priced([*deficits, chance(rng, 300, mission, 1), recurring, burst], mission, make_config, shares)
    live = np.array(shares) * found.days
    spiky = table.filter(pl.col("calmness") == 3, pl.col("sign") > 0).sort("strength")["rarity"].to_numpy()
    # The weakest of 30 comes as often as all others, the strongest as often as none; less the burst elsewhere, which is
    # what such an excess comes to where there are no spikes.
    as_strong = np.arange(29, -1, -1) / live[3]
    assert spiky[0] == pytest.approx(as_strong[0] - 1 / live[0])
    np.testing.assert_allclose(spiky[:-1], as_strong[:-1], atol=1 / live[0])
    assert spiky[-1] < 0.1
    (elsewhere,) = table.filter(first=30 * ORBIT + 77)["rarity"]
    assert elsewhere < 1e-6  # one as strong where it is calm


def test_a_burst_put_among_the_windows_of_a_control_is_no_evidence_against_itself(mission, make_config):
    rng = np.random.default_rng(9)
    burst = windows_of([30 * ORBIT + 77], [30 * ORBIT + 85], strength=14.0, calmness=1)
    table, _ = priced([chance(rng, 300, mission, -1, calmness=1), burst], mission, make_config, (0.5, 0.5, 0.0, 0.0))
    (rarity,) = table.filter(strength=14.0)["rarity"]
    assert rarity < 1e-6


def test_a_group_of_many_windows_counts_once(mission, make_config):
    rng = np.random.default_rng(6)
    deficits = chance(rng, 300, mission, -1)
    series = [deficits.with_columns(series=pl.lit(name)) for name in ("0", "1", "0_1")]
    once, found = priced([deficits], mission, make_config)
    thrice, again = priced(series, mission, make_config)
    assert found.rarity.tolist() == again.rarity.tolist()
    np.testing.assert_array_equal(np.unique(once["rarity"]), np.unique(thrice["rarity"]))


def test_scales_are_priced_each_by_its_own_deficits(mission, make_config):
    rng = np.random.default_rng(7)
    wild = chance(rng, 300, mission, -1).with_columns(scale=pl.lit(200.0), strength=pl.col("strength") * 3)
    asked = windows_of([400, ORBIT * 9], [409, ORBIT * 9 + 9], strength=12.0, scale=np.array([20.0, 200.0]))
    table, _ = priced([chance(rng, 300, mission, -1), wild, asked], mission, make_config)
    rarity = dict(table.filter(strength=12.0, sign=1).select("scale", "rarity").iter_rows())
    assert rarity[20.0] < 1e-6
    assert rarity[200.0] > 10


def test_without_windows_nothing_is_priced(mission, make_counts, make_config):
    none = windows_of([], [])
    for counts in (mission, make_counts(np.ones((0, 1)), 1.0), make_counts(np.ones((1, 1)), 1.0)):
        table, found = priced([none], counts, make_config)
        assert table.is_empty()
        assert {"group", "rarity"} <= set(table.columns)
        assert found.per_day(np.zeros(0)).shape == (0,)


def test_a_class_without_rows_is_no_reason_to_fail(mission, make_config):
    windows = [windows_of([100, 9100], [105, 9105], strength=[9.0, 6.0], calmness=[0, 2])]
    windows += [windows_of([5000], [5005], sign=-1)]
    table, found = priced(windows, mission, make_config, (0.6, 0.0, 0.4, 0.0))
    assert np.isfinite(table["rarity"].to_numpy()).all()
    assert len(found.rarity) == 1

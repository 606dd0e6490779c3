"""What the figures of a run show, read back from them and counted again by brute force."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polarbgb.background.losses import SCHEMA, SHARED, TRAINING, VALIDATION
from polarbgb.config import Features, Position, validate
from polarbgb.errors import UserError
from polarbgb.plotting.cluster_plane import cluster_plane, frontier, surpassing
from polarbgb.plotting.count_rates import rates_plot
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.known_gallery import known_gallery
from polarbgb.plotting.light_curve import light_curve
from polarbgb.plotting.places import counted_by, event_map, events_by_place, mean_map
from polarbgb.plotting.pulls import pull_histograms, residual_histograms
from polarbgb.plotting.saving import save
from polarbgb.plotting.training import loss_curves
from polarbgb.plotting.zooms import choose_zooms
from polarbgb.transients.published import cluster_excess, find_clusters

T0 = 1_474_004_182.0
BINS = 2
NUMBERS = pl.Array(pl.Float32, BINS)
POSITION = Position(latitude="north", longitude="east")
ZOOMS = {"cadence": 1.0, "passage": Features(columns=("north",)).passage}


@pytest.fixture
def instrument(config):
    return Instrument.of(config)


@pytest.fixture
def config(tmp_path):
    (tmp_path / "known.csv").write_text(f"name,unix_time\nGRB_A,{T0 + 500}\nGRB_B,{T0 + 2950}\nGRB_C,{T0 + 9e6}\n")
    raw = {
        "name": "TOY",
        "input": {"tree": "t"},
        "rates": {"values": ["r[0:2]"], "errors": ["e[0:2]"], "labels": ["soft", "hard"]},
        "features": {"columns": ["north"]},
        "orbit": {"period": 1000.0},
        "position": POSITION.model_dump(exclude_none=True),
        "known_events": {"file": str(tmp_path / "known.csv")},
        "intervals": {"more_than": 0, "discard": 0.0, "sigma": 3.0},
    }
    return validate(raw, where="test")


def made(rows=3000, gap=(1400, 1800), scatter=None, seed=0):
    """Three orbits of 1000 s with a passage of the anomaly in the second, each with its own scatter of pulls."""
    rng = np.random.default_rng(seed)
    row = np.arange(rows)
    usable = (row < gap[0]) | (row >= gap[1])
    pred = 400 + 50 * np.sin(row / 300)[:, None] * [1.0, 2.0]
    wide = np.array(scatter or (1.0, 1.0, 1.0))[np.minimum(row // 1000, 2)]
    pull = rng.normal(size=(rows, BINS)) * wide[:, None]
    sigma = np.sqrt(pred)
    live = np.broadcast_to(0.9, pred.shape)
    arrays = {"rate": pred + pull * sigma, "pred": pred, "sigma": sigma, "pull": pull, "exposure": live}
    return pl.DataFrame(
        {
            "row": row,
            "unix_time": T0 + row,
            "width": np.ones(rows, "f4"),
            "segment": (row >= gap[1]).astype("i4"),
            "orbit": (row // 1000).astype("i4"),
            **{name: pl.Series(values.astype("f4"), dtype=NUMBERS) for name, values in arrays.items()},
            "north": 40 * np.sin(row / 160),
            "east": row / 4 % 360,
            "field_strength": (30_000 + 3 * row).astype("f4"),
        }
    ).filter(usable)


def found(starts=(480.0, 2900.0), duration=40.0):
    count = len(starts)
    start = T0 + np.asarray(starts, float)
    return pl.DataFrame(
        {
            "name": [f"EV{number}" for number in range(count)],
            "t_start": start,
            "t_stop": start + duration,
            "significance": np.full(count, 9.0),
            "significance_bin": pl.Series(np.tile([4.0, 9.0], (count, 1)), dtype=pl.Array(pl.Float64, BINS)),
            "class": ["flare", "burst"][:count],
            "north": np.linspace(-40, 40, count),
            "east": np.linspace(10, 350, count),
            "field_strength": np.linspace(31_000, 38_000, count).astype("f4"),
        },
        schema_overrides={"class": pl.String},
    )


def summary(events=(None, "EV1")):
    return pl.DataFrame(
        {
            "name": ["GRB_A", "GRB_B"],
            "time": [T0 + 500, T0 + 2950],
            "duration": [0.0, 20.0],
            "covered": [True, True],
            "event": list(events),
        },
        schema_overrides={"event": pl.String},
    )


def drawn(figure):
    figure.draw_without_rendering()
    return figure


def line(panel, label):
    return next(line for line in panel.lines if line.get_label() == label)


def said(figure):
    return [text.get_text() for text in figure.texts]


# Losses


def test_every_fold_has_a_line_and_its_best_number_of_trees_a_dot(instrument):
    losses = {(0, "r[0]"): [3.0, 1.0, 2.0], (1, "r[0]"): [3.0, 2.0, 1.5], (0, "r[1]"): [1.0, 2.0, 3.0]}
    losses |= {(fold, SHARED): [9.0, 8.0, 7.0] for fold in range(2)}
    rows = [
        (fold, name, part, trees + 1, value)
        for (fold, name), values in losses.items()
        for part in (TRAINING, VALIDATION)
        for trees, value in enumerate(values)
    ]
    figure = drawn(loss_curves(pl.DataFrame(rows, schema=SCHEMA, orient="row"), instrument))
    dots = [
        [(*one.get_xydata()[0],) for one in panel.lines if one.get_label().startswith("trees")] for panel in figure.axes
    ]
    assert dots == [[(3, 7.0), (3, 7.0)], [(2, 1.0), (3, 1.5)], [(1, 1.0)]]
    assert [len(panel.lines) for panel in figure.axes] == [6, 6, 3]
    assert "gamma" not in figure.get_supylabel()  # poisson is the objective
    assert said(drawn(loss_curves(pl.DataFrame(schema=SCHEMA), instrument))) == [
        "TOY: no loss was recorded during the training"
    ]


# Rates and zooms


def test_every_rate_is_within_what_is_drawn(instrument):
    prediction = made(rows=30_000)
    figure = drawn(rates_plot(prediction, instrument))
    for number, panel in enumerate(figure.axes):
        rate = prediction["rate"].arr.get(number).drop_nans()
        heights = np.concatenate([path.vertices[:, 1] for path in panel.collections[0].get_paths()])
        assert (np.nanmin(heights), np.nanmax(heights)) == pytest.approx((rate.min(), rate.max()))
        assert panel.get_yscale() == "log"
    few = drawn(rates_plot(made(rows=300), instrument))
    assert line(few.axes[0], "mean").get_ydata()[::3] == pytest.approx(made(rows=300)["rate"].arr.get(0).to_numpy())


def test_zooms_are_the_orbits_of_least_median_and_largest_pulls_and_the_passage():
    prediction = made(scatter=(2.0, 1.0, 4.0))
    zooms = {zoom.name: zoom for zoom in choose_zooms(prediction, **ZOOMS)}
    assert list(zooms) == ["orbit_quietest", "orbit_median", "orbit_worst", "anomaly"]
    for name, orbit in (("orbit_quietest", 1), ("orbit_median", 0), ("orbit_worst", 2)):
        rows = zooms[name].of(prediction)
        assert rows["row"].to_list() == prediction.filter(orbit=orbit)["row"].to_list()
        assert f"{np.sqrt(np.mean(rows['pull'].to_numpy() ** 2)):.2f}" in zooms[name].title
    assert (zooms["anomaly"].start, zooms["anomaly"].stop) == (T0 + 1399 - 900, T0 + 1800 + 900)


def test_short_stretches_are_no_orbits_and_one_row_is_enough():
    assert [zoom.name for zoom in choose_zooms(made(rows=2200, scatter=(1.0, 2.0, 9.0)), **ZOOMS)] == [
        "orbit_quietest", "orbit_worst", "anomaly",
    ]  # fmt: skip
    assert [zoom.name for zoom in choose_zooms(made(rows=1), **ZOOMS)] == ["orbit_quietest"]
    assert choose_zooms(made(gap=(0, 3000)), **ZOOMS) == []


def test_a_zoom_shows_every_row_with_a_sigma_on_either_side(instrument):
    prediction = made()
    figure = drawn(light_curve(prediction, instrument, most=len(prediction), title="closer"))
    assert line(figure.axes[0], "rate").get_ydata()[::3] == pytest.approx(prediction["rate"].arr.get(0).to_numpy())
    (band,) = (one for one in figure.axes[0].collections if "σ" in one.get_label())
    heights = np.concatenate([path.vertices[:, 1] for path in band.get_paths()])
    pred, sigma = prediction["pred"].arr.get(0), prediction["sigma"].arr.get(0)
    assert (heights.min(), heights.max()) == pytest.approx(((pred - sigma).min(), (pred + sigma).max()))
    assert figure.legends[0].get_title().get_text() == "closer"


# Residuals


def test_every_residual_is_counted_once_and_the_gaussian_is_that_of_the_core(instrument):
    prediction = made()
    figure = drawn(residual_histograms(prediction, instrument))
    for number, panel in enumerate(figure.axes):
        residual = (prediction["rate"].arr.get(number) - prediction["pred"].arr.get(number)).drop_nans().to_numpy()
        stairs = panel.patches[0].get_data()
        assert stairs.values.sum() == len(residual) == 2600
        inner = slice(1, -1)
        brute = [np.count_nonzero((residual >= a) & (residual < b)) for a, b in pairwise(stairs.edges)]
        assert stairs.values[inner].tolist() == brute[inner]
        clipped = residual
        for _ in range(50):  # the published recipe
            clipped = residual[np.abs(residual - residual.mean()) <= 3 * clipped.std()]
        assert f"{clipped.std():.3g} Hz" in panel.texts[0].get_text()
        curve = line(panel, "Gaussian of the core")
        area = np.trapezoid(curve.get_ydata(), curve.get_xdata()) / np.diff(stairs.edges)[0]
        assert area == pytest.approx(len(clipped), rel=1e-3)


# Clusters


def brute_clusters(prediction, config):
    """Walk through the rows, bin by bin and sign by sign."""
    rows = prediction.to_dicts()
    limit, cadence = config.intervals.sigma, config.input.cadence
    clusters = []
    for sign in (1, -1):
        for number in range(BINS):
            run = []
            for row in [*rows, None]:
                apart = run and (row is None or row["segment"] != run[-1]["segment"])
                flagged = row is not None and sign * row["pull"][number] > limit
                if run and (apart or not flagged):
                    excess = sum((one["rate"][number] - one["pred"][number]) * one["exposure"][number] for one in run)
                    length = run[-1]["unix_time"] - run[0]["unix_time"] + cadence
                    clusters.append((sign, number, run[0]["unix_time"], length, sign * excess))
                    run = []
                if flagged:
                    run.append(row)
    return sorted(clusters)


def test_lengths_and_integrals_are_those_of_a_walk_through_the_rows(config):
    prediction = made(scatter=(2.0, 3.0, 6.0))
    excess = cluster_excess(prediction, find_clusters(prediction, config.intervals), config.input.cadence)
    expected = brute_clusters(prediction, config)
    ours = sorted(excess.select("sign", "bin", "t_start", "duration", "excess").iter_rows())
    assert len(ours) == len(expected) > 300
    assert [one[:4] for one in ours] == [one[:4] for one in expected]
    assert [one[4] for one in ours] == pytest.approx([one[4] for one in expected], rel=1e-5)
    assert max(one[3] for one in ours) > 1
    assert excess["t_stop"].to_numpy() == pytest.approx((excess["t_start"] + excess["duration"]).to_numpy())


POINTS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=12)


@given(POINTS, POINTS)
def test_beyond_the_deficits_is_what_no_deficit_matches_in_both(deficits, excesses):
    below, above = (np.array(points, float).reshape(-1, 2) for points in (deficits, excesses))
    outer = frontier(*below.T)
    beyond = surpassing(*above.T, outer)
    expected = [not any(d >= a and c >= b for d, c in deficits) for a, b in excesses]
    assert beyond.tolist() == expected
    kept = {(d, c) for d, c in deficits if not any((x >= d and y > c) or (x > d and y >= c) for x, y in deficits)}
    assert {(*point,) for point in outer.tolist()} == kept
    assert len(outer) == len(kept)


def test_the_plane_holds_all_clusters_and_marks_the_known(config, instrument):
    prediction = made(scatter=(2.0, 2.0, 2.0))
    pull = prediction["pull"].to_numpy().copy()
    pull[490:510] = 0.0
    pull[498:505] = 30.0  # about the trigger of GRB_A
    prediction = prediction.with_columns(pull=pl.Series(pull, dtype=pl.Array(pl.Float32, BINS)))
    excess = cluster_excess(prediction, find_clusters(prediction, config.intervals), config.input.cadence)
    known = pl.DataFrame({"name": ["GRB_A"], "time": [T0 + 500], "duration": [0.0]})
    figure = drawn(cluster_plane(excess, known, instrument, slack=5.0))
    for number, panel in enumerate(figure.axes):
        for sign, label in ((1, "excess"), (-1, "deficit")):
            of_bin = excess.filter(sign=sign, bin=number)
            assert line(panel, label).get_xydata() == pytest.approx(of_bin.select("duration", "excess").to_numpy())
        assert line(panel, "known event").get_xdata().tolist() == [7.0]
        assert panel.get_title().startswith(config.rates.titles[number])
    assert said(drawn(cluster_plane(excess.clear(), known, instrument))) == ["TOY: no clusters"]
    only = drawn(cluster_plane(excess.filter(sign=1, bin=1).head(1), known.clear(), instrument))
    assert only.axes[1].get_title() == "hard\nexcesses: 1, no deficit"
    assert only.axes[0].get_title() == "soft\nexcesses: 0, no deficit"


# Known events


def test_a_known_event_is_shown_100_s_on_either_side_with_what_was_found(instrument):
    prediction = made()
    figure = drawn(known_gallery(prediction, found(), summary(), instrument, slack=5.0))
    assert figure.legends[0].get_title().get_text() == "known events, hard"  # significance 9 there, 4 in the other
    first, second = figure.axes
    assert first.get_title() == "GRB_A\nnone within 5 s"
    assert second.get_title() == "GRB_B\nEV1"
    for panel, trigger, duration in ((first, 500, 0), (second, 2950, 20)):
        assert panel.get_xlim() == (-100, duration + 100)
        assert ("end of the duration" in [one.get_label() for one in panel.lines]) == (duration > 0)
        curve = line(panel, "rate")
        near = prediction.filter(pl.col("row").is_between(trigger - 100, trigger + duration + 99))
        assert curve.get_ydata()[::3] == pytest.approx(near["rate"].arr.get(1).to_numpy())
        assert curve.get_xdata()[::3] == pytest.approx(near["row"].to_numpy() - trigger)
        (span,) = panel.patches
        assert (span.get_x(), span.get_width()) == pytest.approx((-20 if panel is first else -50, 40))


def test_known_events_without_data_are_named(instrument):
    events = found().clear()
    figure = drawn(known_gallery(made(gap=(300, 700)), events, summary((None, None)), instrument))
    assert len(figure.axes) == 1
    assert figure.get_supxlabel() == "time since the trigger (s); no data: GRB_A"
    for none in (made(gap=(0, 3000)), made(rows=1)):
        assert said(drawn(known_gallery(none, events, summary((None, None)), instrument)))[0].startswith(
            "TOY: no data within"
        )
    assert said(drawn(known_gallery(made(), events, summary().clear(), instrument)))[0].startswith(
        "TOY: no data within"
    )


# Places


def test_the_map_averages_what_lies_in_a_cell():
    rng = np.random.default_rng(1)
    east, north, values = rng.uniform(-180, 180, 4000), rng.uniform(-30, 30, 4000), rng.uniform(size=4000)
    north[:5] = np.nan
    mean, (x, y) = mean_map(east, north, values)
    for i, j in ((0, 0), (7, 3), (60, 12), (119, len(y) - 2)):
        inside = (east >= x[i]) & (east < x[i + 1]) & (north >= y[j]) & (north < y[j + 1])
        assert mean[i, j] == pytest.approx(values[inside].mean()) if inside.any() else np.isnan(mean[i, j])
    assert y[-1] >= 30 > y[-2]


def test_events_stand_on_the_map_where_they_were(instrument):
    figure = drawn(event_map(made(), found(), instrument, POSITION))
    panel = figure.axes[0]
    dots = {one.get_label(): one.get_xydata().tolist() for one in panel.lines}
    assert dots == {"burst (1)": [[-10.0, 40.0]], "flare (1)": [[10.0, -40.0]]}
    nobody = drawn(event_map(made(), found(()), instrument, POSITION))
    assert not nobody.axes[0].lines
    nowhere = made().with_columns(north=pl.lit(None, pl.Float64))
    assert said(drawn(event_map(nowhere, found(), instrument, POSITION))) == ["TOY: no row has a position"]


def test_events_are_counted_beside_those_of_an_even_rate():
    rng = np.random.default_rng(2)
    of_events, of_rows, edges = rng.uniform(-1, 11, 50), rng.uniform(0, 10, 1000), np.linspace(0, 10, 6)
    of_events[0] = np.nan
    counts, even = counted_by(of_events, of_rows, edges)
    assert counts.sum() == even.sum() == pytest.approx(49)
    assert counts[2] == sum(4 <= value < 6 for value in of_events)
    assert counts[0] == sum(value < 2 for value in of_events)
    assert even[2] == pytest.approx(49 * sum(4 <= value < 6 for value in of_rows) / 1000)
    assert [one.tolist() for one in counted_by(np.empty(0), np.empty(0), edges)] == [[0] * 5] * 2


def test_events_by_place_have_a_pair_of_panels_a_known_quantity(instrument):
    assert len(drawn(events_by_place(made(), found(), instrument, POSITION)).axes) == 4
    assert len(drawn(events_by_place(made().drop("field_strength"), found(), instrument, POSITION)).axes) == 2
    assert said(drawn(events_by_place(made(), found(()), instrument, POSITION))) == ["TOY: no events"]
    assert len(drawn(events_by_place(made(gap=(0, 3000)), found(), instrument, POSITION)).axes) == 4
    bare = made().drop("field_strength", "north")
    assert said(drawn(events_by_place(bare, found(), instrument, POSITION))) == [
        "TOY: no position of the events is known"
    ]


# All of them where there is little


@pytest.mark.parametrize("rows", [0, 1])
def test_figures_of_nothing_say_so_and_of_one_row_are_drawn(config, instrument, rows, tmp_path):
    prediction = made(rows=1) if rows else made(gap=(0, 3000))
    for draw in (rates_plot, pull_histograms, residual_histograms, light_curve):
        figure = draw(prediction, instrument)
        save(figure, tmp_path / f"{draw.__name__}.svg")
        assert ("TOY: no usable rows" in said(figure)) == (rows == 0)
    clusters = find_clusters(prediction, config.intervals)
    assert cluster_excess(prediction, clusters, config.input.cadence).is_empty()
    save(event_map(prediction, found(()), instrument, POSITION), tmp_path / "map.svg")


# Files


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_every_format_has_the_same_bytes_twice_and_none_that_say_when(instrument, form, tmp_path):
    files = []
    for name in "ab":
        figure = known_gallery(made(), found(), summary(), instrument)
        files.append(save(figure, tmp_path / f"{name}.{form}").read_bytes())
        files.append(save(figure, tmp_path / f"{name}2.{form}").read_bytes())
    assert len(set(files)) == 1
    start = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[form]
    assert files[0].startswith(start)
    assert not any(word in files[0] for word in (b"CreationDate", b"dc:date", b"Software", b"Matplotlib"))


def test_pdf_holds_its_fonts_as_truetype(instrument, tmp_path):
    text = save(rates_plot(made(rows=200), instrument), tmp_path / "a.pdf").read_bytes()
    assert b"/FontFile2" in text
    assert b"/Type3" not in text


@pytest.mark.parametrize("form", ["pdf", "svg"])
def test_dense_curves_are_pictures_in_vector_files(instrument, form, tmp_path):
    figure = light_curve(made(rows=5000), instrument, most=5000)
    assert save(figure, tmp_path / f"a.{form}").stat().st_size < 1e6
    few = light_curve(made(rows=300), instrument)
    save(few, tmp_path / f"b.{form}")
    picture = {"pdf": b"/Subtype /Image", "svg": b"<image"}[form]
    assert picture in (tmp_path / f"a.{form}").read_bytes()
    assert picture not in (tmp_path / f"b.{form}").read_bytes()


def test_another_suffix_is_refused_and_a_saved_figure_can_be_saved_again(instrument, tmp_path):
    figure = rates_plot(made(rows=200), instrument)
    with pytest.raises(UserError, match="written as png, pdf, svg"):
        save(figure, tmp_path / "a.gif")
    first = save(figure, tmp_path / "a.png").read_bytes()
    save(figure, tmp_path / "a.svg")
    assert save(figure, tmp_path / "b.png").read_bytes() == first
    assert not plt.get_fignums()

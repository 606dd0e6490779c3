"""What the figures show, read back from the figures."""

from datetime import datetime

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_hex
from matplotlib.dates import num2date

from polarbgb.config import validate
from polarbgb.errors import UserError
from polarbgb.plotting.gallery import event_gallery
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.light_curve import light_curve
from polarbgb.plotting.pulls import pull_histograms
from polarbgb.plotting.saving import save
from polarbgb.plotting.shap_values import shap_bars, shap_beeswarm
from polarbgb.plotting.style import DEFICIT, EVENT, EXCESS, grid
from polarbgb.plotting.time_cells import cells

T0 = 1_474_004_182.0  # 2016-09-16 05:36:22 UTC


def make_instrument(bins=2, **sections):
    raw = {
        "name": "TOY",
        "input": {"tree": "t"},
        "rates": {
            "values": [f"rate[0:{bins}]"],
            "errors": [f"rate_err[0:{bins}]"],
            "labels": [f"channel {number}" for number in range(bins)],
        },
        "features": {"columns": ["glat"]},
        "orbit": {"period": 5535.4},
        "intervals": {"more_than": 0},
    }
    return Instrument.of(validate(raw | sections, where="test"))


def make_prediction(rows=1000, bins=2, gaps=(), pulls=None, seed=0):
    """Rows of 1 s; rows first to last of each gap are dropped; ``pulls`` sets pulls by row."""
    rng = np.random.default_rng(seed)
    usable = np.ones(rows, bool)
    for first, last in gaps:
        usable[first : last + 1] = False
    pred = 400 + 100 * np.sin(np.arange(rows) / 900)[:, None] * np.linspace(1, 2, bins)
    sigma = np.sqrt(pred)
    pull = rng.normal(size=(rows, bins))
    for row, value in (pulls or {}).items():
        pull[row] = value
    row = np.flatnonzero(usable)

    def array(values):
        return pl.Series(values[row].astype(np.float32), dtype=pl.Array(pl.Float32, bins))

    return pl.DataFrame(
        {
            "row": np.arange(len(row)),
            "unix_time": T0 + row,
            "width": np.ones(len(row), np.float32),
            "segment": np.cumsum(np.diff(row, prepend=-1) > 1).astype(np.int32),
            "rate": array(pred + pull * sigma),
            "pred": array(pred),
            "sigma": array(sigma),
            "pull": array(pull),
        }
    )


def make_events(starts, significance, *, bins=2, duration=10.0, best=0, matched=None):
    count = len(starts)
    seen = np.ones((count, bins))
    seen[:, best] = significance
    return pl.DataFrame(
        {
            "name": [f"TOY-{number}" for number in range(count)],
            "utc": ["2016-09-16T05:36:22.000"] * count,
            "t_start": np.asarray(starts, float),
            "t_stop": np.asarray(starts, float) + duration,
            "significance": np.asarray(significance, float),
            "matched": matched or [""] * count,
            "significance_bin": pl.Series(seen, dtype=pl.Array(pl.Float64, bins)),
        }
    )


def drawn(figure):
    """Render, so that the layout is applied and every late warning is raised."""
    figure.draw_without_rendering()
    return figure


def line(panel, label):
    return next(line for line in panel.lines if line.get_label() == label)


def unix(dates):
    return np.array([date.timestamp() for date in num2date(dates)])


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def note_of(figure):
    return figure.legends[0].get_title().get_text()


def texts_overlap(figure):
    """Say whether tick labels of an axis overlap."""
    drawn(figure)
    renderer = figure.canvas.get_renderer() if hasattr(figure.canvas, "get_renderer") else None
    for panel in figure.axes:
        for axis in (panel.xaxis, panel.yaxis):
            low, high = sorted(axis.get_view_interval())
            boxes = [
                tick.label1.get_window_extent(renderer)
                for tick in axis.get_major_ticks()
                if tick.label1.get_visible() and tick.label1.get_text() and low <= tick.get_loc() <= high
            ]
            if any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]):
                return True
    return False


# Cells


def test_a_row_is_a_step_and_every_segment_change_breaks_it():
    time = np.array([0.0, 1.0, 2.0, 10.0, 11.0])
    steps = cells(time, np.array([0, 0, 0, 1, 1], np.int32), 1.0)
    assert steps.gap_after.tolist() == [False, False, True, False, True]
    corners = steps.steps(np.arange(5.0))
    assert np.flatnonzero(np.isnan(corners)).tolist() == [8, 14]
    assert steps.edges()[6:10].tolist() == [2, 3, 3, 10]


def test_many_rows_become_cells_of_equal_time_that_keep_every_row():
    time = np.arange(10_000.0)
    steps = cells(time, np.zeros(10_000, np.int32), 1.0, width=100.0)
    assert len(steps.first) == 100
    assert set(steps.rows) == {100}
    assert steps.mean(time) == pytest.approx(np.arange(100) * 100 + 49.5)
    assert steps.highest(time).tolist() == (np.arange(100) * 100 + 99.0).tolist()
    assert steps.lowest(time).tolist() == (np.arange(100) * 100.0).tolist()
    assert steps.gap_after.sum() == 1


def test_of_many_rows_only_gaps_wider_than_a_cell_show():
    time = np.delete(np.arange(10_000.0), [*range(2000, 2010), *range(5000, 5500)])
    segment = np.cumsum(np.diff(time, prepend=time[0] - 1) > 1).astype(np.int32)
    steps = cells(time, segment, 1.0, width=100.0)
    (gap,) = np.flatnonzero(steps.gap_after[:-1])
    assert (steps.stop[gap], steps.start[gap + 1]) == (5000, 5500)
    assert steps.rows.sum() == len(time)


# Light curve


@pytest.mark.parametrize(("bins", "shown"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (6, [0, 3, 5]), (9, [0, 4, 8])])
def test_light_curve_shows_a_pair_of_panels_for_at_most_three_bins(bins, shown):
    figure = drawn(light_curve(make_prediction(bins=bins), make_instrument(bins)))
    assert len(figure.axes) == 2 * len(shown)
    assert [panel.get_title(loc="left") for panel in figure.axes[::2]] == [f"channel {n}" for n in shown]
    assert {panel.get_ylabel() for panel in figure.axes[::2]} == {"rate (Hz)"}
    assert {panel.get_ylabel() for panel in figure.axes[1::2]} == {"pull"}
    assert figure.axes[-1].get_xlabel() == "time (UTC), from 2016-09-16 05:36:22"


def test_light_curve_shows_the_bins_asked_for():
    figure = light_curve(make_prediction(bins=9), make_instrument(9), bins=[7, 2])
    assert [panel.get_title(loc="left") for panel in figure.axes[::2]] == ["channel 7", "channel 2"]
    for bad in ([9], [-1], []):
        with pytest.raises(UserError, match="bins are 0 to 8"):
            light_curve(make_prediction(bins=9), make_instrument(9), bins=bad)


def test_light_curve_draws_the_values_and_breaks_at_gaps():
    prediction = make_prediction(rows=300, gaps=[(100, 149), (200, 200)])
    figure = light_curve(prediction, make_instrument())

    for name, label in (("rate", "rate"), ("pred", "background")):
        curve = line(figure.axes[2], label)
        y = curve.get_ydata()
        assert np.isnan(y).sum() == 3
        assert y[::3] == pytest.approx(prediction[name].arr.get(1).to_numpy())
        assert unix(curve.get_xdata()[::3]) == pytest.approx(prediction["unix_time"].to_numpy(), abs=1e-4)
        # No stroke leads across a gap: the break stands at the end of the last row before it.
        assert unix(curve.get_xdata()[np.isnan(y)]) - T0 == pytest.approx([100, 200, 300], abs=1e-4)
    assert line(figure.axes[0], "background").zorder >= line(figure.axes[0], "rate").zorder


def test_the_envelope_of_a_long_file_keeps_the_largest_pulls():
    prediction = make_prediction(rows=200_000, gaps=[(50_000, 51_000)], pulls={123_456: 40.0, 20_000: -7.0})
    figure = drawn(light_curve(prediction, make_instrument()))
    rate, pull = figure.axes[:2]
    assert len(line(rate, "rate").get_ydata()) < 3 * 2010
    assert np.isnan(line(rate, "rate").get_ydata()).sum() == 2
    assert note_of(figure) == "means over 100 s; pulls: range"
    corners = pull.collections[0].get_paths()
    heights = np.concatenate([path.vertices[:, 1] for path in corners])
    assert (heights.max(), heights.min()) == (40, -7)
    low, high = pull.get_ylim()
    assert low < -7
    assert high > 40
    excess, deficit = line(pull, "excess"), line(pull, "deficit")
    assert excess.get_ydata().tolist() == [40]
    assert unix(excess.get_xdata()) == pytest.approx([T0 + 123_456], abs=100)
    assert deficit.get_ydata().tolist() == [-7]
    assert (to_hex(excess.get_color()), to_hex(deficit.get_color())) == (EXCESS.lower(), DEFICIT.lower())


def test_a_mission_is_averaged_over_whole_orbits():
    prediction = make_prediction(rows=3000, pulls={1234: 40.0})
    instrument = make_instrument(input={"tree": "t", "cadence": 1000.0})
    stretched = prediction.with_columns(unix_time=T0 + 1000.0 * pl.col("row"))
    figure = drawn(light_curve(stretched, instrument))
    rate, pull = figure.axes[:2]
    assert note_of(figure) == "means over 92.3 min, band: range of the background; pulls: range over 25 min"
    assert np.diff(unix(line(rate, "rate").get_xdata()[::3])) == pytest.approx(5535.4, abs=1000)
    band = np.concatenate([path.vertices[:, 1] for path in rate.collections[0].get_paths()])
    pred = prediction["pred"].arr.get(0)
    assert (band.min(), band.max()) == pytest.approx((pred.min(), pred.max()))
    assert line(pull, "excess").get_ydata().tolist() == [40]


def test_the_limits_stand_at_the_configured_sigma():
    instrument = make_instrument(intervals={"sigma": 4.5, "more_than": 0})
    figure = light_curve(make_prediction(), instrument)
    limits = [artist.get_ydata()[0] for artist in figure.axes[1].lines if artist.get_label() == "limit"]
    assert limits == [-4.5, 4.5]
    assert {"±4.5", "> 4.5", "< -4.5"} <= set(legend_of(figure))


def test_shaded_spans_are_the_events():
    events = make_events([T0 + 100, T0 + 700], [9, 8], duration=25.0)
    figure = drawn(light_curve(make_prediction(), make_instrument(), events=events))
    for panel in figure.axes:
        shade = next(artist for artist in panel.collections if artist.get_label() == "event")
        assert to_hex(shade.get_facecolor()[0]) == EVENT.lower()
        corners = [path.vertices for path in shade.get_paths()]
        spans = np.array([unix([x.min(), x.max()]) for x in (corner[:, 0] for corner in corners)])
        assert {(corner[:, 1].min(), corner[:, 1].max()) for corner in corners} == {(0, 1)}, "foot to head"
        assert panel.get_ylim()[0] > 100 or panel.get_ylabel() == "pull", "spans leave the scale as it is"
        assert spans - T0 == pytest.approx(np.array([[100, 125], [700, 725]]), abs=1e-4)
        assert unix(panel.get_xlim()) - T0 == pytest.approx([0, 1000], abs=1e-4)
    assert "event" in legend_of(figure)


def test_of_very_many_events_those_of_the_lowest_far_are_shaded_and_the_figure_says_so():
    starts = T0 + np.linspace(0, 990, 501)
    significance = np.arange(501.0)
    significance[[100, 300]] = 0.0, -1.0  # which makes these two and the first the faintest
    events = make_events(starts, significance, duration=1.0)
    figure = light_curve(make_prediction(), make_instrument(), events=events)
    shade = next(artist for artist in figure.axes[0].collections if artist.get_label() == "event")
    shaded = unix([path.vertices[:, 0].min() for path in shade.get_paths()])
    assert len(shaded) == 500
    assert np.abs(shaded[:, None] - starts[[300]]).min() > 1
    assert "events: 500 of 501, lowest false-alarm rate first" in figure.legends[0].get_title().get_text()


@pytest.mark.parametrize("events", [None, make_events([], [])])
def test_without_events_nothing_is_shaded(events):
    figure = light_curve(make_prediction(), make_instrument(), events=events)
    assert not any(artist.get_label() == "event" for panel in figure.axes for artist in panel.collections)
    assert "event" not in legend_of(figure)


@pytest.mark.parametrize("draw", [light_curve, pull_histograms])
def test_a_file_without_usable_rows_says_so(draw):
    for prediction in (make_prediction(rows=10, gaps=[(0, 9)]), make_prediction(rows=10).clear()):
        figure = drawn(draw(prediction, make_instrument()))
        assert not figure.axes
        assert figure.texts[0].get_text() == "TOY: no usable rows"


@pytest.mark.parametrize("draw", [light_curve, pull_histograms])
def test_one_row_is_drawn(draw):
    figure = drawn(draw(make_prediction(rows=1), make_instrument()))
    assert figure.axes


@pytest.mark.parametrize("draw", [light_curve, pull_histograms])
def test_rows_without_numbers_leave_the_panels_empty(draw):
    for bins in ([0], [0, 1]):
        assert drawn(draw(without_numbers(make_prediction(rows=5), np.ones(5, bool), bins), make_instrument())).axes


def without_numbers(prediction, rows, bins):
    """Mask some bins of some rows: they have a prediction, and no rate, sigma or pull."""
    mask = rows[:, None] & np.isin(np.arange(prediction["pred"].dtype.shape[0]), bins)
    return prediction.with_columns(
        pl.Series(name, np.where(mask, np.float32(np.nan), prediction[name].to_numpy()), prediction[name].dtype)
        for name in ("rate", "sigma", "pull")
    )


@pytest.mark.parametrize("rows", [600, 30_000])
def test_masked_rows_are_gaps_of_their_bin_alone(rows):
    prediction = make_prediction(rows=rows, pulls={rows // 2: 30.0})
    masked = np.arange(rows) % 1000 < 100
    spoiled = without_numbers(prediction, masked, [0])
    figure, whole = (drawn(light_curve(one, make_instrument())) for one in (spoiled, prediction))
    # The other bin is drawn as before, to the same limits.
    for panel, other in zip(figure.axes[2:], whole.axes[2:], strict=True):
        assert panel.get_ylim() == other.get_ylim()
        np.testing.assert_array_equal(panel.lines[0].get_ydata(), other.lines[0].get_ydata())
    assert figure.axes[0].get_yscale() == whole.axes[0].get_yscale()
    assert np.isfinite(figure.axes[0].get_ylim()).all()
    shown, every = (np.isfinite(line(one.axes[0], "rate").get_ydata()).mean() for one in (figure, whole))
    assert shown < every
    counted = [panel.patches[0].get_data()[0].sum() for panel in pull_histograms(spoiled, make_instrument()).axes]
    assert counted == [rows - masked.sum(), rows]


@pytest.mark.parametrize("largest", [3.0, 12.0, 23.0, 90.0, 3000.0])
@pytest.mark.parametrize("rows", [1, 90, 5000, 90_000, 400_000])
def test_tick_labels_of_the_light_curve_do_not_overlap(largest, rows):
    prediction = make_prediction(rows=rows, bins=1, pulls={0: largest, rows - 1: largest})
    figure = light_curve(prediction, make_instrument(1))
    assert not texts_overlap(figure)
    pulls = figure.axes[1]
    ticks = [tick for tick in pulls.get_yticks() if pulls.get_ylim()[0] <= tick <= pulls.get_ylim()[1]]
    assert len(ticks) >= 3
    assert largest <= 20 or max(ticks) > 5, "the axis says how far a burst goes"


def test_ticks_are_utc():
    prediction = make_prediction(rows=7200, bins=1)
    figure = drawn(light_curve(prediction, make_instrument(1)))
    labels = [text.get_text() for text in figure.axes[-1].get_xticklabels()]
    where = unix(figure.axes[-1].get_xticks())
    assert "06:00" in labels
    assert datetime.fromisoformat("2016-09-16T06:00:00+00:00").timestamp() == where[labels.index("06:00")]


# Pulls


@pytest.mark.parametrize(("bins", "shape"), [(1, (1, 1)), (2, (1, 2)), (4, (2, 2)), (6, (2, 3)), (9, (3, 3))])
def test_pull_histograms_have_a_panel_a_bin(bins, shape):
    figure = drawn(pull_histograms(make_prediction(bins=bins), make_instrument(bins)))
    assert grid(bins) == shape
    assert [panel.get_title() for panel in figure.axes] == [f"channel {n}" for n in range(bins)]
    assert {panel.get_yscale() for panel in figure.axes} == {"log"}
    assert "rate" in figure.get_supxlabel()
    assert figure.get_supylabel() == "rows per 0.25 of pull"
    assert not texts_overlap(figure)


def test_pull_histograms_count_every_usable_row_once():
    prediction = make_prediction(rows=5000, gaps=[(10, 19)], pulls={0: 6.0, 1: 300.0, 2: -5.5, 15: 9.0})
    panel = pull_histograms(prediction, make_instrument()).axes[0]
    counts, edges, _ = panel.patches[0].get_data()
    assert counts.sum() == 4990
    assert (edges[0], edges[-1], counts[-1]) == (-8, 8, 1)
    said = panel.texts[0].get_text().splitlines()
    pull = prediction["pull"].arr.get(0)
    assert said[:3] == ["> 5: 2", "< -5: 1", f"std {pull.std():.2f}"]
    assert said[3] in {"68 %: ±0.98", "68 %: ±0.99", "68 %: ±1.00", "68 %: ±1.01", "68 %: ±1.02"}


def test_the_gaussian_has_as_many_rows_as_were_counted():
    panel = pull_histograms(make_prediction(rows=5000), make_instrument()).axes[1]
    x, y = line(panel, "unit Gaussian").get_data()
    assert np.trapezoid(y, x) / 0.25 == pytest.approx(5000, rel=1e-3)
    assert x[np.argmax(y)] == pytest.approx(0, abs=0.05)


# Events


def test_the_gallery_shows_the_most_significant_events_first():
    starts = T0 + 100 + 50 * np.arange(12)
    events = make_events(starts, np.arange(12) + 5.0, best=1, matched=["GRB 160916A"] + [""] * 10 + ["GRB 1"])
    figure = drawn(event_gallery(make_prediction(), events, make_instrument()))
    assert len(figure.axes) == 9
    titles = [panel.get_title().splitlines() for panel in figure.axes]
    assert titles[0] == [
        "TOY-11 = GRB 1",
        "2016-09-16 05:36:22 UTC",
        "16.0 \N{GREEK SMALL LETTER SIGMA}, channel 1",
    ]
    assert [title[0] for title in titles[1:]] == [f"TOY-{number}" for number in range(10, 2, -1)]
    assert figure.get_supxlabel() == "time since start of the event (s)"
    assert figure.get_supylabel() == "rate (Hz)"
    assert not texts_overlap(figure)


def test_an_event_is_drawn_in_its_best_bin_with_its_surroundings():
    prediction = make_prediction(rows=1000, gaps=[(470, 479)])
    event = make_events([T0 + 500], [20.0], best=1, duration=30.0)
    (panel,) = event_gallery(prediction, event, make_instrument()).axes
    assert panel.get_xlim() == (-90, 120)
    span = panel.patches[0]
    assert (span.get_x(), span.get_width()) == (0, 30)
    near = prediction.filter(pl.col("unix_time").is_between(T0 + 410, T0 + 620, closed="left"))
    for label, name in (("rate", "rate"), ("background", "pred")):
        curve = line(panel, label)
        assert curve.get_ydata()[::3] == pytest.approx(near[name].arr.get(1).to_numpy())
        assert np.isnan(curve.get_ydata()).sum() == 2
        assert curve.get_xdata()[[0, -1]].tolist() == [-90, 120]
    band = np.concatenate([path.vertices[:, 1] for path in panel.collections[0].get_paths()])
    top = (near["pred"].arr.get(1) + near["sigma"].arr.get(1)).max()
    assert np.nanmax(band) == pytest.approx(top)


def test_a_gallery_keeps_to_its_count_and_margin():
    events = make_events([T0 + 300, T0 + 600], [6.0, 7.0], duration=2.0)
    (panel,) = event_gallery(make_prediction(), events, make_instrument(), count=1, margin=20.0).axes
    assert panel.get_xlim() == (-20, 22)
    assert len(event_gallery(make_prediction(), events, make_instrument()).axes) == 2


def test_an_event_without_rows_leaves_its_panel_empty():
    figure = drawn(event_gallery(make_prediction(), make_events([T0 + 1e6], [9.0]), make_instrument()))
    assert not figure.axes[0].lines


def test_without_events_the_gallery_says_so():
    figure = drawn(event_gallery(make_prediction(), make_events([], []), make_instrument()))
    assert not figure.axes
    assert figure.texts[0].get_text() == "TOY: no events"


# SHAP

NAMES = [f"feature_{number}" for number in range(20)]


def test_shap_bars_show_the_features_of_largest_share():
    rng = np.random.default_rng(1)
    weight = rng.permutation(np.geomspace(1, 1e-3, 20))
    values = weight[:, None] * np.array([1.0, 1000.0])
    figure = drawn(shap_bars(values, 0.1 * values, NAMES, make_instrument(), most=7))
    expected = np.argsort(-weight)[:7]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [NAMES[n] for n in expected]
    for number, panel in enumerate(figure.axes):
        assert [bar.get_width() for bar in panel.patches] == pytest.approx(values[expected, number])
        assert panel.get_title() == f"channel {number}"
    low, high = figure.axes[0].get_ylim()
    assert low > high, "the largest stands on top"


@pytest.mark.parametrize(("objective", "unit"), [("squared", "Hz"), ("poisson", "log rate; 0.01 = 1 %")])
def test_shap_is_labelled_with_its_unit(objective, unit):
    instrument = make_instrument(model={"objective": objective})
    bars = shap_bars(np.ones((20, 2)), np.ones((20, 2)), NAMES, instrument, most=15)
    assert bars.get_supxlabel() == f"mean |SHAP| ({unit})"
    values = np.random.default_rng(0).normal(size=(30, 20))
    base = np.full(30, 500.0 if objective == "squared" else np.log(500.0))
    figure = drawn(shap_beeswarm(values, base, values, NAMES, "channel 0", objective, most=15))
    assert figure.axes[0].get_xlabel() == f"SHAP value ({unit})"
    assert figure.axes[0].get_title() == "channel 0: base 500 Hz"


def test_shap_bars_of_nine_bins_and_of_no_effect():
    figure = drawn(shap_bars(np.zeros((3, 9)), np.zeros((3, 9)), NAMES[:3], make_instrument(9), most=15))
    assert len(figure.axes) == 9
    assert len(drawn(shap_bars(np.ones((3, 5)), np.ones((3, 5)), NAMES[:3], make_instrument(5), most=15)).axes) == 5


def test_the_beeswarm_has_a_dot_a_row_and_the_largest_feature_on_top():
    rng = np.random.default_rng(2)
    weight = rng.permutation(np.geomspace(1, 1e-3, 20))
    data = rng.normal(size=(200, 20))
    data[:, 3] = np.nan
    figure = drawn(shap_beeswarm(weight * rng.normal(size=(200, 20)), 1.0, data, NAMES, "any", "poisson", most=15))
    panel, bar = figure.axes
    labels = [text.get_text() for text in panel.get_yticklabels()]
    assert (len(labels), labels[-1]) == (15, NAMES[int(np.argmax(weight))])
    assert not any("other" in label for label in labels)
    assert sum(len(dots.get_offsets()) for dots in panel.collections) == 15 * 200
    assert bar.get_ylabel() == "value of the feature (grey: missing)"
    assert not texts_overlap(figure)


def test_the_beeswarm_colours_a_near_constant_feature_with_missing_values():
    values = np.random.default_rng(3).normal(size=(300, 1))
    data = np.zeros((300, 1))
    data[:100] = np.nan
    data[299] = 1.0
    figure = drawn(shap_beeswarm(values, 1.0, data, ["flag"], "any", "poisson", most=15))
    missing, seen = figure.axes[0].collections
    assert (len(missing.get_offsets()), len(seen.get_offsets())) == (100, 200)
    seen.update_scalarmappable()
    assert len({to_hex(color) for color in seen.get_facecolors()}) == 2
    assert to_hex(missing.get_facecolors()[0]) == "#777777"


def test_the_beeswarm_leaves_no_trace():
    values = np.random.default_rng(4).normal(size=(20, 3))
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    shap_beeswarm(values, 1.0, values, NAMES[:3], "any", "poisson", most=15)
    assert np.random.random() == expected  # noqa: NPY002
    assert not plt.get_fignums()


# Files


def test_the_same_input_gives_the_same_bytes(tmp_path):
    values = np.random.default_rng(6).normal(size=(50, 3))
    instrument = make_instrument()
    for name in "ab":
        assert save(light_curve(make_prediction(), instrument), tmp_path / name / "lc.png").exists()
        save(shap_beeswarm(values, 1.0, values, NAMES[:3], "any", "poisson", most=15), tmp_path / name / "shap.png")
    for name in ("lc.png", "shap.png"):
        first, second = ((tmp_path / folder / name).read_bytes() for folder in "ab")
        assert first == second
        assert first.startswith(b"\x89PNG")
        assert not any(word in first for word in (b"tIME", b"Software", b"Creation"))


def test_the_readers_own_style_changes_nothing(tmp_path):
    plain = save(light_curve(make_prediction(), make_instrument()), tmp_path / "plain.png").read_bytes()
    with plt.rc_context({"font.size": 30, "axes.facecolor": "black", "timezone": "Asia/Shanghai"}):
        figure = light_curve(make_prediction(), make_instrument())
    assert save(figure, tmp_path / "odd.png").read_bytes() == plain


def test_a_failed_save_leaves_nothing(tmp_path):
    (tmp_path / "lc.png").mkdir()
    with pytest.raises(UserError, match="cannot write"):
        save(light_curve(make_prediction(), make_instrument()), tmp_path / "lc.png")
    assert [path.name for path in tmp_path.iterdir()] == ["lc.png"]

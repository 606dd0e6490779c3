"""What a person reads of each result, and what a program reads."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from fixtures.terminal import shown

import polarbgb
from polarbgb.background.metrics import Score
from polarbgb.cli.terminal import Terminal, plain
from polarbgb.reporting.table import Table, counted, extent, number
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.results.fit import FitResult

COMMANDS = ["simulate", "inspect", "tune", "fit", "detect", "explain", "export"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_result_has_a_summary_and_its_files(results, command):
    result = getattr(results, command)
    assert result.command == command
    assert result.summary()
    assert "\n" not in result.summary()
    assert all(isinstance(table, Table) for table in result.tables(verbose=True))
    assert all(Path(path).exists() for path in result.files)


@pytest.mark.parametrize(
    "text", ["[bold]x[/bold]", "[/nothing]", "a :warning: b", "{z}", "\x1b[31mred\x1b[0m", "temp[0]"]
)
def test_names_are_shown_as_they_are_written(text, capsys):
    result = SimpleNamespace(
        command="show", files=(Path(text.replace("/", "")),), summary=lambda: text,
        tables=lambda verbose: [Table(title=text, head=(text,), rows=((text,),), note=text)],
    )  # fmt: skip
    terminal = Terminal()
    list(terminal.track([1], label=text, total=1))
    terminal.show(result)
    terminal.on_result(result)
    terminal.close()
    out, err = capsys.readouterr()
    wanted = text.replace("\x1b", "\\x1b")
    assert out.count(wanted) >= 10
    assert "\x1b" not in out
    assert wanted in err


def test_numbers_are_those_of_the_results(results):
    assert f"{results.inspect.usable:,} of {results.inspect.entries:,} rows" in results.inspect.summary()
    assert counted(len(results.detect.events), "event") in results.detect.summary()
    assert f"{results.tune.tuning.score:.4f}" in results.tune.summary()
    assert results.explain.importance["feature"][0] in results.explain.summary()
    assert f"{results.fit.rows:,} rows by 3 models" in results.fit.summary()
    for reason, rows in results.inspect.dropped.items():
        assert f"dropped: {reason}" in shown(results.inspect)
        assert f"{rows:,}" in shown(results.inspect)


def test_long_tables_are_cut_unless_all_is_asked_for(results):
    listed = results.detect.events
    assert len(listed) > 0
    events = pl.concat([listed.with_columns(name=pl.col("name") + f"-{copy}-") for copy in range(13)])
    many = replace(results.detect, events=events)
    short, long = shown(many), shown(many, verbose=True)
    assert f"and {len(events) - 12} weaker ones" in short
    assert all(name in long for name in events["name"])
    assert sum(name in short for name in events["name"]) == 12


def test_events_are_shown_with_their_false_alarm_rate(results):
    detected, days = results.detect, f"{results.detect.days:.1f} days"
    assert f"at most 30 false events per day, about {30 * detected.days:.1f} in {days}" in detected.summary()
    assert f"ranked by {detected.ranking}" in detected.summary()
    text = shown(detected, verbose=True)
    for event in detected.events.iter_rows(named=True):
        assert event["name"] in text
        assert f"{event['probability']:.1%}" in text
        assert f"{'<' if event['far_limit'] else ''}{number(event['far'], 2)}" in text


def test_a_false_alarm_rate_below_what_the_control_supports_is_reported(results):
    summary = replace(results.detect, far=0.1).summary()
    days = f"{results.detect.days:.1f} days"
    assert f"asked for 0.1 false events per day, but {days} of data cannot measure less than" in summary
    assert f"{number(results.detect.least_far, 2)} per day" in summary


def test_reasons_of_the_ranking_are_shown_on_demand(results):
    reason = "significance_6s +2.1, gap_after -0.4"
    detected = replace(results.detect, events=results.detect.events.with_columns(ranked_by=pl.lit(reason)))
    assert f"{detected.events['name'][0]} ranked by {reason}" in shown(detected, verbose=True)
    assert reason not in shown(detected)


def test_events_of_the_published_method_are_shown_beside_their_intervals(copied):
    detected = polarbgb.detect(copied, method="published", overrides=["intervals.sigma=4"])
    events = counted(len(detected.events), "event")
    assert detected.summary() == f"{events}; the published method has no false-alarm rate"
    text = shown(detected, verbose=True)
    assert f"{detected.chosen}  <- events" in text
    assert all(name in text for name in [*detected.events["name"], *detected.intervals["set"]])


def fit_result(scatter, **changes):
    """Return the result of a fit of one bin per scatter."""
    scores = tuple(Score("held-out days", f"rate[{i_bin}]", 1, 1.5, 1, 2.0, 1, 0, 1) for i_bin in range(len(scatter)))
    result = FitResult(
        run=RunFolder("run"),
        rows=1,
        remarks=(),
        features=1,
        folds=1,
        parameters="defaults",
        scores=scores,
        widths=(1.0,) * len(scatter),
        scatter=scatter,
        weighted_means=False,
        rounds=(),
        trees=(1.0,) * (1 + len(scatter)),
        removed=(),
        files=(),
    )
    return replace(result, **changes)


def test_what_a_new_fit_removes_is_named():
    assert "removed" not in shown(fit_result((1.0,)))
    told = shown(fit_result((1.0,), removed=("detect", "explain")))
    assert "removed, because an earlier fit made them: results of detect, explain" in told


def test_bins_whose_scatter_disagrees_with_their_errors_are_named():
    assert "rate[1]: rows scatter 1.30 times as much as their stated errors" in shown(fit_result((1.0, 1.3)))
    assert "rate[0], rate[1]: rows scatter 0.50 to 0.80 times" in shown(fit_result((0.5, 0.8)))
    assert "scatter" not in shown(fit_result((0.5, 0.8), weighted_means=True))


def test_one_of_a_kind_has_no_plural():
    assert fit_result((1.0,)).summary() == "1 row by 1 model of 1 feature, held-out days: deviance 1.50 x noise"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (655.3, 2, "655"),
        (99.7, 2, "100"),
        (1234.5, 4, "1,234"),
        (12345678.0, 3, "12,345,678"),
        (0.01234, 2, "0.012"),
        (-655.3, 2, "-655"),
        (0.0, 3, "0"),
        (float("nan"), 3, "nan"),
    ],
)
def test_numbers_have_no_exponent_for_whole_values(value, digits, text):
    assert number(value, digits) == text


def test_an_extent_whose_ends_read_the_same_is_one_number():
    assert extent([1.31, 1.29], ".1f") == "1.3"
    assert extent([2.0, 1.0, 1.5], ".1f") == "1.0 to 2.0"


def test_values_that_json_cannot_hold_become_null():
    frame = pl.DataFrame({"a": [1.0, float("nan")], "b": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2))})
    expected = [{"a": 1.0, "b": [1, 2]}, {"a": None, "b": [3, 4]}]
    assert plain({"frame": frame, 3: (float("inf"), Path("x"), True, None)}) == {
        "frame": expected,
        "3": [None, "x", True, None],
    }


def test_files_are_named_once_each(results, capsys):
    terminal = Terminal()
    for result in (results.detect, results.detect):
        terminal.on_result(result)
    terminal.close()
    text = capsys.readouterr().out.replace("\n", "")
    assert text.count("events.parquet") == 1


def test_many_figures_are_named_by_their_folder(results, capsys):
    figures = [path for path in results.explain.files if path.parent.name == "plots"]
    assert len(figures) > 6
    for verbose in (False, True):
        Terminal(verbose=verbose).show(results.explain)
        text = capsys.readouterr().out.replace("\n", "")
        assert (figures[0].name in text) == verbose
        assert (f"({len(figures)} figures)" in text) != verbose


def test_several_commands_make_one_object(results, capsys):
    terminal = Terminal(as_json=True)
    terminal.on_result(results.inspect)
    terminal.on_result(results.detect)
    terminal.close()
    values = json.loads(capsys.readouterr().out)
    assert list(values) == ["inspect", "detect"]
    assert values["inspect"]["entries"] == results.inspect.entries

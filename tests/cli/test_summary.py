"""What a person reads of each result names the figures that are in it."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

import polarbgb
from polarbgb.cli.summary import result_tables, summary_line, utc, written_files
from polarbgb.cli.terminal import Terminal, plain

VERBS = ["simulate", "inspect", "tune", "fit", "detect", "explain", "export"]


def shown(result, verbose=False):
    console = Console(width=200, file=StringIO())
    console.print(*result_tables(result, verbose=verbose), sep="\n")
    return console.file.getvalue()


@pytest.mark.parametrize("verb", VERBS)
def test_every_result_has_a_line_and_its_files(results, verb):
    result = getattr(results, verb)
    line = summary_line(result)
    assert line
    assert "\n" not in line
    for path in written_files(result):
        assert Path(path).exists()


def test_figures_are_those_of_the_results(results):
    assert f"{results.inspect.usable:,} of {results.inspect.entries:,} rows" in summary_line(results.inspect)
    assert f"{len(results.detect.events)} events" in summary_line(results.detect)
    assert f"{results.tune.tuning.score:.4f}" in summary_line(results.tune)
    assert results.explain.importance["feature"][0] in summary_line(results.explain)
    assert f"{results.fit.rows:,} rows by 3 models" in summary_line(results.fit)
    for reason, number in results.inspect.dropped.items():
        assert f"dropped: {reason}" in shown(results.inspect)
        assert f"{number:,}" in shown(results.inspect)


def test_long_tables_are_cut_unless_all_is_asked_for(results):
    found = results.detect.events
    assert len(found) > 0
    events = pl.concat([found.with_columns(name=pl.col("name") + f"-{copy}-") for copy in range(13)])
    many = replace(results.detect, events=events)
    short, long = shown(many), shown(many, verbose=True)
    assert f"and {len(events) - 12} weaker ones" in short
    assert all(name in long for name in events["name"])
    assert sum(name in short for name in events["name"]) == 12


def test_events_are_told_with_their_false_alarm_rate(results):
    line = summary_line(results.detect)
    assert f"at most 30 false a day, about {30 * results.detect.days:.1f} in {results.detect.days:.1f} days" in line
    assert f"ranked by {results.detect.ranking}" in line
    told = shown(results.detect, verbose=True)
    for event in results.detect.events.iter_rows(named=True):
        assert event["name"] in told
        assert f"{event['probability']:.1%}" in told
        assert f"{'<' if event['far_limit'] else ''}{event['far']:.2g}" in told


def test_a_list_purer_than_the_control_can_tell_says_so(results):
    line = summary_line(replace(results.detect, far=0.1))
    assert f"0.1 false a day asked, but {results.detect.days:.1f} days of data cannot tell less than" in line
    assert f"{results.detect.least_far:.2g} a day" in line


def test_reasons_of_the_ranking_are_told_on_demand(results):
    reason = "significance_6s +2.1, gap_after -0.4"
    found = replace(results.detect, events=results.detect.events.with_columns(ranked_by=pl.lit(reason)))
    assert f"{found.events['name'][0]} ranked by {reason}" in shown(found, verbose=True)
    assert reason not in shown(found)


def test_events_of_the_published_method_are_told_beside_their_intervals(copied):
    found = polarbgb.detect(copied, method="published", overrides=["intervals.sigma=4"])
    assert summary_line(found) == f"{len(found.events)} events; the published method knows no false-alarm rate"
    told = shown(found, verbose=True)
    assert f"{found.chosen}  <- events" in told
    assert all(name in told for name in [*found.events["name"], *found.intervals["set"]])


def test_a_thing_that_is_no_result_is_refused():
    for function in (summary_line, written_files, lambda thing: result_tables(thing, verbose=True)):
        with pytest.raises(NotImplementedError):
            function("text")


def test_times_are_utc():
    assert utc(1483525445.6197348) == "2017-01-04 10:24:05"


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
        terminal.tell(result)
    terminal.close()
    told = capsys.readouterr().out.replace("\n", "")
    assert told.count("events.parquet") == 1


def test_several_verbs_make_one_object(results, capsys):
    terminal = Terminal(as_json=True)
    terminal.tell(results.inspect)
    terminal.tell(results.detect)
    terminal.close()
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["inspect", "detect"]
    assert told["inspect"]["entries"] == results.inspect.entries

"""What the page says of an event: ranking, false-alarm rate and what it was ranked by."""

import polars as pl

from polarbgb.reporting.content import event_list, facts

TITLES = ("soft", "hard")


def test_the_list_holds_the_ranking_and_marks_upper_limits(found):
    columns, rows = event_list(found.with_columns(significance=pl.lit(5.0)))
    keys = [column["key"] for column in columns]
    shown = [column["key"] for column in columns if not column.get("hidden")]
    assert shown.index("ranking") + 1 == shown.index("far")
    assert {"ranked_by", "far_limit"} <= set(keys) - set(shown)
    (far,) = (column for column in columns if column["key"] == "far")
    assert far["limit"] == "far_limit"
    table = pl.DataFrame(rows, schema=keys, orient="row")
    assert table["ranking"].to_list() == [-1.5, 4.25]
    assert table["far_limit"].to_list() == [False, True]


def test_a_list_of_the_published_method_has_neither(found):
    published = found.drop("ranking", "far", "far_error", "far_limit", "probability", "ranked_by")
    columns, _ = event_list(published.with_columns(significance=pl.lit(5.0)))
    assert not {"ranking", "far", "far_limit", "ranked_by"} & {column["key"] for column in columns}


def test_facts_say_what_an_event_was_ranked_by_and_mark_an_upper_limit(found):
    first, second = (dict(facts(event, TITLES, [0, 1])) for event in found.iter_rows(named=True))
    assert (first["far"], second["far"]) == ("8.64 d-1", "<8.64e-05 d-1")
    assert (first["far_limit"], second["far_limit"]) == ("no", "yes")
    assert "ranked by" not in first
    assert second["ranked by"] == "significance_6s +2.1, gap_after -0.4"
    assert second["counts, hard"] == "900 count"

"""Classify events by rules on their columns that the configuration states."""

from __future__ import annotations

import polars as pl

from polarbgb.config import Classes
from polarbgb.errors import ConfigError, nearest
from polarbgb.expressions import Expression

KNOWN = "known burst"
"""Class of an event that matches a known one, whatever the rules say."""

UNKNOWN = "unknown"


def classify(events: pl.DataFrame, classes: Classes) -> pl.DataFrame:
    """Add hardness, flags and class to events.

    Expressions read the columns of the event, ``excess[k]`` (counts of bin k above its background), ``share[k]`` (the
    excess divided by the background) and ``bins`` (number of flagged bins).

    Args:
        events: with the columns of :func:`polarbgb.transients.events.describe_events` and ``bins_flagged``.
        classes: hardness, flags and rules.

    Returns:
        The events with ``hardness`` (null if none is configured), ``flags`` (names of the flags that hold, joined by
        ``", "``), ``class`` and ``class_rule`` (name and text of the first rule that holds; ``known burst`` by
        ``matched`` for known events; ``unknown`` where no rule holds).

    Raises:
        ConfigError: if an expression reads a column that events of this instrument do not have.
    """
    known = _columns(events)
    hardness = pl.lit(None, pl.Float64)
    if classes.measure is not None:
        hardness = _checked("classes.hardness", classes.measure, known.columns).number()
    known = known.with_columns(hardness=hardness)
    flags = [
        pl.when(_checked(f"classes.flags.'{name}'", flag, known.columns).truth()).then(pl.lit(name))
        for name, flag in classes.marks.items()
    ]
    name_of_class, text = pl.lit(UNKNOWN), pl.lit("no rule holds")
    for name, rule in reversed(classes.tests.items()):
        holds = _checked(f"classes.rules.'{name}'", rule, known.columns).truth()
        name_of_class = pl.when(holds).then(pl.lit(name)).otherwise(name_of_class)
        text = pl.when(holds).then(pl.lit(rule.text)).otherwise(text)
    matched = pl.col("matched") != ""
    columns = known.select(
        "hardness",
        pl.concat_str(flags, separator=", ", ignore_nulls=True).alias("flags") if flags else pl.lit("").alias("flags"),
        pl.when(matched).then(pl.lit(KNOWN)).otherwise(name_of_class).alias("class"),
        pl.when(matched).then(pl.lit("matched")).otherwise(text).alias("class_rule"),
    )
    return pl.concat([events, columns], how="horizontal")


def _columns(events: pl.DataFrame) -> pl.DataFrame:
    """Return the events with the columns that exist for expressions alone."""
    bins = events.schema["counts"].shape[0] if isinstance(events.schema["counts"], pl.Array) else 0
    excesses = {f"excess[{k}]": pl.col("counts").arr.get(k) - pl.col("background").arr.get(k) for k in range(bins)}
    shares = {f"share[{k}]": pl.col("counts").arr.get(k) / pl.col("background").arr.get(k) - 1 for k in range(bins)}
    flagged = pl.col("bins_flagged")
    n_flagged = pl.when(flagged == "").then(0).otherwise(flagged.str.count_matches("_") + 1)
    return events.with_columns(bins=n_flagged, **excesses, **shares)


def _checked(where: str, expression: Expression, columns: list[str]) -> Expression:
    missing = sorted(expression.columns - set(columns))
    if missing:
        raise ConfigError(f"{where}: events have no column '{missing[0]}'{nearest(missing[0], columns)}")
    return expression

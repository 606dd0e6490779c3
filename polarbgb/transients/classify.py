"""What an event may be: transparent rules on its columns, from the configuration, and the rule that held."""

from __future__ import annotations

import polars as pl

from polarbgb.config import Config
from polarbgb.errors import UserError, nearest
from polarbgb.expressions import Expression

KNOWN = "known burst"
"""Class of an event that agrees with a known one, before all rules."""

UNKNOWN = "unknown"


def classify(events: pl.DataFrame, config: Config) -> pl.DataFrame:
    """Give each event its hardness, its flags and its class.

    Expressions read the columns of the event, and ``excess[k]`` and ``share[k]``: counts of bin k above its background,
    and that over the background; ``bins`` is the number of bins flagged.

    Args:
        events: with the columns of :func:`polarbgb.transients.events.describe_events` and ``bins_flagged``.
        config: its section classes.

    Returns:
        The events with ``hardness`` (null where none is configured), ``flags`` (names of the flags that hold, joined by
        ``", "``), ``class`` and ``class_rule`` (name of the first rule that holds and its text; a known burst is one by
        ``matched``; ``unknown`` where no rule holds).

    Raises:
        UserError: if an expression reads a column that events of this instrument do not have.
    """
    section = config.classes
    known = _columns(events)
    hardness = pl.lit(None, pl.Float64)
    if section.measure is not None:
        hardness = _checked("classes.hardness", section.measure, known.columns).number()
    known = known.with_columns(hardness=hardness)
    flags = [
        pl.when(_checked(f"classes.flags.'{name}'", flag, known.columns).truth()).then(pl.lit(name))
        for name, flag in section.marks.items()
    ]
    chosen, why = pl.lit(UNKNOWN), pl.lit("no rule holds")
    for name, rule in reversed(section.tests.items()):
        holds = _checked(f"classes.rules.'{name}'", rule, known.columns).truth()
        chosen = pl.when(holds).then(pl.lit(name)).otherwise(chosen)
        why = pl.when(holds).then(pl.lit(rule.text)).otherwise(why)
    matched = pl.col("matched") != ""
    found = known.select(
        "hardness",
        pl.concat_str(flags, separator=", ", ignore_nulls=True).alias("flags") if flags else pl.lit("").alias("flags"),
        pl.when(matched).then(pl.lit(KNOWN)).otherwise(chosen).alias("class"),
        pl.when(matched).then(pl.lit("matched")).otherwise(why).alias("class_rule"),
    )
    return pl.concat([events, found], how="horizontal")


def _columns(events: pl.DataFrame) -> pl.DataFrame:
    """Return the events with the columns that only expressions know."""
    bins = events.schema["counts"].shape[0] if isinstance(events.schema["counts"], pl.Array) else 0
    found = {f"excess[{k}]": pl.col("counts").arr.get(k) - pl.col("background").arr.get(k) for k in range(bins)}
    shares = {f"share[{k}]": pl.col("counts").arr.get(k) / pl.col("background").arr.get(k) - 1 for k in range(bins)}
    number = pl.when(pl.col("bins_flagged") == "").then(0).otherwise(pl.col("bins_flagged").str.count_matches("_") + 1)
    return events.with_columns(bins=number, **found, **shares)


def _checked(where: str, expression: Expression, columns: list[str]) -> Expression:
    absent = sorted(expression.columns - set(columns))
    if absent:
        raise UserError(f"{where}: events have no column '{absent[0]}'{nearest(absent[0], columns)}")
    return expression

"""Each verb's result in words: a table of details, one line of gist, and the files it made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from pathlib import Path

import polars as pl
from rich.console import RenderableType
from rich.table import Table

from polarbgb.attribution.stability import AttributionStability
from polarbgb.background.metrics import Score
from polarbgb.background.regimes import ALL
from polarbgb.plotting.axes import utc
from polarbgb.simulation.mission import SimulateResult
from polarbgb.validation.agreement import ListAgreement
from polarbgb.validation.efficiency import FOCUS, METHODS, TITLES, Efficiency
from polarbgb.workflow.config import InitResult
from polarbgb.workflow.detect import DetectResult
from polarbgb.workflow.evaluate import MODEL, EvaluateResult
from polarbgb.workflow.explain import ExplainResult
from polarbgb.workflow.export import ExportResult
from polarbgb.workflow.fit import FAIR_PARTS, FitResult
from polarbgb.workflow.inspect import InspectResult
from polarbgb.workflow.plot import PlotResult
from polarbgb.workflow.predict import PredictResult
from polarbgb.workflow.report import ReportResult
from polarbgb.workflow.reproduce import ReproduceResult
from polarbgb.workflow.run import Kept
from polarbgb.workflow.tune import TuneResult

_SHOWN = 12
"""Rows of a table shown unless all are asked for."""
_AGREE = 0.1
"""Scatter and stated errors agree within this."""
_BINS_ABREAST = 6
_BRIGHT = 8.0
"""Oracle significance, sigma."""
_ANY = "any"


@singledispatch
def result_tables(result: object, *, verbose: bool) -> Sequence[RenderableType]:
    """Return what is worth seeing of a result; ``verbose`` lifts the limits of tables."""
    raise NotImplementedError(type(result))


@singledispatch
def summary_line(result: object) -> str:
    """Return a result in one line."""
    raise NotImplementedError(type(result))


@singledispatch
def written_files(result: object) -> Sequence[Path]:
    """Return the files that a verb left."""
    raise NotImplementedError(type(result))


def _table(left: Sequence[str], right: Sequence[str], *, gap: int = 2) -> Table:
    """Begin a table with columns of text, then columns of numbers."""
    table = Table(box=None, padding=(0, gap, 0, 0))
    for name in left:
        table.add_column(name)
    for name in right:
        table.add_column(name, justify="right")
    return table


def _four_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 1e3 else f"{value:.4g}"


# config init


@result_tables.register
def _(result: InitResult, *, verbose: bool) -> Sequence[RenderableType]:
    del verbose
    branches = _table([f"branch of {result.tree}", "type"], [])
    for branch in result.branches:
        branches.add_row(branch.name, branch.type)
    then = f"edit it, then look at your file through it: polarbgb inspect -c {result.path}"
    return (branches, then) if result.branches else (then,)


@summary_line.register
def _(result: InitResult) -> str:
    return f"a configuration to edit{f', for tree {result.tree}' if result.tree else ''}: written"


@written_files.register
def _(result: InitResult) -> Sequence[Path]:
    return (result.path,)


# inspect


@result_tables.register
def _(result: InspectResult, *, verbose: bool) -> Sequence[RenderableType]:
    facts = Table.grid(padding=(0, 2))
    facts.add_row("file", f"{result.path}, tree {result.tree}")
    facts.add_row("from", f"{utc(result.start)} UTC")
    facts.add_row("to", f"{utc(result.stop)} UTC")
    span = result.stop - result.start
    facts.add_row("covered", f"{result.covered / 86400:.2f} of {span / 86400:.2f} d ({result.covered / span:.1%})")
    facts.add_row("live", f"{result.live / 86400:.2f} d")
    gaps = ", ".join(f"{n} of {name}" for name, n in result.gaps.items()) or "none"
    facts.add_row("orbits", f"{result.orbits} in {result.segments} unbroken stretches; gaps: {gaps}")
    facts.add_row("branches", f"{len(result.used)} of {len(result.branches)} are read")
    facts.add_row("features", f"{len(result.features)}" + (f": {', '.join(result.features)}" if verbose else ""))
    for what, names in result.absent.items():
        facts.add_row("", f"the configuration has no {what}: without {', '.join(names)}")
    rows = _table(["rows"], ["number", "share"])
    rows.add_row("in the file", f"{result.entries:,}", "")
    for reason, number in result.dropped.items():
        rows.add_row(f"dropped: {reason}", f"{number:,}", f"{number / result.entries:.3%}")
    rows.add_row("usable", f"{result.usable:,}", f"{result.usable / result.entries:.3%}")
    rows.add_row("near a known event, not trained on", f"{result.known:,}", f"{result.known / result.entries:.3%}")
    for column, number in result.missing.items():
        rows.add_row(f"without {column}, kept", f"{number:,}", f"{number / result.entries:.3%}")
    rates = _table(["rate, Hz"], ["5 %", "median", "95 %", "maximum"])
    for name, quantiles in result.rates.items():
        rates.add_row(name, *map(_four_digits, quantiles))
    shown: list[RenderableType] = [facts, rows, rates]
    if verbose:
        branches = _table(["branch", "type", "read"], [])
        for branch in result.branches:
            branches.add_row(branch.name, branch.type, "yes" if branch.name in result.used else "")
        shown.append(branches)
    return shown


@summary_line.register
def _(result: InspectResult) -> str:
    return f"{result.usable:,} of {result.entries:,} rows usable, {result.orbits} orbits"


@written_files.register
def _(result: InspectResult) -> Sequence[Path]:
    del result
    return ()


# simulate


@result_tables.register
def _(result: SimulateResult, *, verbose: bool) -> Sequence[RenderableType]:
    del result, verbose
    return ()


@summary_line.register
def _(result: SimulateResult) -> str:
    days = (result.stop - result.start) / 86400
    return f"{result.rows:,} rows over {days:.1f} days, {result.events} events injected"


@written_files.register
def _(result: SimulateResult) -> Sequence[Path]:
    return (result.path, result.truth)


# tune


@result_tables.register
def _(result: TuneResult, *, verbose: bool) -> Sequence[RenderableType]:
    del verbose
    table = _table(["hyperparameter"], ["best"])
    for name, value in result.tuning.parameters.items():
        table.add_row(name, f"{value:.4g}")
    return (table,)


@summary_line.register
def _(result: TuneResult) -> str:
    tuning = result.tuning
    own = "" if tuning.default_score is None else f", {tuning.default_score:.4f} with the configuration's own"
    return f"deviance over noise {tuning.score:.4f}{own} ({tuning.finished} trials finished, {tuning.pruned} pruned)"


@written_files.register
def _(result: TuneResult) -> Sequence[Path]:
    return (result.best,)


# fit and predict


@result_tables.register
def _(result: FitResult, *, verbose: bool) -> Sequence[RenderableType]:
    del verbose
    parts: dict[str, Table] = {}
    bins = len(result.widths)
    for number, one in enumerate(result.scores):
        table = parts.setdefault(
            one.part, _table([one.part], ["deviance", "pure noise", "constant", "pull width", "trees"])
        )
        errors = (one.deviance, one.noise, one.constant)
        width, trees = result.widths[number % bins], result.trees[1 + number % bins]
        table.add_row(one.bin, *(_four_digits(error) for error in errors), f"{width:.3f}", f"{trees:.0f}")
    told = [f"hyperparameters: {result.parameters}"]
    for i_round, cleaning in enumerate(result.rounds, start=1):
        recurrent = f"; {cleaning.recurrent:,} rise as far but recur, and stay" if cleaning.recurrent else ""
        told.append(
            f"cleaning, round {i_round}: {cleaning.masked:,} of {result.rows:,} rows masked "
            f"({cleaning.added:,} added){recurrent}"
        )
    told.extend(_scatter_warnings(result))
    told.append(f"trees: {result.trees[0]:.0f} of all bins together, and those in the table of each bin alone")
    return (
        *told,
        *parts.values(),
        "deviance: Poisson deviance of the counts about the prediction, per row; pure noise: what chance alone gives",
    )


def _scatter_warnings(result: FitResult) -> Iterator[str]:
    """Yield a line for the bins whose rates scatter less than their stated errors, and one for those with more."""
    names = [score.bin for score in result.scores[: len(result.scatter)]]
    ratios = dict(zip(names, result.scatter, strict=True))
    small = "errors are stated too large, or rates are weighted means (then set rates.weighted_means = true)"
    large = "errors are stated too small, or something varies from row to row"
    for bins, reason in (
        ([name for name, ratio in ratios.items() if ratio < 1 - _AGREE and not result.weighted_means], small),
        ([name for name, ratio in ratios.items() if ratio > 1 + _AGREE], large),
    ):
        if bins:
            low, high = (f"{end(ratios[name] for name in bins):.2f}" for end in (min, max))
            width = low if low == high else f"{low} to {high}"
            yield f"{', '.join(bins)}: rows scatter {width} times as far as their stated errors: {reason}"


@summary_line.register
def _(result: FitResult) -> str:
    fair = [one for one in result.scores if one.part in FAIR_PARTS]
    ratio = sum(one.over_noise for one in fair) / len(fair)
    models = f"{result.folds} models"
    return (
        f"{result.rows:,} rows by {models} of {result.features} features, {fair[0].part}: deviance {ratio:.2f} x noise"
    )


@written_files.register
def _(result: FitResult | PredictResult | DetectResult | ExplainResult | EvaluateResult | PlotResult) -> Sequence[Path]:
    return result.files


@result_tables.register
def _(result: PredictResult, *, verbose: bool) -> Sequence[RenderableType]:
    told = "pull widths: " + ", ".join(f"{width:.3f}" for width in result.widths)
    if not result.outside:
        return (told,)
    share = result.outside / result.rows
    drift = _table(["feature beyond its training"], ["rows", "trained from", "to", "here from", "to"])
    for row in (result.drift if verbose else result.drift.head(_SHOWN)).iter_rows(named=True):
        limits = (_four_digits(row[name]) for name in ("trained_low", "trained_high", "low", "high"))
        drift.add_row(row["feature"], f"{row['rows']:,}", *limits)
    more = len(result.drift) - drift.row_count
    return (
        told,
        f"{result.outside:,} rows ({share:.1%}) lie beyond what the models were trained on: trees stay level there, "
        "so mistrust them (bit 11 of their quality)",
        drift,
        *([f"and {more} more in drift.parquet"] if more else []),
    )


@summary_line.register
def _(result: PredictResult) -> str:
    beyond = f", {result.outside / result.rows:.1%} of them beyond the training" if result.outside else ""
    return f"{result.rows:,} rows predicted{beyond}"


# detect


@result_tables.register
def _(result: DetectResult, *, verbose: bool) -> Sequence[RenderableType]:
    known = [_known(result)] if len(result.known) else []
    if result.method == "published":
        return (_clusters(result), *_published_events(result, verbose=verbose), *known)
    events = _table(["event", "start, UTC"], ["lasts, s", "sigma", "false/day", "real"], gap=1)
    events.add_column("what it is")
    highest = result.events.sort("far", "ranking", "significance", descending=[False, True, True])
    shown = highest if verbose else highest.head(_SHOWN)
    for row in shown.iter_rows(named=True):
        events.add_row(
            row["name"],
            row["utc"][5:19].replace("T", " "),
            f"{row['duration']:.0f}",
            f"{row['significance']:.1f}",
            f"{'<' if row['far_limit'] else ''}{row['far']:.2g}",
            f"{row['probability']:.1%}",
            row["matched"] or row["class"],
        )
    reasons = [f"{row['name']} ranked by {row['ranked_by']}" for row in shown.iter_rows(named=True) if row["ranked_by"]]
    return (events, *_left(highest, shown), *(reasons if verbose else ()), *known)


def _clusters(result: DetectResult) -> Table:
    counts = _table(["intervals in bins"], ["positive", "negative"])
    for row in result.intervals.iter_rows(named=True):
        mark = "  <- events" if row["set"] == result.chosen else ""
        counts.add_row(f"{row['set']}{mark}", f"{row['positive']:,}", f"{row['negative']:,}")
    return counts


def _published_events(result: DetectResult, *, verbose: bool) -> Sequence[RenderableType]:
    events = _table(["event", "start, UTC"], ["duration, s", "sigma", "bins", "known as"])
    strongest = result.events.sort("significance", descending=True)
    shown = strongest if verbose else strongest.head(_SHOWN)
    for row in shown.iter_rows(named=True):
        events.add_row(
            row["name"],
            row["utc"][:19],
            f"{row['duration']:.0f}",
            f"{row['significance']:.1f}",
            row["bins_flagged"],
            row["matched"],
        )
    return (events, *_left(strongest, shown))


def _left(rows: pl.DataFrame, shown: pl.DataFrame) -> Sequence[str]:
    left = len(rows) - len(shown)
    return [f"and {left} weaker ones (-v shows them)"] if left else []


def _known(result: DetectResult) -> Table:
    table = _table(["known event", "time, UTC", "found"], ["start - trigger, s"])
    for row in result.known.iter_rows(named=True):
        found = row["event"] if row["event"] else ("no" if row["covered"] else "no data")
        table.add_row(row["name"], utc(row["time"]), found, "" if row["dt"] is None else f"{row['dt']:+.1f}")
    return table


@summary_line.register
def _(result: DetectResult) -> str:
    covered = int(result.known["covered"].sum())
    found = int(result.known["event"].is_not_null().sum())
    known = f", {found} of {covered} known events with data" if covered else ""
    if result.method == "published":
        return f"{len(result.events)} events{known}; the published method knows no false-alarm rate"
    far, least = result.far or 0.0, result.least_far or 0.0
    expected = max(far, least) * result.days
    rate = (
        f"at most {far:g} false a day, about {expected:.1f} in {result.days:.1f} days"
        if far >= least
        else f"{far:g} false a day asked, but {result.days:.1f} days of data cannot tell less than "
        f"{least:.2g} a day: nothing in the control ranks as high as the events"
    )
    return f"{len(result.events)} events{known}; {rate}; ranked by {result.ranking}"


# explain


@result_tables.register
def _(result: ExplainResult, *, verbose: bool) -> Sequence[RenderableType]:
    bins = result.importance.columns[1:-2]
    # More bins than this leave no room for the features' names on a usual terminal; importance.parquet holds them.
    columns = bins if verbose or len(bins) <= _BINS_ABREAST else []
    shown = result.importance if verbose else result.importance.head(_SHOWN)
    left = len(result.importance) - len(shown)
    rest = [f"and {left} more (-v shows them)"] if left else []
    return (
        "mean |SHAP| on the margin, and its mean share of all features with the sample's error",
        _importances(shown, "feature", columns),
        *rest,
        "the same of groups of features",
        _importances(result.groups, "group", columns),
        *_steadiness("agreement of the folds' models", result.folds, verbose=verbose),
        *_steadiness("agreement with the other run", result.stability, verbose=True),
    )


def _importances(table: pl.DataFrame, what: str, columns: Sequence[str]) -> Table:
    shown = _table([what], [*columns, "share"], gap=1)
    for row in table.iter_rows(named=True):
        share = f"{row['share']:.1%} ± {row['share_error']:.1%}"
        shown.add_row(row[what], *(f"{row[name]:.2g}" for name in columns), share)
    return shown


def _steadiness(title: str, result: AttributionStability | None, *, verbose: bool) -> Sequence[RenderableType]:
    if result is None:
        return ()
    if not verbose:
        change, feature = max(zip(result.change, result.feature, strict=True))
        low, high = min(result.correlation), max(result.correlation)
        return (f"{title}: rank correlation {low:.3f} to {high:.3f}; shares change by up to {change:.1%} ({feature})",)
    shown = _table(["bin"], ["rank correlation", "largest change of a share"])
    shown.add_column("of")
    for name, correlation, change, feature in zip(
        result.bins, result.correlation, result.change, result.feature, strict=True
    ):
        shown.add_row(name, f"{correlation:.3f}", f"{change:.1%}", feature)
    return title, shown


@summary_line.register
def _(result: ExplainResult) -> str:
    first = ", ".join(result.importance["feature"].head(3))
    events = f" and the background of {result.events} events" if result.events else ""
    return f"{result.rows:,} rows{events} explained; {first} matter most"


# evaluate


@result_tables.register
def _(result: EvaluateResult, *, verbose: bool) -> Sequence[RenderableType]:
    errors = {method: _over_noise(scores) for method, scores in result.errors.items()}
    places = {regime: _over_noise([one.score for one in ones]) for regime, ones in result.regimes.items()}
    widths = {regime: [f"{one.pull_width:.3f}" for one in ones] for regime, ones in result.regimes.items()}
    means = {regime: [f"{one.pull_mean:+.3f}" for one in ones] for regime, ones in result.regimes.items()}
    shown: list[RenderableType] = [
        *_by_bin("deviance / pure noise", result.names, errors),
        *result.missing,
        *_by_bin("the same by regime", result.names, places),
        *_by_bin("width of pulls", result.names, widths),
    ]
    if verbose:
        more = _table(
            ["held out"], ["deviance", "MAE, Hz", "bias", "correlation 1, 10, 100 rows on", "orbit rms"], gap=1
        )
        for one in result.regimes[ALL]:
            together = ", ".join("-" if r is None else f"{r:.2f}" for r in one.autocorrelation)
            bias = "-" if one.relative_bias is None else f"{one.relative_bias:+.2%}"
            more.add_row(
                one.score.bin,
                f"{one.score.deviance:.3f}",
                f"{one.absolute_error:.1f}",
                bias,
                together,
                f"{one.orbit_rms:.2f}",
            )
        shown += [*_by_bin("mean of pulls", result.names, means), more]
    else:
        shown.append("pulls' means lie between {} and {}".format(*_ends(result)))
    if result.efficiency is not None:
        shown += _efficiency(result.efficiency, verbose=verbose)
    if result.stability is not None:
        shown.append(_stability(result.stability))
    return shown


def _stability(result: ListAgreement) -> Table:
    """Lay out how far two lists agree."""
    table = _table(["events of both runs"], ["this run", "other run", "seconds in both", "found again"])
    title = f"at {result.far:g} false a day"
    for name, one in ((title, result.listed), ("published method", result.published)):
        table.add_row(name, *map(str, one.events), f"{one.together:.0%}", _both(one.again))
    table.add_row("of them, above all of the control", "", "", "", _both(result.sure))
    return table


def _both(shares: tuple[float, float]) -> str:
    return " / ".join(f"{share:.0%}" for share in shares)


def _efficiency(result: Efficiency, *, verbose: bool) -> Sequence[RenderableType]:
    """Lay out the share of bursts found, by significance and duration."""
    table = _table(["oracle sigma", "lasting, s"], ["bursts", *TITLES.values()])
    for row in result.table().iter_rows(named=True):
        length = _span(row["duration_from"], row["duration_to"])
        if verbose or row["oracle_to"] < math.inf or row["oracle_from"] > _BRIGHT or length == _ANY:
            shares = ["-" if row[name] is None else f"{row[name]:.0%}" for name in METHODS]
            table.add_row(_span(row["oracle_from"], row["oracle_to"]), length, str(row["bursts"]), *shares)
    table.add_row("events a day", "none added", "", *(f"{result.per_day[name]:.1f}" for name in METHODS))
    return (table, f"found by {TITLES[FOCUS]} at {result.far:g} false a day; the others know no false-alarm rate")


def _span(low: float, high: float) -> str:
    if high == math.inf:
        return f"{low:g} and more" if low else _ANY
    return f"{low:g} to {high:g}" if low else f"up to {high:g}"


def _by_bin(title: str, names: Sequence[str], rows: Mapping[str, Sequence[str]]) -> Iterator[Table]:
    """Lay out a column a bin, as many abreast as 80 characters hold."""
    for first in range(0, len(names), _BINS_ABREAST):
        part = slice(first, first + _BINS_ABREAST)
        table = _table([title], names[part], gap=1)
        for label, values in rows.items():
            table.add_row(label, *values[part])
        yield table


def _ends(result: EvaluateResult) -> tuple[str, str]:
    """Return the least and the greatest mean of pulls over bins and regimes."""
    means = [one.pull_mean for ones in result.regimes.values() for one in ones]
    return f"{min(means):+.2f}", f"{max(means):+.2f}"


def _over_noise(scores: Sequence[Score]) -> list[str]:
    return [f"{one.over_noise:.2f}" for one in scores]


@summary_line.register
def _(result: EvaluateResult) -> str:
    widths = [one.pull_width for ones in result.regimes.values() for one in ones]
    worse = [name for name, scores in result.errors.items() if name != MODEL and _wins(scores, result.errors[MODEL])]
    beaten = f"; better in some bin: {', '.join(worse)}" if worse else "; nothing beats it in any bin"
    rows = result.errors[MODEL][0].rows
    common = (
        f"; errors over the {rows:,} rows predicted by {' and '.join(result.references)} too"
        if result.references
        else ""
    )
    width = f"pulls {min(widths):.2f} to {max(widths):.2f} wide over bins and regimes"
    return f"{width}{beaten}{common}{_found(result)}{_agreed(result)}"


def _agreed(result: EvaluateResult) -> str:
    if result.stability is None:
        return ""
    return f"; lists of both runs share {result.stability.listed.together:.0%} of the seconds"


def _found(result: EvaluateResult) -> str:
    if result.efficiency is None:
        return ""
    shares = (f"{result.efficiency.share(FOCUS, least):.0%} from {least:g} sigma on" for least in (6.0, _BRIGHT))
    return f"; bursts found at {result.efficiency.far:g} false a day: {', '.join(shares)}"


def _wins(scores: Sequence[Score], over: Sequence[Score]) -> bool:
    return any(a.deviance < b.deviance for a, b in zip(scores, over, strict=True))


# plot


@result_tables.register
def _(result: PlotResult, *, verbose: bool) -> Sequence[RenderableType]:
    del result, verbose
    return ()


@summary_line.register
def _(result: PlotResult) -> str:
    return f"{len(result.files)} figures drawn"


# export


@result_tables.register
def _(result: ExportResult, *, verbose: bool) -> Sequence[RenderableType]:
    del verbose
    table = _table(["table"], ["entries"])
    for name, rows in result.tables.items():
        table.add_row(name, f"{rows:,}")
    return (table,)


@summary_line.register
def _(result: ExportResult) -> str:
    held = [f"{rows:,} {name}" for name, rows in result.tables.items()]
    told = held[0] if len(held) == 1 else f"{len(held)} tables, {result.events} events"
    return f"{told} as {result.format}"


@written_files.register
def _(result: ExportResult) -> Sequence[Path]:
    return (result.path,)


@result_tables.register
def _(result: ReportResult, *, verbose: bool) -> Sequence[RenderableType]:
    del result, verbose
    return ()


@summary_line.register
def _(result: ReportResult) -> str:
    return f"{result.events} events, {result.drawn} of them drawn, {result.size / 1e6:.1f} MB"


@written_files.register
def _(result: ReportResult) -> Sequence[Path]:
    return (result.path, *result.figures)


# run


@result_tables.register
def _(result: Kept, *, verbose: bool) -> Sequence[RenderableType]:
    del verbose
    return (f"{' and '.join(result.stages)} were done before, from the same file with the same settings",)


@summary_line.register
def _(result: Kept) -> str:
    return f"kept: {', '.join(result.stages)}"


@written_files.register
def _(result: Kept) -> Sequence[Path]:
    del result
    return ()


@result_tables.register
def _(result: ReproduceResult, *, verbose: bool) -> Sequence[RenderableType]:
    told = [f"{len(result.same)} files have the bytes of the first run" + (":" if verbose and result.same else "")]
    if verbose:
        told += [f"  {name}" for name in result.same]
    if result.different:
        told += [f"{len(result.different)} have others:", *(f"  {name}" for name in result.different)]
    told += [f"{name} was {then}, is {now}" for name, (then, now) in result.versions.items()]
    return told


@summary_line.register
def _(result: ReproduceResult) -> str:
    alike = "all the same" if not result.different else f"{len(result.different)} files differ"
    return f"{', '.join(result.stages)} done again: {alike}"


@written_files.register
def _(result: ReproduceResult) -> Sequence[Path]:
    return (result.run.path,)

"""The result of `polarbgb evaluate`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from polarbgb.background.metrics import Performance, Score
from polarbgb.background.regimes import ALL
from polarbgb.reporting.table import Table, counted, extent
from polarbgb.validation.agreement import ListAgreement
from polarbgb.validation.efficiency import FOCUS, METHODS, TITLES, Efficiency

MODEL = "boosted trees"
"""Name of the prediction among the methods that are compared."""

_BINS_ABREAST = 6
"""Columns of bins that 80 characters hold."""
_BRIGHT = 8.0
"""Oracle significance, sigma."""
_ANY = "any"


@dataclass(frozen=True)
class EvaluateResult:
    """Result of an evaluation.

    Attributes:
        names: (bins,) names of the rates.
        errors: (bins,) scores by method: the model's, then those of the references and of the baselines. All are scored
            on the same rows: the held-out ones that every reference predicts.
        references: names of the methods that came from files.
        regimes: (bins,) performance of the model by regime; the first is all held-out rows. Empty regimes are left out.
        missing: a line on each baseline that could not be computed, and why.
        efficiency: detection efficiency of injected bursts, where that was asked for.
        stability: agreement of the list of events with that of another run, where that was asked for.
        files: the files that were written.
    """

    command: ClassVar[str] = "evaluate"

    names: tuple[str, ...]
    errors: Mapping[str, list[Score]]
    references: tuple[str, ...]
    regimes: Mapping[str, list[Performance]]
    missing: tuple[str, ...]
    efficiency: Efficiency | None
    stability: ListAgreement | None
    files: tuple[Path, ...]

    def summary(self) -> str:
        """Return the widths of the pulls, the methods that are better, the efficiency and the stability."""
        widths = [performance.pull_width for bins in self.regimes.values() for performance in bins]
        better = [name for name, scores in self.errors.items() if name != MODEL and self._is_better(scores)]
        parts = [
            f"pulls {extent(widths, '.2f')} wide over bins and regimes",
            f"better in some bin: {', '.join(better)}" if better else "nothing is better in any bin",
        ]
        if self.references:
            rows = counted(self.errors[MODEL][0].rows, "row")
            parts.append(f"errors are those of the {rows} predicted by {' and '.join(self.references)} too")
        if self.efficiency is not None:
            shares = (f"{self.efficiency.share(FOCUS, sigma):.0%} from {sigma:g} sigma on" for sigma in (6.0, _BRIGHT))
            parts.append(f"bursts found at {counted(self.efficiency.far, 'false event')} per day: {', '.join(shares)}")
        if self.stability is not None:
            parts.append(f"the lists of both runs share {self.stability.listed.together:.0%} of the seconds")
        return "; ".join(parts)

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return errors by method and regime, the pulls, and what was asked for besides."""
        errors = {method: _over_noise(scores) for method, scores in self.errors.items()}
        by_regime = {
            regime: _over_noise([performance.score for performance in bins]) for regime, bins in self.regimes.items()
        }
        widths = {
            regime: [f"{performance.pull_width:.3f}" for performance in bins] for regime, bins in self.regimes.items()
        }
        means = {
            regime: [f"{performance.pull_mean:+.3f}" for performance in bins] for regime, bins in self.regimes.items()
        }
        tables = [
            *_by_bin("deviance / pure noise", self.names, errors),
            *([Table(note="\n".join(self.missing))] if self.missing else []),
            *_by_bin("the same by regime", self.names, by_regime),
            *_by_bin("width of pulls", self.names, widths),
        ]
        if verbose:
            tables += [*_by_bin("mean of pulls", self.names, means), _performance(self.regimes[ALL])]
        else:
            every = [performance.pull_mean for bins in self.regimes.values() for performance in bins]
            tables.append(Table(note=f"mean of the pulls by bin and regime: {extent(every, '+.2f')}"))
        if self.efficiency is not None:
            tables.append(_efficiency(self.efficiency, verbose=verbose))
        if self.stability is not None:
            tables.append(_stability(self.stability))
        return tables

    def _is_better(self, scores: Sequence[Score]) -> bool:
        """Tell whether a method has a smaller deviance than the model in some bin."""
        pairs = zip(scores, self.errors[MODEL], strict=True)
        return any(score.deviance < model.deviance for score, model in pairs)


def _over_noise(scores: Sequence[Score]) -> list[str]:
    return [f"{score.over_noise:.2f}" for score in scores]


def _by_bin(title: str, names: Sequence[str], rows: Mapping[str, Sequence[str]]) -> Iterator[Table]:
    """Yield tables with one column per bin, as many side by side as 80 characters hold."""
    for first in range(0, len(names), _BINS_ABREAST):
        bins = slice(first, first + _BINS_ABREAST)
        yield Table(
            head=(title, *names[bins]),
            rows=tuple((label, *texts[bins]) for label, texts in rows.items()),
            align="l" + "r" * len(names[bins]),
        )


def _performance(bins: Sequence[Performance]) -> Table:
    return Table(
        head=("held out", "deviance", "MAE, Hz", "bias", "correlation 1, 10, 100 rows apart", "orbit rms"),
        rows=tuple(
            (
                performance.score.bin,
                f"{performance.score.deviance:.3f}",
                f"{performance.absolute_error:.1f}",
                "-" if performance.relative_bias is None else f"{performance.relative_bias:+.2%}",
                ", ".join("-" if r is None else f"{r:.2f}" for r in performance.autocorrelation),
                f"{performance.orbit_rms:.2f}",
            )
            for performance in bins
        ),
        align="lrrrrr",
    )


def _efficiency(efficiency: Efficiency, *, verbose: bool) -> Table:
    """Lay out the share of bursts found, by significance and duration."""
    rows: list[tuple[str, ...]] = []
    for row in efficiency.table().iter_rows(named=True):
        duration = _span(row["duration_from"], row["duration_to"])
        if verbose or row["oracle_to"] < math.inf or row["oracle_from"] > _BRIGHT or duration == _ANY:
            shares = ("-" if row[name] is None else f"{row[name]:.0%}" for name in METHODS)
            rows.append((_span(row["oracle_from"], row["oracle_to"]), duration, f"{row['bursts']:,}", *shares))
    rows.append(("events per day", "none added", "", *(f"{efficiency.per_day[name]:.1f}" for name in METHODS)))
    return Table(
        head=("oracle sigma", "duration, s", "bursts", *TITLES.values()),
        rows=tuple(rows),
        align="ll" + "r" * (1 + len(TITLES)),
        note=f"found by {TITLES[FOCUS]} at {counted(efficiency.far, 'false event')} per day; the other methods have no "
        "false-alarm rate",
    )


def _stability(agreement: ListAgreement) -> Table:
    """Lay out how far two lists agree."""
    lists = {
        f"at {counted(agreement.far, 'false event')} per day": agreement.listed,
        "published method": agreement.published,
    }
    return Table(
        head=("events of both runs", "this run", "other run", "seconds in both", "found again"),
        rows=(
            *(
                (name, *(f"{events:,}" for events in pair.events), f"{pair.together:.0%}", _shares(pair.again))
                for name, pair in lists.items()
            ),
            ("those above all of the control", "", "", "", _shares(agreement.sure)),
        ),
        align="lrrrr",
    )


def _shares(pair: tuple[float, float]) -> str:
    return " / ".join(f"{share:.0%}" for share in pair)


def _span(low: float, high: float) -> str:
    if high == math.inf:
        return f"{low:g} and more" if low else _ANY
    return f"{low:g} to {high:g}" if low else f"up to {high:g}"

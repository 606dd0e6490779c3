"""The result of `polarbgb explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from polarbgb.attribution.stability import AttributionStability
from polarbgb.reporting.table import Table, counted, extent, number

_SHOWN = 12
"""Features shown unless all are asked for."""
_BINS_SHOWN = 6
"""Importances of more bins leave no room for the names of features on a usual terminal; the file has them."""


@dataclass(frozen=True)
class ExplainResult:
    """Result of an explanation.

    Attributes:
        importance: one row per feature, one column per bin: mean |SHAP| on the margin, most important first; ``share``
            of all features and ``share_error`` (one sigma), which is not zero where only a sample is explained.
        groups: the same for groups of features, whose values are summed before sizes are taken.
        slopes: one row per feature and bin: mean ``slope`` of the predicted rate, Hz per unit of the feature, its
            ``error``, and the ``scatter`` of the feature.
        folds: agreement of the models of the folds on the importances; None where one model predicts all rows.
        stability: agreement of the importances with those of another run, where that was asked for.
        rows: rows explained.
        events: events whose background is explained.
        residue: largest relative difference between a margin and base + SHAP values.
        renamed: branches of an exported ROOT file, by features whose names ROOT cannot hold.
        files: the files that were written.
    """

    command: ClassVar[str] = "explain"

    importance: pl.DataFrame
    groups: pl.DataFrame
    slopes: pl.DataFrame
    folds: AttributionStability | None
    stability: AttributionStability | None
    rows: int
    events: int
    residue: float
    renamed: dict[str, str]
    files: tuple[Path, ...]

    def summary(self) -> str:
        """Return the number of rows and events, and the most important features."""
        first = ", ".join(self.importance["feature"].head(3))
        events = f" and the background of {counted(self.events, 'event')}" if self.events else ""
        return f"{counted(self.rows, 'row')}{events} explained; {first} matter most"

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return the importances of features and groups, and how far attributions agree."""
        bins = self.importance.columns[1:-2]
        columns = bins if verbose or len(bins) <= _BINS_SHOWN else []
        shown = self.importance if verbose else self.importance.head(_SHOWN)
        omitted = len(self.importance) - len(shown)
        return [
            _importances(
                shown,
                columns,
                title="mean |SHAP| on the margin, and its mean share of all features with the sample's error",
                note=f"and {omitted} more (-v shows them)" if omitted else "",
            ),
            _importances(self.groups, columns, title="the same for groups of features"),
            *_agreement("agreement of the folds' models", self.folds, verbose=verbose),
            *_agreement("agreement with the other run", self.stability, verbose=True),
            *([Table(head=("feature", "branch"), rows=tuple(self.renamed.items()))] if self.renamed else []),
        ]


def _importances(frame: pl.DataFrame, columns: Sequence[str], *, title: str, note: str = "") -> Table:
    name = frame.columns[0]
    return Table(
        title=title,
        head=(name, *columns, "share"),
        rows=tuple(
            (
                row[name],
                *(number(row[column], 2) for column in columns),
                f"{row['share']:.1%} ± {row['share_error']:.1%}",
            )
            for row in frame.iter_rows(named=True)
        ),
        align="l" + "r" * (len(columns) + 1),
        note=note,
    )


def _agreement(title: str, agreement: AttributionStability | None, *, verbose: bool) -> list[Table]:
    if agreement is None:
        return []
    if not verbose:
        change, feature = max(zip(agreement.change, agreement.feature, strict=True))
        correlation = extent(agreement.correlation, ".3f")
        return [
            Table(note=f"{title}: rank correlation {correlation}; shares change by up to {change:.1%} ({feature})"),
        ]
    columns = zip(agreement.bins, agreement.correlation, agreement.change, agreement.feature, strict=True)
    return [
        Table(
            title=title,
            head=("bin", "rank correlation", "largest change of a share", "of"),
            rows=tuple(
                (name, f"{correlation:.3f}", f"{change:.1%}", feature) for name, correlation, change, feature in columns
            ),
            align="lrrl",
        )
    ]

"""The result of `polarbgb fit`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from polarbgb.background.cleaning import Round
from polarbgb.background.metrics import Score
from polarbgb.reporting.table import Table, counted, extent, number
from polarbgb.runs.folder import RunFolder

FAIR_PARTS = ("held-out orbits", "held-out days", "test")
"""Parts of the rows that had no say in the models that predict them."""

_DEVIANCE = (
    "deviance: mean Poisson deviance of the counts per row; pure noise: the same for counts drawn from the prediction; "
    "constant: the same for the best constant rate"
)

_AGREEMENT = 0.1
"""Scatter and stated errors agree within this fraction."""


@dataclass(frozen=True)
class FitResult:
    """Result of a fit.

    Attributes:
        run: the run folder.
        rows: usable rows.
        features: number of features.
        folds: number of models.
        parameters: where the hyperparameters came from, in words.
        scores: one per part of the rows and bin, the bins of a part one after the other.
        widths: (bins,) width of the raw pulls by the modified Gaussian fit; None where too few counts are expected.
        scatter: (bins,) scatter of rates from row to row over their stated errors; NaN where it is not known.
        weighted_means: whether the configuration says that rates may scatter less than their errors.
        rounds: of the training-set cleaning.
        trees: (1 + bins,) mean number of trees over the folds: those that the bins share, and what each bin adds.
        removed: stages of the run folder that were made from an earlier fit, and were removed.
        files: the files that were written.
        remarks: on what is not used as it stands, on doubtful dates, and on known events outside the data.
    """

    command: ClassVar[str] = "fit"

    run: RunFolder
    rows: int
    features: int
    folds: int
    parameters: str
    scores: tuple[Score, ...]
    widths: tuple[float | None, ...]
    scatter: tuple[float, ...]
    weighted_means: bool
    rounds: tuple[Round, ...]
    trees: tuple[float, ...]
    removed: tuple[str, ...]
    files: tuple[Path, ...]
    remarks: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return rows, models, features and the mean error of rows that no model was trained on."""
        fair = [score for score in self.scores if score.part in FAIR_PARTS and score.rows]
        ratio = sum(score.over_noise for score in fair) / len(fair)
        return (
            f"{counted(self.rows, 'row')} by {counted(self.folds, 'model')} of {counted(self.features, 'feature')}, "
            f"{fair[0].part}: deviance {ratio:.2f} x noise"
        )

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return how the models were trained, and the error of every bin by part of the rows."""
        del verbose
        return [Table(note="\n".join(self._training())), *self._errors()]

    def _training(self) -> Iterator[str]:
        """Yield the remarks and the lines on hyperparameters, cleaning, stated errors and trees."""
        yield from self.remarks
        yield f"hyperparameters: {self.parameters}"
        for i_round, cleaning in enumerate(self.rounds, start=1):
            recurrent = f"; {cleaning.recurrent:,} rise as high but recur, and are kept" if cleaning.recurrent else ""
            yield (
                f"cleaning, round {i_round}: {cleaning.masked:,} of {counted(self.rows, 'row')} masked "
                f"({cleaning.added:,} added){recurrent}"
            )
        yield from self._scatter_warnings()
        yield f"trees: {self.trees[0]:.0f} shared by all bins; the table lists how many each bin adds"
        if self.removed:
            yield (
                f"removed, because an earlier fit made them: results of {', '.join(self.removed)}; "
                "reports and exports of that fit are kept, and are out of date"
            )

    def _scatter_warnings(self) -> Iterator[str]:
        """Yield a line for the bins whose rates scatter less than their stated errors, and one for those with more."""
        bins = [score.bin for score in self.scores[: len(self.scatter)]]
        ratios = dict(zip(bins, self.scatter, strict=True))
        small = "errors are stated too large, or rates are weighted means (then set rates.weighted_means = true)"
        large = "errors are stated too small, or something varies from row to row"
        for names, reason in (
            ([name for name, ratio in ratios.items() if ratio < 1 - _AGREEMENT and not self.weighted_means], small),
            ([name for name, ratio in ratios.items() if ratio > 1 + _AGREEMENT], large),
        ):
            if names:
                factor = extent((ratios[name] for name in names), ".2f")
                yield f"{', '.join(names)}: rows scatter {factor} times as much as their stated errors: {reason}"

    def _errors(self) -> Iterator[Table]:
        """Yield a table for each part of the rows."""
        bins = len(self.widths)
        for first in range(0, len(self.scores), bins):
            scores = self.scores[first : first + bins]
            last = first + bins >= len(self.scores)
            yield Table(
                head=(scores[0].part, "deviance", "pure noise", "constant", "pull width", "trees"),
                rows=tuple(
                    (
                        score.bin,
                        *(number(error, 4) for error in (score.deviance, score.noise, score.constant)),
                        "-" if width is None else f"{width:.3f}",
                        f"{trees:.0f}",
                    )
                    for score, width, trees in zip(scores, self.widths, self.trees[1:], strict=True)
                ),
                align="lrrrrr",
                note=_DEVIANCE if last else "",
            )

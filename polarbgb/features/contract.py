"""What a model asks of the features of another file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix

DRIFT = {
    "feature": pl.String,
    "rows": pl.Int64,
    "trained_low": pl.Float64,
    "trained_high": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "first": pl.Float64,
    "last": pl.Float64,
}


@dataclass(frozen=True)
class Drift:
    """Where the features of a file leave the range of the training.

    Attributes:
        rows: (rows,) true where one of them does.
        table: a row a feature that does, most rows first: ``feature``, ``rows`` beyond, ``trained_low``,
            ``trained_high`` of the training, ``low``, ``high`` of the file, in the feature's unit; ``first``, ``last``
            row beyond, unix s.
    """

    rows: NDArray[np.bool_]
    table: pl.DataFrame


@dataclass(frozen=True)
class FeatureContract:
    """Names and ranges of the features that a model was trained on.

    Attributes:
        names: (features,) in the order of the matrix.
        low: (features,) smallest value seen; NaN where none was.
        high: (features,) largest value seen.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, matrix: Matrix) -> FeatureContract:
        """Return the contract of the matrix that models are trained on."""
        low, high = np.full(len(matrix.names), np.nan), np.full(len(matrix.names), np.nan)
        for number in range(len(matrix.names)):
            values = matrix.values[:, number]
            if not np.isnan(values).all():
                low[number], high[number] = np.nanmin(values), np.nanmax(values)
        return cls(matrix.names, tuple(low.tolist()), tuple(high.tolist()))

    def require(self, matrix: Matrix, where: str) -> None:
        """Check that another file gives the features of the training.

        Args:
            matrix: features of the other file.
            where: the file's name, for messages.

        Raises:
            UserError: if a feature is missing, new, in another place, or has no value in the whole file.
        """
        for mine, theirs in zip(self.names, matrix.names, strict=False):
            if mine != theirs:
                raise UserError(f"{where}: the models expect feature '{mine}' where the file gives '{theirs}'")
        if len(self.names) != len(matrix.names):
            raise UserError(
                f"{where}: the models expect {len(self.names)} features, the file gives {len(matrix.names)}"
            )
        for number, name in enumerate(self.names):
            if not np.isnan(self.low[number]) and np.isnan(matrix.values[:, number]).all():
                raise UserError(f"{where}: feature '{name}' has no value in the whole file; the models need it")

    def drift(self, matrix: Matrix, time: NDArray[np.float64]) -> Drift:
        """Find rows beyond the training, of whose features trees know nothing: they stay level there.

        Args:
            matrix: features of the other file, as :meth:`require` asks for them.
            time: (rows,) unix s.
        """
        rows, found = np.zeros(len(matrix.values), bool), []
        for number, name in enumerate(self.names):
            low, high, values = self.low[number], self.high[number], matrix.values[:, number]
            beyond = (values < low) | (values > high)  # nothing is beyond a range that is not known
            if beyond.any():
                rows |= beyond
                at = time[beyond]
                met = float(np.nanmin(values)), float(np.nanmax(values))
                found.append((name, int(beyond.sum()), low, high, *met, float(at[0]), float(at[-1])))
        table = pl.DataFrame(found, schema=DRIFT, orient="row")
        return Drift(rows, table.sort("rows", "feature", descending=[True, False]))

    def as_dict(self) -> dict[str, object]:
        """Return the contract as plain values; a range that is not known is null."""
        ranges = [
            {"name": n, "low": None if np.isnan(lo) else lo, "high": None if np.isnan(hi) else hi}
            for n, lo, hi in zip(self.names, self.low, self.high, strict=True)
        ]
        return {"features": ranges}

    @classmethod
    def from_dict(cls, plain: Any) -> FeatureContract:  # noqa: ANN401 - whatever a file holds
        """Read what :meth:`as_dict` returned.

        Raises:
            UserError: if it is something else.
        """
        try:
            features = plain["features"]
            names = tuple(str(f["name"]) for f in features)
            low, high = (
                tuple(float("nan") if f[key] is None else float(f[key]) for f in features) for key in ("low", "high")
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UserError("models/features.json is damaged; run 'polarbgb fit' again") from error
        return cls(names, low, high)

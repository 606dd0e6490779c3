"""Feature contract: names and ranges of the features of the training, required of another file."""

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
        rows: (rows,) true where at least one feature does.
        table: one row per feature that does, most rows first: ``feature``, ``rows`` beyond, ``trained_low``,
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
        low: (features,) smallest value; NaN if a feature had no value.
        high: (features,) largest value.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, matrix: Matrix) -> FeatureContract:
        """Return the contract of the matrix that models are trained on."""
        low, high = np.full(len(matrix.names), np.nan), np.full(len(matrix.names), np.nan)
        for i_feature in range(len(matrix.names)):
            values = matrix.values[:, i_feature]
            if not np.isnan(values).all():
                low[i_feature], high[i_feature] = np.nanmin(values), np.nanmax(values)
        return cls(matrix.names, tuple(low.tolist()), tuple(high.tolist()))

    def require(self, matrix: Matrix, where: str) -> None:
        """Check that another file gives the features of the training.

        Args:
            matrix: features of the other file.
            where: name of the file, for messages.

        Raises:
            UserError: if a feature is missing, new, in another position, or has no value in the whole file.
        """
        for expected, given in zip(self.names, matrix.names, strict=False):
            if expected != given:
                raise UserError(f"{where}: the models expect feature '{expected}' where the file gives '{given}'")
        if len(self.names) != len(matrix.names):
            raise UserError(
                f"{where}: the models expect {len(self.names)} features, the file gives {len(matrix.names)}"
            )
        for i_feature, name in enumerate(self.names):
            if not np.isnan(self.low[i_feature]) and np.isnan(matrix.values[:, i_feature]).all():
                raise UserError(f"{where}: feature '{name}' has no value in the whole file; the models need it")

    def drift(self, matrix: Matrix, time: NDArray[np.float64]) -> Drift:
        """Find rows outside the range of the training, where the prediction of trees is constant.

        Args:
            matrix: features of the other file, checked by :meth:`require`.
            time: (rows,) unix s.
        """
        rows, features = np.zeros(len(matrix.values), bool), []
        for i_feature, name in enumerate(self.names):
            low, high, values = self.low[i_feature], self.high[i_feature], matrix.values[:, i_feature]
            beyond = (values < low) | (values > high)  # false for an unknown range
            if beyond.any():
                rows |= beyond
                times = time[beyond]
                file_range = float(np.nanmin(values)), float(np.nanmax(values))
                features.append((name, int(beyond.sum()), low, high, *file_range, float(times[0]), float(times[-1])))
        table = pl.DataFrame(features, schema=DRIFT, orient="row")
        return Drift(rows, table.sort("rows", "feature", descending=[True, False]))

    def as_dict(self) -> dict[str, object]:
        """Return the contract as plain values; an unknown range is null."""
        ranges = [
            {"name": n, "low": None if np.isnan(lo) else lo, "high": None if np.isnan(hi) else hi}
            for n, lo, hi in zip(self.names, self.low, self.high, strict=True)
        ]
        return {"features": ranges}

    @classmethod
    def from_dict(cls, plain: Any) -> FeatureContract:  # noqa: ANN401 - contents of a file
        """Return the contract from the values of :meth:`as_dict`.

        Raises:
            UserError: if they are damaged.
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

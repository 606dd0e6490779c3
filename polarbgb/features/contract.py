"""What a model asks of the features of another file."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix


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

    def check(self, matrix: Matrix, where: str) -> NDArray[np.bool_]:
        """Compare another file's features with those of the training.

        Args:
            matrix: features of the other file.
            where: the file's name, for messages.

        Returns:
            (rows,) true where a feature lies outside the range of the training: trees do not extrapolate.

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
        outside = np.zeros(len(matrix.values), bool)
        for number, name in enumerate(self.names):
            values = matrix.values[:, number]
            if np.isnan(self.low[number]):
                continue
            if np.isnan(values).all():
                raise UserError(f"{where}: feature '{name}' has no value in the whole file; the models need it")
            outside |= (values < self.low[number]) | (values > self.high[number])
        return outside

    def to_json(self) -> str:
        """Return the contract as JSON text; a range that is not known is null."""
        ranges = [
            {"name": n, "low": None if np.isnan(lo) else lo, "high": None if np.isnan(hi) else hi}
            for n, lo, hi in zip(self.names, self.low, self.high, strict=True)
        ]
        return json.dumps({"features": ranges}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> FeatureContract:
        """Read what :meth:`to_json` wrote.

        Raises:
            UserError: if the text is something else.
        """
        try:
            features = json.loads(text)["features"]
            names = tuple(str(f["name"]) for f in features)
            low, high = (
                tuple(float("nan") if f[key] is None else float(f[key]) for f in features) for key in ("low", "high")
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UserError("models/features.json is damaged; run 'polarbgb fit' again") from error
        return cls(names, low, high)

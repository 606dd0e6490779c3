"""What figures need to know about an instrument: how it is called, what its bins are and how its rows are laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from polarbgb.config import Config


@dataclass(frozen=True)
class Instrument:
    """The values of a configuration that appear in figures.

    Attributes:
        name: name of the instrument.
        names: (bins,) columns of the rates.
        titles: (bins,) titles of the energy bins.
        cadence: length of a row, s.
        period: orbital period, s.
        sigma: pull beyond which a row is flagged.
        objective: loss of the model, which decides the unit of the SHAP values.
    """

    name: str
    names: tuple[str, ...]
    titles: tuple[str, ...]
    cadence: float
    period: float
    sigma: float
    objective: str

    @classmethod
    def of(cls, config: Config) -> Self:
        """Take the values from a configuration."""
        return cls(
            config.name,
            config.rates.names,
            config.rates.titles,
            config.input.cadence,
            config.orbit.period,
            config.intervals.sigma,
            config.model.objective,
        )

"""The tables of a run that figures are drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.data.known_events import known_events
from polarbgb.plotting.bins import chosen
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.zooms import Zoom, choose_zooms
from polarbgb.validation.efficiency import Efficiency

Values = NDArray[np.float64]

_ROWS_AT_ONCE = 250_000
"""Rows of SHAP values that are read at a time."""


@dataclass(frozen=True)
class RunTables:
    """The tables and settings of a run, read when a figure first needs them.

    Attributes:
        stages: names of the stages that have results.
        config_of: returns the configuration of a stage: settings may change after the fit.
        read: returns a table by the name of its file.
        scan: returns a large table by the name of its file, to be read in part.
        bins: indices of the energy bins that are drawn.
        json: returns the content of a JSON file by its name.
        features: (rows, features) values of the features at the rows of ``shap.parquet``; None if they are not known.
    """

    stages: frozenset[str]
    config_of: Callable[[str], Config]
    read: Callable[[str], pl.DataFrame]
    scan: Callable[[str], pl.LazyFrame]
    bins: tuple[int, ...]
    json: Callable[[str], Mapping[str, Any]]
    features: NDArray[np.float32] | None = None

    @classmethod
    def of_stage(
        cls,
        stage: str,
        config: Config,
        frames: Mapping[str, pl.DataFrame],
        *,
        summary: Mapping[str, Any] | None = None,
        features: NDArray[np.float32] | None = None,
    ) -> Self:
        """Return the tables of a stage that is not published yet.

        Args:
            stage: name of the stage.
            config: its configuration.
            frames: its tables, and those that it was made from, by the names of their files.
            summary: content of its JSON file.
            features: (rows, features) values of the features at the rows of ``shap.parquet``.
        """
        return cls(
            stages=frozenset({stage}),
            config_of=lambda _: config,
            read=frames.__getitem__,
            scan=lambda name: frames[name].lazy(),
            bins=chosen(None, len(config.rates.names)),
            json=lambda _: summary or {},
            features=features,
        )

    @cached_property
    def config(self) -> Config:
        """The configuration of the search, or of the fit if there was no search."""
        return self.config_of("detect")

    @cached_property
    def instrument(self) -> Instrument:
        """The instrument, with the limit of flagged rows of the search."""
        return Instrument.of(self.config)

    @cached_property
    def fitted_instrument(self) -> Instrument:
        """The instrument, with the limit of flagged rows of the fit."""
        return Instrument.of(self.config_of("fit"))

    @cached_property
    def prediction(self) -> pl.DataFrame:
        """``prediction.parquet``."""
        return self.read("prediction.parquet")

    @cached_property
    def events(self) -> pl.DataFrame | None:
        """``events.parquet``; None if there was no search."""
        return self.read("events.parquet") if "detect" in self.stages else None

    @cached_property
    def known(self) -> pl.DataFrame:
        """The known events of the configuration."""
        return known_events(self.config.known_events)

    @property
    def slack(self) -> float:
        """Largest distance of an event from the span of a known event that it matches, s."""
        return self.config.known_events.match if self.config.known_events else 0.0

    @property
    def has_positions(self) -> bool:
        """Whether the positions of rows and events are known."""
        position, events = self.config.position, self.events
        if position is None or events is None:
            return False
        return {position.latitude, position.longitude} <= {*self.prediction.columns} & {*events.columns}

    @cached_property
    def zooms(self) -> dict[str, Zoom]:
        """The stretches of time that are worth a closer look, by name."""
        config = self.config
        zooms = choose_zooms(self.prediction, cadence=config.input.cadence, passage=config.features.passage)
        return {zoom.name: zoom for zoom in zooms}

    @cached_property
    def evaluation(self) -> Mapping[str, Any]:
        """``evaluation.json``; empty if the run was not evaluated."""
        return self.json("evaluation.json") if "evaluate" in self.stages else {}

    @property
    def efficiency(self) -> Efficiency:
        """The result of the injections."""
        summary = self.evaluation["efficiency"]
        bursts = self.read("injections.parquet")
        return Efficiency(bursts, summary["events_per_day"], summary["far"], summary["days"])

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in the order of ``shap.parquet``."""
        columns = self.scan("shap.parquet").collect_schema().names()
        return tuple(name.removeprefix("shap_") for name in columns if name.startswith("shap_"))

    def mean_shap(self, members: Mapping[str, tuple[str, ...]]) -> tuple[Values, Values]:
        """Return the mean |SHAP| of groups of features, and its standard error; 0 where all rows were explained.

        Args:
            members: features of each group, whose SHAP values are summed.

        Returns:
            (groups, bins) means and errors.
        """
        shap, n_bins = self.scan("shap.parquet"), len(self.instrument.names)
        sizes = [
            pl.sum_horizontal([pl.col(f"shap_{name}").cast(pl.Float64) for name in names]).abs().alias(group)
            for group, names in members.items()
        ]
        rows = shap.select(pl.len()).collect().item() // n_bins
        bins_at_once = max(1, _ROWS_AT_ONCE // max(rows, 1))
        means, scatter = np.empty((len(members), n_bins)), np.empty((len(members), n_bins))
        for first in range(0, n_bins, bins_at_once):  # the file is large, and sorted by bin
            values = shap.slice(first * rows, bins_at_once * rows).select(sizes).collect().to_numpy()
            values = values.reshape(-1, rows, len(members))
            bins = slice(first, first + len(values))
            means[:, bins], scatter[:, bins] = values.mean(axis=1).T, values.std(axis=1).T
        all_rows = rows == len(self.prediction)
        return means, np.zeros_like(means) if all_rows else scatter / np.sqrt(rows)

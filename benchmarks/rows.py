"""What the peers of polarbgb learn from: the published features, and the rows of one fold."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polarbgb import load
from polarbgb.background.folds import Split, make_folds
from polarbgb.background.metrics import Score, score
from polarbgb.config import Config
from polarbgb.data.count_rates import CountRates
from polarbgb.features.matrix import Matrix, implied_names
from polarbgb.workflow.preparation import prepare

BATCH = 256
"""Rows a mini-batch of the published training."""
ALL_ROWS = 10**9
"""Rows to learn from at most: a peer is not to be given fewer."""


@dataclass(frozen=True)
class Rows:
    """The rows of one fold.

    Attributes:
        matrix: features of all rows.
        count_rates: rates and errors of the same rows, Hz.
        split: who is learnt from, and who is held out.
        held: (rows,) held-out rows that are scored: known events are not.
        names: (bins,) names of the rates.
        seconds: that reading the file and computing the features took, s.
    """

    matrix: Matrix
    count_rates: CountRates
    split: Split
    held: NDArray[np.bool_]
    names: tuple[str, ...]
    seconds: float

    @property
    def learnt(self) -> NDArray[np.bool_]:
        """(rows,) rows of a model without an early stop by whole orbits: it learns from those that stop one as well."""
        return self.split.train | self.split.validation


def published_config(config_path: str, scheme: str = "orbits") -> Config:
    """Return a configuration with the published features alone, and all rows to learn from.

    Args:
        config_path: TOML file of the instrument.
        scheme: of its folds.
    """
    published = ["features.history=[]", f"folds.scheme={scheme}", f"model.rows={ALL_ROWS}"]
    config = load(config_path, published)
    implied = implied_names(config.features, config.position)
    return load(config_path, [*published, f"features.without={json.dumps(implied)}"])


def read_rows(config: Config, path: Path, most: int | None = None) -> Rows:
    """Read a file and hold out its fold 0.

    Args:
        config: the instrument.
        path: ROOT file.
        most: the first so many usable rows alone: thinned rows would lose their neighbours. None for all.
    """
    started = time.monotonic()
    prepared = prepare(config, path)
    dataset, count_rates = prepared.dataset, prepared.count_rates
    known = dataset.known[:most]
    split = make_folds(dataset.time[:most], known, config.folds, config.orbit, config.model).splits[0]
    return Rows(
        matrix=Matrix(prepared.matrix.values[:most], prepared.matrix.names),
        count_rates=CountRates(count_rates.rate[:most], count_rates.error[:most], count_rates.exposure[:most]),
        split=split,
        held=split.predicted & ~known,
        names=config.rates.names,
        seconds=time.monotonic() - started,
    )


def score_held(
    count_rates: CountRates, held: NDArray[np.bool_], prediction: NDArray[np.float64], names: tuple[str, ...]
) -> list[Score]:
    """Score the prediction of held-out rows, bin by bin.

    Args:
        count_rates: rates and errors of all rows, Hz.
        held: (rows,) those that are predicted.
        prediction: (held-out rows, bins) Hz.
        names: (bins,) of the rates.
    """
    judged = CountRates(count_rates.rate[held], count_rates.error[held], count_rates.exposure[held])
    return score(judged, prediction, np.ones(len(prediction), bool), names, "held out")

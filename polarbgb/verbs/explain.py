"""`polarbgb explain`: SHAP values of a sample of rows, for every bin."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.explain import Explanation, estimate_seconds, explain_rows, mean_share, stratified_sample
from polarbgb.config import Config, Device
from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix
from polarbgb.memory import room_for
from polarbgb.present.save import save
from polarbgb.present.shap_plots import shap_bars, shap_beeswarm
from polarbgb.progress import Track, silent, watched
from polarbgb.runfolder import RunFolder
from polarbgb.verbs.fit import load_contract, load_models, on_device
from polarbgb.verbs.prepare import prepare, require_same_file

_ADDITIVE = 1e-3
"""Largest relative gap allowed between a margin and its SHAP values: trees are summed in float32."""


@dataclass(frozen=True)
class Explained:
    """What an explanation came to.

    Attributes:
        importance: a row a feature, a column a bin: mean |SHAP| on the margin, most important first; ``share`` of all
            and ``share_error`` of that (one sigma), as the sample is not all rows.
        rows: rows explained.
        residue: largest relative gap between a margin and base + SHAP values.
        files: what was written.
    """

    importance: pl.DataFrame
    rows: int
    residue: float
    files: tuple[Path, ...]


def explain(
    run: RunFolder,
    *,
    path: Path | None = None,
    rows: int | Literal["all"] | None = None,
    device: Device = "cpu",
    announce: Callable[[int, float], None] = lambda rows, seconds: None,
    track: Track = silent,
) -> Explained:
    """Explain a stratified sample of rows, each by the models that never saw its orbit.

    The sample is drawn by fold and by tenths of the first bin's predicted rate, so that every model and both quiet and
    bright background have their share.

    Args:
        run: a fitted run.
        path: the file that was fitted, where it is no longer at its place.
        rows: size of the sample, or ``all``; the configuration's where None.
        device: where SHAP values are computed, whatever the trees grew on.
        announce: told the number of rows and the estimated seconds before the work begins.
        track: watches reading and models.

    Returns:
        The table of importances and the paths.

    Raises:
        UserError: if the run has no models, or the file is not the one that was fitted.
    """
    if run.stage("fit") is None and run.stage("predict") is not None:
        raise UserError(
            f"{run.path} was predicted by the models of {run.require('predict')['models']['run']}: explain there"
        )
    fitted = run.require("fit")
    config = on_device(run.config(), device)
    started = time.monotonic()
    path = path or Path(fitted["input"]["file"])
    prepared = prepare(config, path, track=track)
    require_same_file(path, prepared.sha256, fitted["input"]["sha256"])
    run.begin()
    load_contract(run).check(prepared.matrix, str(path))
    with watched(track, "read models"):
        boosters = load_models(run, config)
    frame = run.read_frame("prediction.parquet").filter(pl.col("segment") >= 0)
    fold = frame["fold"].to_numpy().astype(np.int64)
    # In scheme 'blocks' one model predicts all parts.
    split = fold if len(boosters) > 1 else np.zeros(len(fold), np.int64)
    strata = split * 10 + _tenths(frame["pred"].arr.first().to_numpy())
    size = len(frame) if rows == "all" else rows or config.explain.rows
    sample = stratified_sample(strata, size, config.explain.seed)
    announce(len(sample), estimate_seconds(prepared.matrix, boosters, split, sample))
    room = 8 * len(sample) * len(prepared.matrix.names) * len(config.rates.names)  # the values, and their table
    on_disk = not room_for(room, config.memory)
    explanation = explain_rows(prepared.matrix, boosters, split, sample, on_disk=on_disk, track=track)
    if explanation.residue > _ADDITIVE:
        raise AssertionError(f"SHAP values miss the margin by {explanation.residue:.2g}")

    run.forget("explain")
    means = explanation.importance()
    errors = explanation.error() if len(sample) < len(frame) else np.zeros_like(means)
    importance = _importance(means, errors, prepared.matrix, config)
    files = [
        run.write_frame("shap.parquet", _shap_frame(explanation, prepared.matrix, frame, config)),
        run.write_frame("importance.parquet", importance),
        save(shap_bars(means, errors, prepared.matrix.names, config), run / "plots/shap_bars.png"),
    ]
    data = prepared.matrix.values[sample]
    titles = config.rates.titles
    for number in track(range(len(titles)), label="draw", total=len(titles)):
        figure = shap_beeswarm(
            explanation.values[number],
            explanation.base[number],
            data,
            prepared.matrix.names,
            titles[number],
            config,
        )
        files.append(save(figure, run / f"plots/shap_bin{number}.png"))
    run.finish("explain", started, rows=len(sample), residue=explanation.residue)
    return Explained(importance, len(sample), explanation.residue, tuple(files))


def _tenths(rate: NDArray[np.float32]) -> NDArray[np.int64]:
    edges = np.quantile(rate, np.linspace(0, 1, 11)[1:-1])
    return np.searchsorted(edges, rate).astype(np.int64)


def _importance(
    means: NDArray[np.float64], errors: NDArray[np.float64], matrix: Matrix, config: Config
) -> pl.DataFrame:
    """Lay the (features, bins) mean |SHAP| out, most important first, with the error of its share."""
    return pl.DataFrame(
        {
            "feature": list(matrix.names),
            **{name: means[:, number] for number, name in enumerate(config.rates.names)},
            "share": mean_share(means, means),
            # The same rows in all bins: their errors go together.
            "share_error": mean_share(errors, means),
        }
    ).sort("share", descending=True)


def _shap_frame(explanation: Explanation, matrix: Matrix, frame: pl.DataFrame, config: Config) -> pl.DataFrame:
    """Lay SHAP values out: a row an explained row and bin, a column a feature."""
    rows = frame[explanation.rows].select("row", "unix_time", "fold")
    return pl.concat(
        rows.with_columns(
            pl.lit(name).alias("bin"),
            pl.Series("base", explanation.base[number]),
            *(pl.Series(f"shap_{feature}", explanation.values[number, :, f]) for f, feature in enumerate(matrix.names)),
        )
        for number, name in enumerate(config.rates.names)
    )

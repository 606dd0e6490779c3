"""`polarbgb predict`: the background of another file by the models of a fitted run."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl

from polarbgb.background.fold_model import predict_mean
from polarbgb.background.transfer import Mismatch, mismatches
from polarbgb.config import Device
from polarbgb.config.types import Paths
from polarbgb.data.quality import Quality
from polarbgb.errors import UserError
from polarbgb.io.input.files import shown
from polarbgb.progress import Track, silent, watched
from polarbgb.reporting.table import Table, counted, number
from polarbgb.runs.folder import RunFolder
from polarbgb.runs.stages import FITTED_RANKING, LOCAL, RANKING
from polarbgb.workflow.calibration import calibrate_background, write_prediction
from polarbgb.workflow.detect import read_detector
from polarbgb.workflow.fit import devices, load_contract, load_models, on_device
from polarbgb.workflow.preparation import made_from, prepare

_SHOWN = 12
"""Features shown unless all are asked for."""


@dataclass(frozen=True)
class PredictResult:
    """Result of a prediction by the models of another run.

    Attributes:
        run: the new run folder, for ``detect`` and ``export``.
        rows: usable rows.
        remarks: on what is not used as it stands, on doubtful dates, and on known events outside the data.
        outside: rows with a feature outside the range that the models were trained on; ``quality`` marks them.
        drift: one row per feature that leaves that range: ``table`` of :class:`polarbgb.features.contract.Drift`.
        widths: (bins,) width of the raw pulls on this file; None where too few counts are expected.
        unlike: bins whose pulls are unlike those of the fit.
        files: the files that were written.
    """

    command: ClassVar[str] = "predict"

    run: RunFolder
    rows: int
    remarks: tuple[str, ...]
    outside: int
    drift: pl.DataFrame
    widths: tuple[float | None, ...]
    unlike: tuple[Mismatch, ...]
    files: tuple[Path, ...]

    def summary(self) -> str:
        """Return the number of rows, the share beyond the training, and the bin that is least like the fit."""
        beyond = f", {self.outside / self.rows:.1%} of them beyond the training" if self.outside else ""
        if not self.unlike:
            return f"{counted(self.rows, 'row')} predicted{beyond}"
        worst = max(self.unlike, key=lambda one: abs(np.log(one.scatter / one.fitted)))
        return (
            f"{counted(self.rows, 'row')} predicted{beyond}; WARNING: {counted(len(self.unlike), 'bin')} of "
            f"{len(self.widths)} unlike the fit: pulls of {worst.bin} scatter by {worst.scatter:.2f}, "
            f"{worst.fitted:.2f} in the fit ({worst.cause})"
        )

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return the widths of the pulls, and the features that leave the range of the training."""
        pulls = "pull widths: " + ", ".join("-" if width is None else f"{width:.3f}" for width in self.widths)
        first = [Table(note="\n".join((*self.remarks, pulls)))]
        if self.unlike:
            rows = tuple((one.bin, f"{one.scatter:.2f}", f"{one.fitted:.2f}", one.cause) for one in self.unlike)
            title = "WARNING: events in these bins are not to be relied on, because the models do not describe them"
            first += [
                Table(
                    title=title, head=("bin", "scatter of pulls", "in the fit", "likely cause"), rows=rows, align="lrrl"
                )
            ]
        if not self.outside:
            return first
        shown = self.drift if verbose else self.drift.head(_SHOWN)
        omitted = len(self.drift) - len(shown)
        limits = ("trained_low", "trained_high", "low", "high")
        return [
            *first,
            Table(
                title=f"{counted(self.outside, 'row')} ({self.outside / self.rows:.1%}) lie beyond what the models "
                "were trained on: trees do not extrapolate, so do not rely on these rows (bit 11 of their quality)",
                head=("feature beyond its training", "rows", "trained from", "to", "here from", "to"),
                rows=tuple(
                    (row["feature"], f"{row['rows']:,}", *(number(row[limit], 4) for limit in limits))
                    for row in shown.iter_rows(named=True)
                ),
                align="lrrrrr",
                note=f"and {omitted} more in drift.parquet" if omitted else "",
            ),
        ]


def predict(
    models: RunFolder | str | Path,
    run: RunFolder | str | Path,
    *,
    path: Paths,
    device: Device = "cpu",
    track: Track = silent,
) -> PredictResult:
    """Predict a file that the models have not seen, by the mean of the rates that the folds predict.

    The file that was fitted is refused: ``fit`` predicts each of its rows by a model that never saw its orbit.

    Args:
        models: a fitted run.
        run: another run folder, for the result.
        path: ROOT file.
        device: on which the trees predict, whichever they were trained on.
        track: shows the progress of reading.

    Returns:
        The files, and the number of rows outside the range of the training.

    Raises:
        UserError: if the file does not give the features that the models expect, or the folders are the same.
    """
    models, run = RunFolder.at(models), RunFolder.at(run)
    if models.path.resolve() == run.path.resolve():
        raise UserError(f"the prediction needs a run folder of its own, not {models.path}")
    fitted = models.require("fit")
    config = on_device(models.config(), device)
    if run.stage("fit") is not None:
        raise UserError(f"{run.path} holds a fit; name a new run folder for the prediction")
    started = time.monotonic()
    with models.hold(reading=True), run.hold():
        prepared = prepare(config, path, track=track)
        if prepared.sha256 == fitted["input"]["sha256"]:
            raise UserError(
                f"{shown(prepared.source.files)} is the fitted input: {models.path} holds its prediction, by "
                "better-suited models"
            )
        config = prepared.as_read(config)
        contract = load_contract(models)
        contract.require(prepared.matrix, shown(prepared.source.files))
        fold_models = load_models(models, config)
        drift = contract.drift(prepared.matrix, prepared.dataset.time)
        prepared = replace(prepared, dataset=prepared.dataset.marked(drift.rows, Quality.BEYOND_TRAINING))
        with watched(track, "predict"):
            prediction = predict_mean(fold_models, prepared.matrix.values, config.model)
        no_fold = np.full(len(prediction), -1, np.int8)
        with watched(track, "calibrate"):
            calibrated_background = calibrate_background(prepared, prediction, no_fold, config)
        draft = run.draft("predict", *made_from(config, prepared.sha256), fitted["finished"])
        draft.write_config(config)
        draft.write_json(LOCAL, {**prepared.source.local(), "models": str(models.path.resolve())})
        draft.write_frame("drift.parquet", drift.table)
        if (models / RANKING).exists():  # events of both files are then ranked alike
            draft.write_json(FITTED_RANKING, read_detector(models, RANKING).as_dict())
        write_prediction(draft, prepared.dataset.entries, calibrated_background.frame, config, track)
        outside = int(drift.rows.sum())
        unlike = mismatches(
            calibrated_background.pulls, fitted["widths"], config.rates.names, beyond=float(drift.rows.mean())
        )
        files = draft.publish(
            started,
            **prepared.provenance(config),
            models={
                "run": models.path.resolve().name,
                "fitted": fitted["finished"],
                "input": fitted["input"]["sha256"],
            },
            device={"asked": device, "got": devices(fold_models)},
            outside=outside,
            widths=calibrated_background.widths,
            unlike=[asdict(mismatch) for mismatch in unlike],
        )
    widths, remarks = calibrated_background.widths, prepared.remarks(config)
    return PredictResult(run, len(prediction), remarks, outside, drift.table, widths, unlike, files)

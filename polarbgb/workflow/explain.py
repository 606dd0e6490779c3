"""`polarbgb explain`: SHAP values of a sample of rows in every bin, and the tables and figures made from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.attribution.dependence import attribution, dependence
from polarbgb.attribution.groups import feature_groups, in_groups
from polarbgb.attribution.shap_export import SUFFIXES, branch_names, shap_frame, write_shap
from polarbgb.attribution.shap_values import Explanation, estimate_seconds, explain_rows, mean_share, stratified_sample
from polarbgb.attribution.slopes import estimate_slopes, mean_slopes
from polarbgb.attribution.stability import AttributionStability, compare_attributions, fold_shares, shares
from polarbgb.background.checkpoints import Checkpoints
from polarbgb.background.fold_model import FoldModel
from polarbgb.config import Config, Device
from polarbgb.config.types import Paths
from polarbgb.data.segments import orbit_phase
from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix
from polarbgb.io.input.files import input_files, shown
from polarbgb.io.names import tree_word
from polarbgb.memory import room_for
from polarbgb.plotting.registry import drawings
from polarbgb.plotting.run_tables import RunTables
from polarbgb.progress import Track, silent, watched
from polarbgb.runs.folder import RunFolder
from polarbgb.transients.events import highest_ranked
from polarbgb.workflow.figures import save_figures
from polarbgb.workflow.fit import devices, load_contract, load_models, on_device
from polarbgb.workflow.outfile import require_free
from polarbgb.workflow.preparation import made_from, prepare, require_same_input
from polarbgb.workflow.results.explain import ExplainResult

_ADDITIVE = 1e-3
"""Largest relative difference allowed between a margin and the sum of its SHAP values, as trees use float32."""

_EVENTS = 200
"""Largest number of events explained, those of the lowest false-alarm rate."""

_EVENT_SHAP = "event_shap.parquet"
"""File with the explanation of the events."""


@dataclass(frozen=True)
class _Fit:
    """A fitted run and the features of its file.

    Attributes:
        config: configuration of the run.
        matrix: features of all usable rows.
        models: one model per fold.
        frame: usable rows of the prediction.
        fold: (rows,) fold whose model predicted each row.
    """

    config: Config
    matrix: Matrix
    models: tuple[FoldModel, ...]
    frame: pl.DataFrame
    fold: NDArray[np.int64]

    def sample(self, size: int) -> NDArray[np.int64]:
        """Draw a sample of rows, stratified by fold and by tenths of the predicted rate of the first bin."""
        strata = self.fold * 10 + _tenths(self.frame["pred"].arr.first().to_numpy())
        return stratified_sample(strata, size, self.config.explain.seed)

    def identified(self, rows: NDArray[np.int64]) -> pl.DataFrame:
        """Return entry of the file, time and fold of some rows."""
        return self.frame[rows].select("row", "unix_time", "fold")


@dataclass(frozen=True)
class _Shap:
    """SHAP values of a sample.

    Attributes:
        features: explanation by features.
        groups: explanation of the same rows by groups of features.
        names: names of the groups.
        exact: true if the sample is all rows.
    """

    features: Explanation
    groups: Explanation
    names: tuple[str, ...]
    exact: bool


def explain(
    run: RunFolder | str | Path,
    *,
    path: Paths | None = None,
    rows: int | Literal["all"] | None = None,
    device: Device = "cpu",
    stability: RunFolder | str | Path | None = None,
    export: str | Path | None = None,
    overwrite: bool = False,
    announce: Callable[[int, float], None] = lambda rows, seconds: None,
    track: Track = silent,
) -> ExplainResult:
    """Explain a stratified sample of rows, each with the model that never saw its orbit.

    The sample is stratified by fold and by tenths of the predicted rate of the first bin, so that every model and both
    quiet and bright background are represented. After ``detect``, the background at the peak of each event is explained
    as well.

    Args:
        run: a fitted run.
        path: the file that was fitted, if it has moved.
        rows: size of the sample, or ``all``; that of the configuration if None.
        device: device on which SHAP values are computed.
        stability: another explained run on the same file, for example with another seed, whose importances are
            compared.
        export: a ``.root`` or ``.parquet`` file for the SHAP values; see
            :func:`polarbgb.attribution.shap_export.write_shap`.
        overwrite: replace this file if it exists.
        announce: called with the number of rows and the estimated seconds before the work begins.
        track: shows the progress.

    Returns:
        Tables and files.

    Raises:
        UserError: if the run has no models, the file is not the one that was fitted, the other run cannot be compared,
            or the file to write exists.
    """
    run = RunFolder.at(run)
    if run.stage("fit") is None and run.stage("predict") is not None:
        raise UserError(f"{run.path} was predicted by the models of {run.models()}: explain there")
    run.require("fit")
    with run.hold():
        return _explain(
            run,
            path=path or run.sources(),
            rows=rows,
            device=device,
            stability=None if stability is None else RunFolder.at(stability),
            export=None if export is None else Path(export),
            overwrite=overwrite,
            announce=announce,
            track=track,
        )


def _explain(
    run: RunFolder,
    *,
    path: Paths,
    rows: int | Literal["all"] | None,
    device: Device,
    stability: RunFolder | None,
    export: Path | None,
    overwrite: bool,
    announce: Callable[[int, float], None],
    track: Track,
) -> ExplainResult:
    fitted = run.require("fit")
    config = on_device(run.config(), device)
    started = time.monotonic()
    if export is not None:
        require_free(export, run, input_files(path), overwrite=overwrite, suffixes=SUFFIXES)
    theirs = None if stability is None else _importance_of(stability, fitted["input"]["sha256"])
    prepared = prepare(config, path, track=track)
    require_same_input(prepared.source.files, prepared.sha256, fitted["input"]["sha256"])
    load_contract(run).require(prepared.matrix, shown(prepared.source.files))
    if stability is not None and theirs is not None:
        same = set(theirs["feature"]) == set(prepared.matrix.names) and set(config.rates.names) <= set(theirs.columns)
        if not same:
            raise UserError(
                f"{stability.path} explains other features or rates; fit both with the same [features] and [rates]"
            )
    with watched(track, "read models"):
        fit = _fit(run, config, prepared.matrix)
    sample = fit.sample(len(fit.frame) if rows == "all" else rows or config.explain.rows)
    # Mean slopes need no more rows than the configured sample, even if more rows are explained.
    moved = fit.sample(min(len(sample), config.explain.rows))
    models = fit.matrix, fit.models, fit.fold
    peaks = _peaks(run, fit)
    per_row = 1 + (0 if peaks is None else len(peaks) / len(sample))
    announce(len(sample), per_row * estimate_seconds(*models, sample) + estimate_slopes(*models, moved))
    searched = run.stage("detect") or {}
    draft = run.draft(
        "explain", *made_from(config, prepared.sha256), fitted["finished"], searched.get("finished"), rows
    )
    shap = _explained(fit, sample, draft.checkpoints.of("shap"), track)
    slopes = mean_slopes(
        *models,
        moved,
        orbit=fit.frame["orbit"].to_numpy()[moved],
        checkpoints=draft.checkpoints.of("slopes"),
        track=track,
    )
    of_events = None if peaks is None else _of_events(peaks, fit, draft.checkpoints.of("events"), track)
    names, bins = fit.matrix.names, config.rates.names
    tables = {**_tables(fit, shap), "slopes.parquet": slopes.table(names, bins)}
    if of_events is not None:
        tables[_EVENT_SHAP] = of_events
    for name, table in tables.items():
        draft.write_frame(name, table)
    by_fold = fold_shares(shap.features, fit.fold[sample])
    folds = compare_attributions([*by_fold.values()], names, bins) if len(by_fold) > 1 else None
    other = None if theirs is None else _compare(tables["importance.parquet"], theirs, names, bins)
    stabilities = {"folds": folds, "run": other}
    summary = {name: None if result is None else result.summary() for name, result in stabilities.items()}
    draft.write_frame("fold_shares.parquet", _fold_table(by_fold, names, bins))
    draft.write_json("stability.json", summary)
    exported = [] if export is None else [_export(export, shap.features, fit, fitted["input"]["tree"])]
    frames = {**tables, "prediction.parquet": fit.frame}
    run_tables = RunTables.of_stage("explain", config, frames, features=fit.matrix.values[sample])
    save_figures(draft, drawings(run_tables, ["explain"]), track=track)
    events = 0 if of_events is None else of_events["id"].n_unique()
    files = draft.publish(
        started,
        asked={"rows": rows},
        device={"asked": device, "got": devices(fit.models)},
        seeds={"explain.seed": config.explain.seed},
        rows=len(sample),
        events=events,
        residue=shap.features.residue,
    )
    return ExplainResult(
        importance=tables["importance.parquet"],
        groups=tables["groups.parquet"],
        slopes=tables["slopes.parquet"],
        folds=folds,
        stability=other,
        rows=len(sample),
        events=events,
        residue=shap.features.residue,
        renamed=_renamed(export, names),
        files=(*files, *exported),
    )


def _fit(run: RunFolder, config: Config, matrix: Matrix) -> _Fit:
    models = load_models(run, config)
    frame = run.read_frame("prediction.parquet")
    fold = frame["fold"].to_numpy().astype(np.int64)
    # In scheme 'blocks', one model predicts all parts.
    return _Fit(config, matrix, models, frame, fold if len(models) > 1 else np.zeros(len(fold), np.int64))


def _tenths(rate: NDArray[np.float32]) -> NDArray[np.int64]:
    edges = np.quantile(rate, np.linspace(0, 1, 11)[1:-1])
    return np.searchsorted(edges, rate).astype(np.int64)


def _explained(fit: _Fit, sample: NDArray[np.int64], checkpoints: Checkpoints, track: Track) -> _Shap:
    names = fit.matrix.names
    size = 8 * len(sample) * len(names) * len(fit.config.rates.names)  # bytes of the values and their table
    on_disk = not room_for(size, fit.config.memory)
    features = explain_rows(
        fit.matrix, fit.models, fit.fold, sample, on_disk=on_disk, checkpoints=checkpoints, track=track
    )
    if features.residue > _ADDITIVE:
        raise AssertionError(f"SHAP values miss the margin by {features.residue:.2g}")
    members = feature_groups(fit.config.features, fit.config.position, fit.config.explain.groups)
    groups = in_groups(features, names, members, on_disk=on_disk)
    return _Shap(features, groups, tuple(members), exact=len(sample) == len(fit.frame))


def _peaks(run: RunFolder, fit: _Fit) -> pl.DataFrame | None:
    """Return ``id`` and the ``row`` of the matrix of the peak of the highest-ranked events; None if there are none."""
    if run.stage("detect") is None:
        return None
    events = highest_ranked(run.read_frame("events.parquet"), _EVENTS)
    if events.is_empty():
        return None
    row = np.searchsorted(fit.frame["unix_time"].to_numpy(), events["t_peak"].to_numpy())
    return events.select("id", pl.Series("row", row))


def _of_events(peaks: pl.DataFrame, fit: _Fit, checkpoints: Checkpoints, track: Track) -> pl.DataFrame:
    """Explain the background at the peak of each event."""
    explanation = explain_rows(
        fit.matrix, fit.models, fit.fold, peaks["row"].to_numpy(), checkpoints=checkpoints, track=track
    )
    return shap_frame(explanation, peaks.select("id"), fit.matrix.names, fit.config.rates.names)


def _tables(fit: _Fit, shap: _Shap) -> dict[str, pl.DataFrame]:
    """Return the tables made from the SHAP values, by the name of their file."""
    names, bins, rows = fit.matrix.names, fit.config.rates.names, shap.features.rows
    return {
        "shap.parquet": shap_frame(shap.features, fit.identified(rows), names, bins),
        "importance.parquet": _importance(shap.features, "feature", names, bins, exact=shap.exact),
        "groups.parquet": _importance(shap.groups, "group", shap.names, bins, exact=shap.exact),
        "dependence.parquet": dependence(shap.features, fit.matrix.values[rows], names, bins),
        "attribution.parquet": _attribution(fit, shap),
    }


def _importance(
    explanation: Explanation, column: str, names: tuple[str, ...], bins: tuple[str, ...], *, exact: bool
) -> pl.DataFrame:
    """Return the mean |SHAP| of features or groups, most important first, with its share and the error of the share."""
    means = explanation.importance()
    return pl.DataFrame(
        {
            column: list(names),
            **dict(zip(bins, means.T, strict=True)),
            "share": mean_share(means, means),
            # The errors of the bins are correlated, as the rows are the same.
            "share_error": mean_share(np.zeros_like(means) if exact else explanation.error(), means),
        }
    ).sort("share", descending=True)


def _attribution(fit: _Fit, shap: _Shap) -> pl.DataFrame:
    """Average the SHAP values of the groups along the orbit (degrees) and along the mission (unix s)."""
    time, config, rows = fit.frame["unix_time"].to_numpy(), fit.config, shap.groups.rows
    feature = fit.matrix.among(("orbital_phase",))
    if feature:
        phase, span = feature["orbital_phase"][rows].astype(np.float64), (-90.0, 270.0)
    else:
        phase, span = orbit_phase(time, config.orbit)[rows] % 1 * 360, (0.0, 360.0)
    coordinates = {"phase": (phase, span), "time": (time[rows], (time[0], time[-1] + config.input.cadence))}
    return pl.concat(
        attribution(shap.groups, position, span, groups=shap.names, bins=config.rates.names).select(
            pl.lit(by).alias("by"), pl.all()
        )
        for by, (position, span) in coordinates.items()
    )


def _importance_of(other: RunFolder, sha256: str) -> pl.DataFrame:
    """Return the importances of another run on the same file."""
    source = other.require("fit")["input"]
    other.require("explain")
    require_same_input(other.sources(), source["sha256"], sha256)
    return other.read_frame("importance.parquet")


def _compare(
    ours: pl.DataFrame, theirs: pl.DataFrame, names: tuple[str, ...], bins: tuple[str, ...]
) -> AttributionStability:
    """Compare two tables of importances, whose rows may have different orders."""
    order = pl.DataFrame({"feature": names})
    both = (order.join(table, on="feature", maintain_order="left").select(bins).to_numpy() for table in (ours, theirs))
    return compare_attributions([shares(table) for table in both], names, bins)


def _fold_table(by_fold: dict[int, NDArray[np.float64]], names: tuple[str, ...], bins: tuple[str, ...]) -> pl.DataFrame:
    """Return the shares of importance in the rows of each fold: one row per feature and fold, one column per bin."""
    return pl.concat(
        pl.DataFrame({"feature": names, "fold": [fold] * len(names), **dict(zip(bins, share.T, strict=True))})
        for fold, share in by_fold.items()
    )


def _renamed(export: Path | None, names: Sequence[str]) -> dict[str, str]:
    """Return the branches of a ROOT file that do not have the name of their feature."""
    if export is None or export.suffix != ".root":
        return {}
    return {name: branch for name, branch in zip(names, branch_names(names), strict=True) if branch != f"shap_{name}"}


def _export(path: Path, explanation: Explanation, fit: _Fit, tree: str) -> Path:
    """Write the SHAP values to a file for other programs."""
    config = fit.config
    return write_shap(
        path,
        explanation,
        fit.identified(explanation.rows),
        fit.matrix.names,
        bins=config.rates.names,
        tree=f"shap_{tree_word(tree)}",
        unit="Hz" if config.model.objective == "squared" else "log Hz",
    )

"""`polarbgb explain`: SHAP values of a sample of rows, for every bin, and what follows from them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.attribution.dependence import attribution, dependence
from polarbgb.attribution.groups import feature_groups, in_groups
from polarbgb.attribution.shap_export import SUFFIXES, shap_frame, write_shap
from polarbgb.attribution.shap_values import Explanation, estimate_seconds, explain_rows, mean_share, stratified_sample
from polarbgb.attribution.slopes import estimate_slopes, mean_slopes
from polarbgb.attribution.stability import AttributionStability, compare_attributions, fold_shares, shares
from polarbgb.background.checkpoints import Checkpoints
from polarbgb.background.fold_model import FoldModel
from polarbgb.config import Config, Device
from polarbgb.data.segments import orbit_phase
from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix
from polarbgb.memory import room_for
from polarbgb.plotting.bins import spread
from polarbgb.plotting.dependence import FEATURES, attribution_plot, dependence_plot
from polarbgb.plotting.saving import save_drawn
from polarbgb.plotting.shap_values import shap_bars, shap_beeswarm
from polarbgb.progress import Track, silent, watched
from polarbgb.runs.folder import RunFolder
from polarbgb.transients.events import highest_ranked
from polarbgb.workflow.fit import devices, load_contract, load_models, on_device
from polarbgb.workflow.outfile import require_free
from polarbgb.workflow.preparation import made_from, prepare, require_same_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ADDITIVE = 1e-3
"""Largest relative gap allowed between a margin and its SHAP values: trees are summed in float32."""

_EVENTS = 200
"""Events explained at most, those of the lowest false-alarm rate."""

_EVENT_SHAP = "event_shap.parquet"
"""File of the events' explanation."""


@dataclass(frozen=True)
class ExplainResult:
    """What an explanation came to.

    Attributes:
        importance: a row a feature, a column a bin: mean |SHAP| on the margin, most important first; ``share`` of all
            and ``share_error`` of that (one sigma), as the sample is not all rows.
        groups: the same of the groups of features, whose values are summed before sizes are taken.
        slopes: a row a feature and bin: mean ``slope`` of the predicted rate, Hz per unit of the feature, its
            ``error``, and the feature's own ``scatter``.
        folds: how far the models of the folds agree on the importances; None where one model predicts all rows.
        stability: how far the importances agree with another run's, where that was asked for.
        rows: rows explained.
        events: events whose background is explained.
        residue: largest relative gap between a margin and base + SHAP values.
        files: what was written.
    """

    importance: pl.DataFrame
    groups: pl.DataFrame
    slopes: pl.DataFrame
    folds: AttributionStability | None
    stability: AttributionStability | None
    rows: int
    events: int
    residue: float
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Fit:
    """A fitted run and its file, ready to be asked.

    Attributes:
        config: the run's.
        matrix: features of all usable rows.
        models: one per fold.
        frame: the usable rows of the prediction.
        fold: (rows,) fold whose model predicted each.
    """

    config: Config
    matrix: Matrix
    models: tuple[FoldModel, ...]
    frame: pl.DataFrame
    fold: NDArray[np.int64]

    def sample(self, size: int) -> NDArray[np.int64]:
        """Draw rows by fold and by tenths of the first bin's predicted rate."""
        strata = self.fold * 10 + _tenths(self.frame["pred"].arr.first().to_numpy())
        return stratified_sample(strata, size, self.config.explain.seed)

    def told(self, rows: NDArray[np.int64]) -> pl.DataFrame:
        """Return what tells some rows: entry of the file, time and fold."""
        return self.frame[rows].select("row", "unix_time", "fold")


@dataclass(frozen=True)
class _Shap:
    """SHAP values of a sample, by features and by groups of them.

    Attributes:
        features: by features.
        groups: of the same rows, by groups.
        names: of the groups.
        exact: true where the sample is all rows.
    """

    features: Explanation
    groups: Explanation
    names: tuple[str, ...]
    exact: bool


def explain(
    run: RunFolder,
    *,
    path: Path | None = None,
    rows: int | Literal["all"] | None = None,
    device: Device = "cpu",
    stability: RunFolder | None = None,
    export: Path | None = None,
    overwrite: bool = False,
    announce: Callable[[int, float], None] = lambda rows, seconds: None,
    track: Track = silent,
) -> ExplainResult:
    """Explain a stratified sample of rows, each by the models that never saw its orbit.

    The sample is drawn by fold and by tenths of the first bin's predicted rate, so that every model and both quiet and
    bright background have their share. Where ``detect`` was run, the background at the peak of each of its events is
    explained as well.

    Args:
        run: a fitted run.
        path: the file that was fitted, where it is no longer at its place.
        rows: size of the sample, or ``all``; the configuration's where None.
        device: where SHAP values are computed, whatever the trees grew on.
        stability: another explained run on the same file, with another seed, say, to compare importances with.
        export: a ``.root`` or ``.parquet`` file for the SHAP values, written as
            :func:`polarbgb.attribution.shap_export.write_shap` says.
        overwrite: replace that file if it is there.
        announce: told the number of rows and the estimated seconds before the work begins.
        track: watches reading and models.

    Returns:
        The tables and the paths.

    Raises:
        UserError: if the run has no models, the file is not the one that was fitted, the other run cannot be compared,
            or the file to write is in the way.
    """
    if run.stage("fit") is None and run.stage("predict") is not None:
        raise UserError(f"{run.path} was predicted by the models of {run.models()}: explain there")
    run.require("fit")
    with run.hold():
        return _explain(
            run,
            path=path or run.source(),
            rows=rows,
            device=device,
            stability=stability,
            export=export,
            overwrite=overwrite,
            announce=announce,
            track=track,
        )


def _explain(
    run: RunFolder,
    *,
    path: Path,
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
        require_free(export, run, path, overwrite=overwrite, suffixes=SUFFIXES)
    theirs = None if stability is None else _importance_of(stability, fitted["input"]["sha256"])
    prepared = prepare(config, path, track=track)
    require_same_file(path, prepared.sha256, fitted["input"]["sha256"])
    load_contract(run).require(prepared.matrix, str(path))
    if stability is not None and theirs is not None:
        same = set(theirs["feature"]) == set(prepared.matrix.names) and set(config.rates.names) <= set(theirs.columns)
        if not same:
            raise UserError(
                f"{stability.path} explains other features or rates; fit both with the same [features] and [rates]"
            )
    with watched(track, "read models"):
        fit = _fit(run, config, prepared.matrix)
    sample = fit.sample(len(fit.frame) if rows == "all" else rows or config.explain.rows)
    # A mean slope needs no more rows than the usual sample, however many are explained.
    moved = fit.sample(min(len(sample), config.explain.rows))
    models = fit.matrix, fit.models, fit.fold
    peaks = _peaks(run, fit)
    more = 1 + (0 if peaks is None else len(peaks) / len(sample))
    announce(len(sample), more * estimate_seconds(*models, sample) + estimate_slopes(*models, moved))
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
    other = None if theirs is None else _compared(tables["importance.parquet"], theirs, names, bins)
    agreement = {"folds": folds, "run": other}
    told = {what: None if one is None else one.summary() for what, one in agreement.items()}
    draft.write_frame("fold_shares.parquet", _by_fold(by_fold, names, bins))
    draft.write_json("stability.json", told)
    named = () if export is None else (write_shap(export, shap.features, fit.told(sample), names, config),)
    drawings = _drawings(fit, shap, tables)
    for name, drawn in track(drawings.items(), label="draw", total=len(drawings)):
        draft.checkpoints.file(draft / f"plots/{name}.png", partial(save_drawn, drawn))
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
        files=(*files, *named),
    )


def _fit(run: RunFolder, config: Config, matrix: Matrix) -> _Fit:
    models = load_models(run, config)
    frame = run.read_frame("prediction.parquet").filter(pl.col("segment") >= 0)
    fold = frame["fold"].to_numpy().astype(np.int64)
    # In scheme 'blocks' one model predicts all parts.
    return _Fit(config, matrix, models, frame, fold if len(models) > 1 else np.zeros(len(fold), np.int64))


def _tenths(rate: NDArray[np.float32]) -> NDArray[np.int64]:
    edges = np.quantile(rate, np.linspace(0, 1, 11)[1:-1])
    return np.searchsorted(edges, rate).astype(np.int64)


def _explained(fit: _Fit, sample: NDArray[np.int64], checkpoints: Checkpoints, track: Track) -> _Shap:
    names = fit.matrix.names
    room = 8 * len(sample) * len(names) * len(fit.config.rates.names)  # the values, and their table
    on_disk = not room_for(room, fit.config.memory)
    features = explain_rows(
        fit.matrix, fit.models, fit.fold, sample, on_disk=on_disk, checkpoints=checkpoints, track=track
    )
    if features.residue > _ADDITIVE:
        raise AssertionError(f"SHAP values miss the margin by {features.residue:.2g}")
    members = feature_groups(fit.config)
    groups = in_groups(features, names, members, on_disk=on_disk)
    return _Shap(features, groups, tuple(members), exact=len(sample) == len(fit.frame))


def _peaks(run: RunFolder, fit: _Fit) -> pl.DataFrame | None:
    """Return ``id`` of the events of the lowest false-alarm rate and the ``row`` of the matrix of their peaks.

    None where ``detect`` was not run.
    """
    if run.stage("detect") is None:
        return None
    events = highest_ranked(run.read_frame("events.parquet"), _EVENTS)
    row = np.searchsorted(fit.frame["unix_time"].to_numpy(), events["t_peak"].to_numpy())
    return events.select("id", pl.Series("row", row))


def _of_events(peaks: pl.DataFrame, fit: _Fit, checkpoints: Checkpoints, track: Track) -> pl.DataFrame:
    """Explain the background at the peak of each event."""
    explanation = explain_rows(
        fit.matrix, fit.models, fit.fold, peaks["row"].to_numpy(), checkpoints=checkpoints, track=track
    )
    return shap_frame(explanation, peaks.select("id"), fit.matrix.names, fit.config)


def _tables(fit: _Fit, shap: _Shap) -> dict[str, pl.DataFrame]:
    """Return what follows from the SHAP values, by file."""
    names, bins, rows = fit.matrix.names, fit.config.rates.names, shap.features.rows
    return {
        "shap.parquet": shap_frame(shap.features, fit.told(rows), names, fit.config),
        "importance.parquet": _importance(shap.features, "feature", names, bins, exact=shap.exact),
        "groups.parquet": _importance(shap.groups, "group", shap.names, bins, exact=shap.exact),
        "dependence.parquet": dependence(shap.features, fit.matrix.values[rows], names, bins),
        "attribution.parquet": _attribution(fit, shap),
    }


def _importance(
    explanation: Explanation, what: str, names: tuple[str, ...], bins: tuple[str, ...], *, exact: bool
) -> pl.DataFrame:
    """Lay the mean |SHAP| out, most important first, with the error of its share."""
    means = explanation.importance()
    return pl.DataFrame(
        {
            what: list(names),
            **{name: means[:, number] for number, name in enumerate(bins)},
            "share": mean_share(means, means),
            # The same rows in all bins: their errors go together.
            "share_error": mean_share(_errors(explanation, exact=exact), means),
        }
    ).sort("share", descending=True)


def _errors(explanation: Explanation, *, exact: bool) -> NDArray[np.float64]:
    errors = explanation.error()
    return np.zeros_like(errors) if exact else errors


def _attribution(fit: _Fit, shap: _Shap) -> pl.DataFrame:
    """Average the groups' SHAP values along the orbit (degrees) and along the mission (unix s)."""
    time, config, rows = fit.frame["unix_time"].to_numpy(), fit.config, shap.groups.rows
    known = fit.matrix.among(("orbital_phase",))
    if known:
        phase, turn = known["orbital_phase"][rows].astype(np.float64), (-90.0, 270.0)
    else:
        phase, turn = orbit_phase(time, config.orbit)[rows] % 1 * 360, (0.0, 360.0)
    along = {"phase": (phase, turn), "time": (time[rows], (time[0], time[-1] + config.input.cadence))}
    return pl.concat(
        attribution(shap.groups, position, span, groups=shap.names, bins=config.rates.names).select(
            pl.lit(by).alias("by"), pl.all()
        )
        for by, (position, span) in along.items()
    )


def _importance_of(other: RunFolder, sha256: str) -> pl.DataFrame:
    """Return the importances of another run on the same file."""
    source = other.require("fit")["input"]
    other.require("explain")
    require_same_file(other.source(), source["sha256"], sha256)
    return other.read_frame("importance.parquet")


def _compared(
    ours: pl.DataFrame, theirs: pl.DataFrame, names: tuple[str, ...], bins: tuple[str, ...]
) -> AttributionStability:
    """Compare two tables of importances, whatever the order of their rows."""
    order = pl.DataFrame({"feature": names})
    both = (order.join(table, on="feature", maintain_order="left").select(bins).to_numpy() for table in (ours, theirs))
    return compare_attributions([shares(table) for table in both], names, bins)


def _by_fold(by_fold: dict[int, NDArray[np.float64]], names: tuple[str, ...], bins: tuple[str, ...]) -> pl.DataFrame:
    """Lay the shares of each fold's rows out: a row a feature and fold, a column a bin."""
    return pl.concat(
        pl.DataFrame({"feature": names, "fold": [which] * len(names), **dict(zip(bins, share.T, strict=True))})
        for which, share in by_fold.items()
    )


def _drawings(fit: _Fit, shap: _Shap, tables: dict[str, pl.DataFrame]) -> dict[str, Callable[[], Figure]]:
    """Return what draws each plot, by name."""
    config, names, bins = fit.config, fit.matrix.names, fit.config.rates.names
    dependence, importance = tables["dependence.parquet"], tables["importance.parquet"]
    drawings: dict[str, Callable[[], Figure]] = {
        name: partial(shap_bars, of.importance(), _errors(of, exact=shap.exact), labels, config)
        for name, of, labels in (("shap_bars", shap.features, names), ("shap_groups", shap.groups, shap.names))
    }
    for by in ("phase", "time"):
        drawings[f"attribution_{by}"] = partial(attribution_plot, tables["attribution.parquet"], by, config)
    data = fit.matrix.values[shap.features.rows]
    for number in spread(len(bins)):
        name, title = bins[number], config.rates.titles[number]
        values, base = shap.features.values[number], shap.features.base[number]
        first = importance.sort(name, descending=True)["feature"].head(FEATURES).to_list()
        drawings[f"shap_bin{number}"] = partial(shap_beeswarm, values, base, data, names, title, config)
        drawings[f"dependence_bin{number}"] = partial(dependence_plot, dependence, first, number, config)
    return drawings

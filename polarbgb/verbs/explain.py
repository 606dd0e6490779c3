"""`polarbgb explain`: SHAP values of a sample of rows, for every bin, and what follows from them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.boosters import Booster
from polarbgb.background.dependence import attribution, dependence
from polarbgb.background.explain import Explanation, estimate_seconds, explain_rows, mean_share, stratified_sample
from polarbgb.background.groups import feature_groups, in_groups
from polarbgb.background.slopes import mean_slopes
from polarbgb.background.steadiness import Steadiness, fold_shares, shares, steadiness
from polarbgb.config import Config, Device
from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix
from polarbgb.memory import room_for
from polarbgb.present.dependence_plots import attribution_plot, dependence_plot
from polarbgb.present.save import save
from polarbgb.present.shap_export import SUFFIXES, shap_frame, write_shap
from polarbgb.present.shap_plots import shap_bars, shap_beeswarm
from polarbgb.progress import Track, silent
from polarbgb.runfolder import RunFolder
from polarbgb.timeline.segments import orbit_phase
from polarbgb.verbs.fit import load_contract, load_models, on_device
from polarbgb.verbs.outfile import require_free
from polarbgb.verbs.prepare import prepare, require_same_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ADDITIVE = 1e-3
"""Largest relative gap allowed between a margin and its SHAP values: trees are summed in float32."""

_EVENTS = 200
"""Events explained at most, the most significant ones."""

_EVENT_SHAP = "event_shap.parquet"
_DRAWN = 12
"""Features whose dependence is drawn: three rows of panels."""


@dataclass(frozen=True)
class Explained:
    """What an explanation came to.

    Attributes:
        importance: a row a feature, a column a bin: mean |SHAP| on the margin, most important first; ``share`` of all
            and ``share_error`` of that (one sigma), as the sample is not all rows.
        groups: the same of the groups of features, whose values are summed before sizes are taken.
        slopes: a row a feature and bin: mean ``slope`` of the predicted rate, Hz per unit of the feature, its ``error``.
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
    folds: Steadiness | None
    stability: Steadiness | None
    rows: int
    events: int
    residue: float
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Explanations:
    """The SHAP values of a run, and what they belong to.

    Attributes:
        sample: by features.
        grouped: of the same rows, by groups.
        rows: (sample,) row, time and fold of each.
        matrix: features of all usable rows.
        groups: names of the groups.
    """

    sample: Explanation
    grouped: Explanation
    rows: pl.DataFrame
    matrix: Matrix
    groups: tuple[str, ...]


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
) -> Explained:
    """Explain a stratified sample of rows, each by the models that never saw its orbit.

    The sample is drawn by fold and by tenths of the first bin's predicted rate, so that every model and both quiet and
    bright background have their share. Where ``detect`` was run, the background at the peak of each of its events is
    explained as well.

    Args:
        run: a fitted run.
        path: the file that was fitted, where it is no longer at its place.
        rows: size of the sample, or ``all``; the configuration's where None.
        device: where SHAP values are computed, whatever the trees grew on.
        stability: another explained run on the same file, with another seed, say: importances are compared with its.
        export: a ``.root`` or ``.parquet`` file for the SHAP values; see :func:`polarbgb.present.shap_export.write_shap`.
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
        raise UserError(
            f"{run.path} was predicted by the models of {run.require('predict')['models']['run']}: explain there"
        )
    fitted = run.require("fit")
    config = on_device(run.config(), device)
    started = time.monotonic()
    path = path or Path(fitted["input"]["file"])
    if export is not None:
        require_free(export, path, overwrite=overwrite, suffixes=SUFFIXES)
    theirs = None if stability is None else _importance_of(stability, fitted["input"]["sha256"])
    prepared = prepare(config, path, track=track)
    require_same_file(path, prepared.sha256, fitted["input"]["sha256"])
    run.begin()
    matrix, names, bins = prepared.matrix, prepared.matrix.names, config.rates.names
    load_contract(run).check(matrix, str(path))
    if theirs is not None and set(theirs["feature"]) != set(names):
        raise UserError(f"{stability} explains other features; fit both with the same [features]")
    boosters = load_models(run, config)
    frame = run.read_frame("prediction.parquet").filter(pl.col("segment") >= 0)
    fold = frame["fold"].to_numpy().astype(np.int64)
    # In scheme 'blocks' one model predicts all parts.
    split = fold if len(boosters) > 1 else np.zeros(len(fold), np.int64)
    strata = split * 10 + _tenths(frame["pred"].arr.first().to_numpy())
    size = len(frame) if rows == "all" else rows or config.explain.rows
    sample = stratified_sample(strata, size, config.explain.seed)
    announce(len(sample), estimate_seconds(matrix, boosters, split, sample))
    room = 8 * len(sample) * len(names) * len(bins)  # the values, and their table
    on_disk = not room_for(room, config.memory)
    explanation = explain_rows(matrix, boosters, split, sample, on_disk=on_disk, track=track)
    if explanation.residue > _ADDITIVE:
        raise AssertionError(f"SHAP values miss the margin by {explanation.residue:.2g}")
    members = feature_groups(config)
    told = frame.select("row", "unix_time", "fold")
    shap = _Explanations(
        explanation,
        in_groups(explanation, names, members, on_disk=on_disk),
        told[sample],
        matrix,
        tuple(members),
    )
    # A mean slope needs no more rows than the usual sample, however many are explained.
    moved = stratified_sample(strata, min(len(sample), config.explain.rows), config.explain.seed)
    orbit = frame["orbit"].to_numpy()[moved]
    slopes = mean_slopes(matrix, boosters, split, moved, orbit, config.model.objective, track=track)
    of_events = _of_events(run, matrix, boosters, split, told, config)

    run.forget("explain")
    exact = len(sample) == len(frame)
    importance = _importance(explanation, names, "feature", config, exact=exact)
    groups = _importance(shap.grouped, shap.groups, "group", config, exact=exact)
    by_fold = fold_shares(explanation, split[sample])
    steady = steadiness([*by_fold.values()], names, bins) if len(by_fold) > 1 else None
    against = None if theirs is None else _compared(importance, theirs, names, bins)
    tables = {
        "shap.parquet": shap_frame(explanation, shap.rows, names, config),
        "importance.parquet": importance,
        "groups.parquet": groups,
        "slopes.parquet": slopes.table(names, bins),
        "dependence.parquet": dependence(explanation, matrix.values[sample], names, bins),
        "attribution.parquet": _attribution(shap, frame["unix_time"].to_numpy(), config),
        "fold_shares.parquet": _by_fold(by_fold, names, bins),
    }
    if of_events is None:
        (run / _EVENT_SHAP).unlink(missing_ok=True)
    else:
        tables[_EVENT_SHAP] = of_events
    files = [run.write_frame(name, table) for name, table in tables.items()]
    stable = {"folds": steady, "run": against}
    summary = {name: None if one is None else one.summary() for name, one in stable.items()}
    files.append(run.write_text("stability.json", json.dumps(summary, indent=1) + "\n"))
    if export is not None:
        files.append(write_shap(export, explanation, shap.rows, names, config))
    count = 4 + 2 * len(bins)
    for name, figure in track(_figures(shap, tables, config, exact=exact), label="draw", total=count):
        files.append(save(figure, run / f"plots/{name}.png"))
    events = 0 if of_events is None else of_events["id"].n_unique()
    run.finish("explain", started, rows=len(sample), events=events, residue=explanation.residue)
    return Explained(
        importance,
        groups,
        tables["slopes.parquet"],
        steady,
        against,
        len(sample),
        events,
        explanation.residue,
        tuple(files),
    )


def _tenths(rate: NDArray[np.float32]) -> NDArray[np.int64]:
    edges = np.quantile(rate, np.linspace(0, 1, 11)[1:-1])
    return np.searchsorted(edges, rate).astype(np.int64)


def _importance_of(other: RunFolder, sha256: str) -> pl.DataFrame:
    """Return the importances of another run on the same file."""
    source = other.require("fit")["input"]
    other.require("explain")
    require_same_file(Path(source["file"]), source["sha256"], sha256)
    return other.read_frame("importance.parquet")


def _compared(ours: pl.DataFrame, theirs: pl.DataFrame, names: tuple[str, ...], bins: tuple[str, ...]) -> Steadiness:
    """Compare two tables of importances, whatever the order of their rows."""
    order = pl.DataFrame({"feature": names})
    both = (order.join(table, on="feature", maintain_order="left").select(bins).to_numpy() for table in (ours, theirs))
    return steadiness([shares(table) for table in both], names, bins)


def _of_events(
    run: RunFolder,
    matrix: Matrix,
    boosters: tuple[tuple[Booster, ...], ...],
    split: NDArray[np.int64],
    told: pl.DataFrame,
    config: Config,
) -> pl.DataFrame | None:
    """Explain the background at the peak of the most significant events; None where ``detect`` was not run."""
    if run.stage("detect") is None:
        return None
    events = run.read_frame("events.parquet").sort("significance", descending=True, nulls_last=True).head(_EVENTS)
    peaks = np.searchsorted(told["unix_time"].to_numpy(), events["t_peak"].to_numpy())
    explanation = explain_rows(matrix, boosters, split, peaks)
    return shap_frame(explanation, events.select("id"), matrix.names, config)


def _importance(
    explanation: Explanation, names: tuple[str, ...], what: str, config: Config, *, exact: bool
) -> pl.DataFrame:
    """Lay the mean |SHAP| out, most important first, with the error of its share: none where all rows are explained."""
    means = explanation.importance()
    errors = np.zeros_like(means) if exact else explanation.error()
    return pl.DataFrame(
        {
            what: list(names),
            **{name: means[:, number] for number, name in enumerate(config.rates.names)},
            "share": mean_share(means, means),
            # The same rows in all bins: their errors go together.
            "share_error": mean_share(errors, means),
        }
    ).sort("share", descending=True)


def _attribution(shap: _Explanations, time: NDArray[np.float64], config: Config) -> pl.DataFrame:
    """Average the groups' SHAP values along the orbit (degrees) and along the mission (unix s)."""
    when = shap.rows["unix_time"].to_numpy()
    known = shap.matrix.among(("orbital_phase",))
    if known:
        phase, turn = known["orbital_phase"][shap.sample.rows].astype(np.float64), (-90.0, 270.0)
    else:
        epoch = config.orbit.model_copy(update={"epoch": config.orbit.epoch or float(time[0])})
        phase, turn = orbit_phase(when, epoch) % 1 * 360, (0.0, 360.0)
    along = {"phase": (phase, turn), "time": (when, (time[0], time[-1] + config.input.cadence))}
    return pl.concat(
        attribution(shap.grouped, position, span, shap.groups, config.rates.names).select(
            pl.lit(by).alias("by"), pl.all()
        )
        for by, (position, span) in along.items()
    )


def _by_fold(by_fold: dict[int, NDArray[np.float64]], names: tuple[str, ...], bins: tuple[str, ...]) -> pl.DataFrame:
    """Lay the shares of each split's rows out: a row a feature and fold, a column a bin."""
    return pl.concat(
        pl.DataFrame({"feature": names, **dict(zip(bins, share.T, strict=True))}).with_columns(
            pl.lit(which).alias("fold")
        )
        for which, share in by_fold.items()
    ).select("feature", "fold", *bins)


def _figures(
    shap: _Explanations, tables: dict[str, pl.DataFrame], config: Config, *, exact: bool
) -> Iterator[tuple[str, Figure]]:
    """Draw all plots, one at a time."""
    names, titles = shap.matrix.names, config.rates.titles
    for name, by, of in (("shap_bars", names, shap.sample), ("shap_groups", shap.groups, shap.grouped)):
        means = of.importance()
        yield name, shap_bars(means, np.zeros_like(means) if exact else of.error(), by, config)
    for by in ("phase", "time"):
        yield f"attribution_{by}", attribution_plot(tables["attribution.parquet"], by, config)
    data = shap.matrix.values[shap.sample.rows]
    first = tables["importance.parquet"]["feature"].head(_DRAWN).to_list()
    for number, title in enumerate(titles):
        yield (
            f"shap_bin{number}",
            shap_beeswarm(shap.sample.values[number], shap.sample.base[number], data, names, title, config),
        )
        yield f"dependence_bin{number}", dependence_plot(tables["dependence.parquet"], first, number, config)

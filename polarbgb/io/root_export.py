"""Write a run as ROOT: the prediction as a friend tree, the published interval trees, the events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.data.segments import predicted_intervals
from polarbgb.io.columns import without_null
from polarbgb.io.names import tree_word
from polarbgb.io.root_output import root_file

MOST_SETS = 1000
"""Largest number of sets of bins, of :func:`polarbgb.transients.published.find_clusters`, that are written."""


def write_root(
    path: Path,
    prediction: pl.DataFrame,
    entries: pl.DataFrame,
    clusters: pl.DataFrame,
    events: pl.DataFrame,
    *,
    tree: str,
    provenance: Mapping[str, Any],
    ntuples: bool = False,
) -> dict[str, int]:
    """Write a run's results as TTrees, or as RNTuples.

    The trees, for an input tree ``T`` in whichever folder, are ``pred_T`` (one entry per entry of ``T``, so that it can
    be its friend; of several files, one per entry of their chain in the order of the manifest; NaN and -1 where an
    entry is not used: ``unix_time``, ``pred_rate[bins]``, and in addition to the published branches ``sigma[bins]``,
    ``pull[bins]``, ``quality``, ``segment``, ``orbit``, ``fold``); ``cluster_inter_T`` and
    ``negative_cluster_inter_T`` (one branch per set of bins with two entries: the starts, then the stops of its N
    intervals); ``events`` (one entry per event); and ``gti`` (``start``, ``stop``). The string ``meta`` holds the
    provenance as JSON. If there are more than :data:`MOST_SETS` sets of several bins, none of them has a branch, and
    ``meta`` says so.

    Args:
        path: the file; replaced if it exists.
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        entries: ``unix_time``, ``quality`` and ``row`` of every entry of the input, from
            :meth:`polarbgb.data.dataset.Entries.frame`.
        clusters: from :func:`polarbgb.transients.published.find_clusters`.
        events: from :func:`polarbgb.transients.events.find_events`.
        tree: name of the input tree.
        provenance: contents of ``meta``.
        ntuples: write RNTuples of the same names and columns, which ``TTree::Draw`` cannot read.

    Returns:
        The number of entries of each tree. A sign without clusters has no tree, because a TTree without branches cannot
        be written. An RNTuple without entries is not written either, because ROOT 6.40 crashes when it makes an
        RDataFrame of one, even of its own.

    Raises:
        UserError: if the file cannot be written.
    """
    tree = tree_word(tree)
    several = (pl.col("kind") == "pure") & pl.col("name").str.contains("_", literal=True)
    sets = clusters.filter(several)["name"].n_unique()
    if sets > MOST_SETS:  # the file would take hours to write, and more to read
        clusters = clusters.filter(~several)
        message = f"{sets} sets of several bins have no branch: their clusters are in clusters.parquet alone"
        provenance = {**provenance, "left_out": message}
    good = predicted_intervals(prediction)
    trees: dict[str, tuple[str, dict[str, NDArray[Any]]]] = {
        f"pred_{tree}": ("predicted background, one entry per entry of the input", _prediction(prediction, entries)),
        f"cluster_inter_{tree}": ("excesses by set of bins: starts, stops", published_tables(clusters, 1)),
        f"negative_cluster_inter_{tree}": (
            "deficits by set of bins: starts, stops",
            published_tables(clusters, -1),
        ),
        "events": ("events", _events(events)),
        "gti": ("good time intervals, unix seconds", {"start": good[:, 0], "stop": good[:, 1]}),
    }
    written = {}
    with root_file(path) as file:
        write = file.ntuple if ntuples else file.tree
        for name, (title, branches) in trees.items():
            length = len(next(iter(branches.values()))) if branches else 0
            if length or (branches and not ntuples):
                write(name, branches, title=title)
                written[name] = length
        file.text("meta", json.dumps(provenance, default=str))
    return written


def _prediction(prediction: pl.DataFrame, entries: pl.DataFrame) -> dict[str, NDArray[Any]]:
    """Return the prediction of every entry: that of its row."""
    row = entries["row"].to_numpy()
    used = row >= 0

    def by_entry(values: NDArray[Any], empty: float) -> NDArray[Any]:
        out = np.full((len(row), *values.shape[1:]), empty, values.dtype)
        out[used] = values[row[used]]
        return out

    return {
        "unix_time": entries["unix_time"].to_numpy(),
        "pred_rate": by_entry(prediction["pred"].to_numpy().astype(np.float64), np.nan),
        "sigma": by_entry(prediction["sigma"].to_numpy(), np.nan),
        "pull": by_entry(prediction["pull"].to_numpy(), np.nan),
        "quality": entries["quality"].to_numpy(),
        "segment": by_entry(prediction["segment"].to_numpy(), -1),
        "orbit": by_entry(prediction["orbit"].to_numpy(), -1),
        "fold": by_entry(prediction["fold"].to_numpy().astype(np.int32), -1),
    }


def _events(events: pl.DataFrame) -> dict[str, NDArray[Any]]:
    filled = without_null(events)
    return {name: filled[name].to_numpy() for name in filled.columns}


def published_tables(clusters: pl.DataFrame, sign: int) -> dict[str, NDArray[np.float64]]:
    """Return the intervals of sets of bins in the layout that POLAR published.

    Args:
        clusters: from :func:`polarbgb.transients.published.find_clusters`.
        sign: +1 for the tree ``cluster_inter_<tree>``, -1 for ``negative_cluster_inter_<tree>``.

    Returns:
        By branch, in published order: (2, n) unix seconds, the starts, then the stops, both inclusive. A set without
        intervals has no branch.
    """
    sets = clusters.filter((pl.col("sign") == sign) & (pl.col("kind") != "bin"))
    return {
        str(name): np.stack([table["start"].to_numpy(), table["stop"].to_numpy()])
        for (name,), table in sets.group_by("name", maintain_order=True)
    }

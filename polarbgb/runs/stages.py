"""The files of each stage of a run folder, and the stages that a new result invalidates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MANIFEST, CONFIG, KNOWN, LOCAL = "manifest.json", "config.toml", "known_events.csv", "local.json"
"""Files of a run folder that are not results; see ``docs/files.md``."""

RANKING, FITTED_RANKING = "ranking.json", "fitted_ranking.json"
"""The ranking and control of a search, and those of the fitted run whose models made a prediction."""


@dataclass(frozen=True)
class Stage:
    """The results of one command.

    Attributes:
        files: patterns of its files.
        figures: names of the figures that show them.
        invalidates: stages that are made from it or take its place; a new result removes them.
    """

    files: tuple[str, ...]
    figures: tuple[str, ...] = ()
    invalidates: tuple[str, ...] = ()

    def existing(self, folder: Path) -> set[str]:
        """Return the names of its files and figures in a run folder."""
        patterns = (*self.files, *(f"plots/{name}.*" for name in self.figures))
        return {file.relative_to(folder).as_posix() for pattern in patterns for file in folder.glob(pattern)}


_FIT_FIGURES = ("light_curve", "pulls", "residuals", "rates", "loss", "orbit_*", "anomaly")
_FROM_FIT = ("detect", "explain", "evaluate")
STAGES = {
    "tune": Stage(("best.toml",)),
    "fit": Stage(
        (CONFIG, KNOWN, LOCAL, "models/*", "training.parquet", "entries.parquet", "prediction.parquet", "metrics.json"),
        _FIT_FIGURES,
        ("predict", *_FROM_FIT),
    ),
    "predict": Stage(
        (CONFIG, KNOWN, LOCAL, "entries.parquet", "prediction.parquet", "drift.parquet", FITTED_RANKING),
        _FIT_FIGURES,
        ("fit", *_FROM_FIT),
    ),
    "detect": Stage(
        (
            "clusters.parquet",
            "candidates.parquet",
            "events.parquet",
            "event_ranking.parquet",
            RANKING,
            "event_shap.parquet",
        ),
        ("events", "light_curve_events", "clusters", "known_events", "event_*", "orbit_*", "anomaly"),
    ),
    "explain": Stage(
        (
            "shap.parquet",
            "importance.parquet",
            "groups.parquet",
            "slopes.parquet",
            "dependence.parquet",
            "attribution.parquet",
            "fold_shares.parquet",
            "stability.json",
            "event_shap.parquet",
        ),
        ("shap_*", "attribution_*", "dependence_*"),
    ),
    "evaluate": Stage(("evaluation.json", "injections.parquet"), ("evaluation", "efficiency")),
}

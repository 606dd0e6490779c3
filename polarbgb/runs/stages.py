"""What each verb leaves in a run folder, and what falls with it when it is made anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MANIFEST, CONFIG, KNOWN, LOCAL = "manifest.json", "config.toml", "known_events.csv", "local.json"
"""Files of a run folder that are not results: see ``docs/files.md``."""

RANKING, FITTED_RANKING = "ranking.json", "fitted_ranking.json"
"""The ranking and control of a search, and those of the fitted run that a prediction was made with."""


@dataclass(frozen=True)
class Stage:
    """What a verb leaves.

    Attributes:
        files: patterns of its files.
        figures: names of figures that show it.
        with_it: stages that are made from it, or are in its place, and fall when it is made anew.
    """

    files: tuple[str, ...]
    figures: tuple[str, ...] = ()
    with_it: tuple[str, ...] = ()

    def held(self, folder: Path) -> set[str]:
        """Return the names of what a run folder holds of it."""
        patterns = (*self.files, *(f"plots/{name}.*" for name in self.figures))
        return {file.relative_to(folder).as_posix() for pattern in patterns for file in folder.glob(pattern)}


_FIT_FIGURES = ("light_curve", "pulls", "residuals", "rates", "loss", "orbit_*", "anomaly")
_FROM_FIT = ("detect", "explain", "evaluate")
STAGES = {
    "tune": Stage(("best.toml",)),
    "fit": Stage(
        (CONFIG, KNOWN, LOCAL, "models/*", "training.parquet", "prediction.parquet", "metrics.json"),
        _FIT_FIGURES,
        ("predict", *_FROM_FIT),
    ),
    "predict": Stage(
        (CONFIG, KNOWN, LOCAL, "prediction.parquet", "drift.parquet", FITTED_RANKING),
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

"""`polarbgb tune`: an Optuna study whose best trial `polarbgb fit` takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.boosters import require_device
from polarbgb.background.folds import Folds, make_folds
from polarbgb.background.tune import Tuning, tune_model
from polarbgb.config import Config
from polarbgb.data.count_rates import CountRates
from polarbgb.features.matrix import Matrix
from polarbgb.io.provenance import digest
from polarbgb.progress import Track, silent
from polarbgb.runs.folder import PATIENCE, SCHEMA, RunFolder
from polarbgb.workflow.preparation import Prepared, prepare

BEST = "best.toml"
"""File of the run folder that holds the best trial."""

STUDY = "study.journal"
"""File of the run folder that holds the study, where no other storage is named."""


@dataclass(frozen=True)
class TuneResult:
    """What a search came to.

    Attributes:
        tuning: the best trial.
        best: the file that holds it for ``fit``.
    """

    tuning: Tuning
    best: Path


def tune(
    config: Config,
    run: RunFolder,
    *,
    path: Path | None = None,
    storage: str | None = None,
    track: Track = silent,
) -> TuneResult:
    """Search hyperparameters and leave the best in ``best.toml`` of the run folder.

    Args:
        config: the instrument; its section ``tune`` says how long.
        run: where to leave the result.
        path: ROOT file; the configuration's own where None.
        storage: a file or database URL that several processes may share; the run folder's own where None.
        track: watches reading and trials.

    Returns:
        The best trial, and where it is kept.

    Raises:
        UserError: if input, configuration, device or storage do not fit.
    """
    require_device(config.model)
    started = time.monotonic()
    with run.hold(wait=PATIENCE):  # that it cannot be written is told before hours are spent
        pass
    prepared = prepare(config, path, track=track)
    search = prepared.search(config)
    matrix, count_rates, folds, known = _sample(prepared, config)
    tuning = tune_model(
        matrix,
        count_rates,
        folds,
        config.model,
        storage=storage or run / STUDY,
        contract=_contract(config, search),
        trials=config.tune.trials,
        timeout=config.tune.timeout,
        seed=config.model.seed,
        excluded=known,
        bins=_scored(config),
        track=track,
    )
    # Other processes may bring trials to the same study from this folder: it is held for the result alone.
    with run.hold(wait=PATIENCE):
        draft = run.draft("tune")
        draft.write_text(BEST, _best_toml(tuning, config))
        (best,) = draft.publish(
            started,
            **prepared.provenance(config),
            device={"asked": config.model.device, "got": list(tuning.devices)},
            search=search,
            score=tuning.score,
            default_score=tuning.default_score,
            finished_trials=tuning.finished,
            pruned_trials=tuning.pruned,
            rows=len(matrix.values),
        )
    return TuneResult(tuning, best)


def _sample(prepared: Prepared, config: Config) -> tuple[Matrix, CountRates, Folds, NDArray[np.bool_]]:
    """Thin the rows out evenly to what the study may use, and keep as many folds as it scores on."""
    rows = len(prepared.matrix.values)
    kept = np.unique(np.linspace(0, rows - 1, min(rows, config.tune.rows)).astype(np.int64))
    timeline, count_rates = prepared.timeline, prepared.count_rates
    known = timeline.known[kept]
    folds = make_folds(timeline.usable_time[kept], known, config)
    matrix = replace(prepared.matrix, values=prepared.matrix.values[kept])
    thinned = CountRates(count_rates.rate[kept], count_rates.error[kept], count_rates.exposure[kept])
    return matrix, thinned, replace(folds, splits=folds.splits[: config.tune.folds]), known


def _scored(config: Config) -> list[int]:
    """Return the numbers of the bins that a trial is scored on, spread over all of them."""
    bins = len(config.rates.names)
    return [int(number) for number in np.linspace(0, bins - 1, min(bins, config.tune.bins)).round()]


def _contract(config: Config, search: str) -> str:
    """Digest everything that makes two trials' scores comparable: what was searched on, and how it is scored."""
    searched = config.model.model_dump(mode="json", exclude={"device", "threads"})
    known = None if config.known_events is None else (config.known_events.before, config.known_events.after)
    folds = config.folds.model_dump(mode="json")
    return digest(search, searched, known, folds, config.tune.rows, config.tune.folds, _scored(config))


def _best_toml(tuning: Tuning, config: Config) -> str:
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment("The best trial of polarbgb tune; polarbgb fit takes it from here."))
    document["schema"] = SCHEMA
    document["backend"] = config.model.backend
    document["objective"] = config.model.objective
    document["score"] = tuning.score
    document["model"] = tuning.parameters
    return tomlkit.dumps(document)

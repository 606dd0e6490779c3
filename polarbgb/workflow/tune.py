"""`polarbgb tune`: an Optuna study whose best trial `polarbgb fit` uses."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.backends import require_device
from polarbgb.background.folds import Folds, make_folds
from polarbgb.background.tune import Tuning, tune_model
from polarbgb.config import Config
from polarbgb.config.types import Paths
from polarbgb.data.count_rates import CountRates
from polarbgb.features.matrix import Matrix
from polarbgb.io.provenance import digest
from polarbgb.progress import Track, silent
from polarbgb.reporting.table import Table, counted, number
from polarbgb.runs.files import SCHEMA
from polarbgb.runs.folder import PATIENCE, RunFolder
from polarbgb.workflow.preparation import Prepared, prepare

BEST = "best.toml"
"""File in the run folder with the best trial."""

STUDY = "study.journal"
"""File in the run folder with the study, if no other storage is named."""


@dataclass(frozen=True)
class TuneResult:
    """Result of a search for hyperparameters.

    Attributes:
        tuning: the best trial.
        best: the file that holds it for ``fit``.
    """

    command: ClassVar[str] = "tune"

    tuning: Tuning
    best: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The file of the best trial."""
        return (self.best,)

    def summary(self) -> str:
        """Return the score of the best trial beside that of the configuration."""
        tuning = self.tuning
        default = tuning.default_score
        configured = "" if default is None else f", {default:.4f} with the values of the configuration"
        trials = f"{counted(tuning.finished, 'trial')} finished, {tuning.pruned} pruned"
        return f"deviance over noise {tuning.score:.4f}{configured} ({trials})"

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return the hyperparameters of the best trial."""
        del verbose
        rows = tuple((name, number(value, 4)) for name, value in self.tuning.parameters.items())
        return [Table(head=("hyperparameter", "best"), rows=rows, align="lr")]


def tune(
    config: Config,
    run: RunFolder | str | Path,
    *,
    path: Paths | None = None,
    storage: str | Path | None = None,
    track: Track = silent,
) -> TuneResult:
    """Search hyperparameters and write the best to ``best.toml`` in the run folder.

    Args:
        config: the configuration of the instrument; its section ``tune`` limits the search.
        run: the run folder.
        path: files, patterns or folders, together one mission; ``input.path`` of the configuration if None.
        storage: a file or database URL that several processes may share; a file in the run folder if None.
        track: shows the progress of reading and trials.

    Returns:
        The best trial and its file.

    Raises:
        UserError: if input, configuration, device or storage do not fit.
    """
    run = RunFolder.at(run)
    require_device(config.model)
    started = time.monotonic()
    with run.hold(wait=PATIENCE):  # refuse a folder that cannot be written before hours are spent
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
    # Other processes may add trials to the study in this folder, so it is locked only while the result is written.
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
    """Draw the rows of the study evenly, and keep the folds that it scores on."""
    size = len(prepared.matrix.values)
    rows = np.unique(np.linspace(0, size - 1, min(size, config.tune.rows)).astype(np.int64))
    dataset, count_rates = prepared.dataset, prepared.count_rates
    known = dataset.known[rows]
    folds = make_folds(dataset.time[rows], known, config.folds, config.orbit, config.model)
    matrix = replace(prepared.matrix, values=prepared.matrix.values[rows])
    sampled = count_rates.of(rows)
    return matrix, sampled, replace(folds, splits=folds.splits[: config.tune.folds]), known


def _scored(config: Config) -> list[int]:
    """Return the indices of the bins that a trial is scored on, spread over all bins."""
    bins = len(config.rates.names)
    return [int(i_bin) for i_bin in np.linspace(0, bins - 1, min(bins, config.tune.bins)).round()]


def _contract(config: Config, search: str) -> str:
    """Return a digest of what makes the scores of trials comparable: the data searched and how trials are scored."""
    searched = config.model.model_dump(mode="json", exclude={"device", "threads"})
    known = None if config.known_events is None else (config.known_events.before, config.known_events.after)
    folds = config.folds.model_dump(mode="json")
    return digest(search, searched, known, folds, config.tune.rows, config.tune.folds, _scored(config))


def _best_toml(tuning: Tuning, config: Config) -> str:
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment("The best trial of polarbgb tune; polarbgb fit reads it."))
    document["schema"] = SCHEMA
    document["backend"] = config.model.backend
    document["objective"] = config.model.objective
    document["score"] = tuning.score
    document["model"] = tuning.parameters
    return tomlkit.dumps(document)

"""`polarbgb run --reproduce`: what a manifest tells of, done once more and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarbgb.config import Config, shipped, validate
from polarbgb.errors import UserError
from polarbgb.io.provenance import file_digest, versions
from polarbgb.progress import Track, silent
from polarbgb.runs.folder import RunFolder, read_manifest
from polarbgb.runs.stages import KNOWN, MANIFEST
from polarbgb.workflow.detect import detect
from polarbgb.workflow.evaluate import evaluate
from polarbgb.workflow.explain import explain
from polarbgb.workflow.export import export
from polarbgb.workflow.fit import fit
from polarbgb.workflow.predict import predict
from polarbgb.workflow.report import report
from polarbgb.workflow.tune import tune


@dataclass(frozen=True)
class ReproduceResult:
    """How a run compares with the one that it repeats.

    Attributes:
        run: the new run folder.
        stages: that were done again.
        same: files with the bytes of the first run, by the digests in its manifest.
        different: files with other bytes.
        versions: what has another version now, by name: then and now.
    """

    run: RunFolder
    stages: tuple[str, ...]
    same: tuple[str, ...]
    different: tuple[str, ...]
    versions: dict[str, tuple[str, str]]


def reproduce(
    manifest: Path,
    run: RunFolder | None = None,
    *,
    path: Path | None = None,
    tell: Callable[[object], None] = lambda result: None,
    announce: Callable[[int, float], None] = lambda rows, seconds: None,
    track: Track = silent,
) -> ReproduceResult:
    """Repeat the stages of a manifest with their settings, then export and report, in another run folder.

    Fits are done in this process, whatever did them first. What a stage was compared with (``--reference``,
    ``--stability``) is left out.

    Args:
        manifest: a ``manifest.json``, or its folder. The list of known events is looked for beside it.
        run: where everything is left; the first run's folder with ``_reproduced`` in its name where None.
        path: the input, where it is no longer at its place.
        tell: given the result of each verb as it comes.
        announce: as in :func:`polarbgb.workflow.explain.explain`.
        track: watches all of it.

    Returns:
        Which files came out the same.

    Raises:
        UserError: if the manifest tells no run, the input is another one, or as the verbs do.
    """
    manifest = manifest / MANIFEST if manifest.is_dir() else manifest
    try:
        stages = read_manifest(manifest)["stages"]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"no manifest at {manifest}; it is the manifest.json of a run folder") from error
    made = stages.get("fit") or stages.get("predict") or stages.get("tune")
    if made is None:
        raise UserError(f"{manifest} tells of nothing that was done")
    first = RunFolder(manifest.parent)
    run = run or RunFolder(first.path.resolve().with_name(f"{first.path.resolve().name}_reproduced"))
    if run.path.resolve() == first.path.resolve():
        raise UserError(f"{run.path} is the run that is to be repeated; name another --run folder")
    path = path or _source(first, made)
    if not path.is_file():
        raise UserError(f"no file {path}, of which {manifest} tells; say with --input where it is")
    if file_digest(path) != made["input"]["sha256"]:
        raise UserError(f"{path} is not the file that {manifest} tells of: its SHA-256 is another")
    with run.hold():
        _repeat(stages, first, run, path, tell=tell, announce=announce, track=track)
        if run.stage("detect"):
            tell(export(run, track=track))
            tell(report(run, track=track))
    return _compared(stages, run)


def _source(first: RunFolder, made: Mapping[str, Any]) -> Path:
    if first.stage("fit") or first.stage("predict"):
        return first.source()
    return Path(made["input"]["file"])


def _repeat(
    stages: Mapping[str, Any],
    first: RunFolder,
    run: RunFolder,
    path: Path,
    *,
    tell: Callable[[object], None],
    announce: Callable[[int, float], None],
    track: Track,
) -> None:
    for name in ("tune", "fit", "predict", "detect", "explain", "evaluate"):
        if name not in stages:
            continue
        stage = stages[name]
        asked = stage.get("asked", {})
        match name:
            case "tune":
                tell(tune(_config(stage, first), run, path=path, track=track))
            case "fit":
                tell(fit(_config(stage, first), run, path=path, track=track))
            case "predict":
                tell(predict(RunFolder(first.models()), run, path=path, device=stage["device"]["asked"], track=track))
            case "detect":
                tell(detect(run, method=stage["method"], **asked, track=track))
            case "explain":
                device = stage["device"]["asked"]
                tell(explain(run, **asked, device=device, announce=announce, track=track))
            case "evaluate":
                tell(evaluate(run, **asked, track=track))


def _config(stage: Mapping[str, Any], first: RunFolder) -> Config:
    """Return the configuration of a stage, with the list of known events where it is found now."""
    config = validate(stage["config"], where=str(first / MANIFEST))
    known = config.known_events
    if known is None:
        return config
    places = (first / KNOWN, first / known.file.name, shipped(f"data/{known.file.name}"))
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise UserError(f"the list of known events, {known.file.name}, is not in {first.path}: copy it there")
    return config.model_copy(update={"known_events": known.model_copy(update={"file": found.resolve()})})


def _compared(before: Mapping[str, Any], run: RunFolder) -> ReproduceResult:
    after, now = run.manifest()["stages"], versions()
    stages = tuple(name for name in before if name in after)
    same: list[str] = []
    different: list[str] = []
    for name in stages:
        theirs, ours = before[name].get("files", {}), after[name]["files"]
        for file in sorted(theirs.keys() | ours.keys()):
            (same if theirs.get(file) == ours.get(file) else different).append(file)
    then = [pair for name in stages for pair in before[name]["versions"].items()]
    changed = {key: (value, now.get(key, "none")) for key, value in then if now.get(key) != value}
    return ReproduceResult(run, stages, tuple(same), tuple(different), changed)

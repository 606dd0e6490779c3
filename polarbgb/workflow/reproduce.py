"""`polarbgb run --reproduce`: repeat the run that a manifest describes, and compare the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from polarbgb.config import Config, shipped, validate
from polarbgb.config.types import Paths
from polarbgb.errors import InputError, UserError
from polarbgb.io.input.files import input_digest, input_files, shown
from polarbgb.io.provenance import versions
from polarbgb.progress import Track, silent
from polarbgb.reporting.table import Table, counted
from polarbgb.runs.folder import RunFolder, read_manifest
from polarbgb.runs.stages import KNOWN, MANIFEST
from polarbgb.workflow.detect import detect
from polarbgb.workflow.evaluate import evaluate
from polarbgb.workflow.explain import explain
from polarbgb.workflow.export import export
from polarbgb.workflow.fit import fit
from polarbgb.workflow.predict import predict
from polarbgb.workflow.report import report
from polarbgb.workflow.results.result import Result
from polarbgb.workflow.tune import tune


@dataclass(frozen=True)
class ReproduceResult:
    """Comparison of a run with the one that it reproduces.

    Attributes:
        run: the new run folder.
        stages: the stages that were repeated.
        same: files with the bytes of the first run, by the digests in its manifest.
        different: files with other bytes.
        versions: packages whose version has changed, by name: then and now.
    """

    command: ClassVar[str] = "reproduce"

    run: RunFolder
    stages: tuple[str, ...]
    same: tuple[str, ...]
    different: tuple[str, ...]
    versions: dict[str, tuple[str, str]]

    @property
    def files(self) -> tuple[Path, ...]:
        """The new run folder."""
        return (self.run.path,)

    def summary(self) -> str:
        """Return the stages, and whether files differ."""
        differences = counted(len(self.different), "file") if self.different else "no file"
        return f"{', '.join(self.stages)} repeated: {differences} with other bytes"

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return the files that differ, the versions that changed, and if ``verbose`` the files that are the same."""
        lines = [f"{counted(len(self.same), 'file')} with the bytes of the first run"]
        lines += [f"  {name}" for name in self.same if verbose]
        if self.different:
            lines += [f"{counted(len(self.different), 'file')} with other bytes:"]
            lines += [f"  {name}" for name in self.different]
        lines += [f"{name} was {then}, is {now}" for name, (then, now) in self.versions.items()]
        return [Table(note="\n".join(lines))]


def reproduce(
    manifest: str | Path,
    run: RunFolder | str | Path | None = None,
    *,
    path: Paths | None = None,
    on_result: Callable[[Result], None] = lambda result: None,
    announce: Callable[[int, float], None] = lambda rows, seconds: None,
    track: Track = silent,
) -> ReproduceResult:
    """Repeat the stages of a manifest with their settings, then export and report, in another run folder.

    All fits are done in this process. Comparisons with other files and runs (``--reference``, ``--stability``) are
    left out.

    Args:
        manifest: a ``manifest.json`` or its folder, which should also hold the list of known events.
        run: the new run folder; if None, that of the first run with ``_reproduced`` added to its name.
        path: the input, if it has moved.
        on_result: called with the result of each command as it ends.
        announce: as in :func:`polarbgb.workflow.explain.explain`.
        track: shows the progress.

    Returns:
        The files that are the same and those that differ.

    Raises:
        UserError: if the manifest describes no run, the input differs, or as the commands do.
    """
    manifest = Path(manifest)
    manifest = manifest / MANIFEST if manifest.is_dir() else manifest
    content = read_manifest(manifest)
    if content is None:
        raise UserError(f"no manifest at {manifest}; it is the manifest.json of a run folder")
    stages = content["stages"]
    stage = stages.get("fit") or stages.get("predict") or stages.get("tune")
    if stage is None:
        raise UserError(f"{manifest} names no finished fit, predict or tune")
    first = RunFolder(manifest.parent)
    run = RunFolder.at(run or first.path.resolve().with_name(f"{first.path.resolve().name}_reproduced"))
    if run.path.resolve() == first.path.resolve():
        raise UserError(f"{run.path} is the run to repeat; name another --run folder")
    try:
        files = input_files(path or _sources(first, stage))
    except InputError as error:
        raise UserError(f"{error}; {manifest} names it as the input, say with --input where it is") from error
    if input_digest(files)[0] != stage["input"]["sha256"]:
        raise UserError(f"{shown(files)} is not the input of {manifest}: its SHA-256 differs")
    with run.hold():
        _repeat(stages, first, run, files, on_result=on_result, announce=announce, track=track)
        if run.stage("detect"):
            on_result(export(run, track=track))
            on_result(report(run, track=track))
    return _compared(stages, run)


def _sources(first: RunFolder, stage: Mapping[str, Any]) -> Paths:
    if first.stage("fit") or first.stage("predict"):
        return first.sources()
    return [file["file"] for file in stage["input"]["files"]]


def _repeat(
    stages: Mapping[str, Any],
    first: RunFolder,
    run: RunFolder,
    files: Sequence[Path],
    *,
    on_result: Callable[[Result], None],
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
                on_result(tune(_config(stage, first), run, path=files, track=track))
            case "fit":
                on_result(fit(_config(stage, first), run, path=files, track=track))
            case "predict":
                device = stage["device"]["asked"]
                on_result(predict(first.models(), run, path=files, device=device, track=track))
            case "detect":
                on_result(detect(run, method=stage["method"], **asked, track=track))
            case "explain":
                device = stage["device"]["asked"]
                on_result(explain(run, **asked, device=device, announce=announce, track=track))
            case "evaluate":
                on_result(evaluate(run, **asked, track=track))


def _config(stage: Mapping[str, Any], first: RunFolder) -> Config:
    """Return the configuration of a stage, with the present path of the list of known events."""
    config = validate(stage["config"], where=str(first / MANIFEST))
    known = config.known_events
    if known is None:
        return config
    candidates = (first / KNOWN, first / known.file.name, shipped(f"data/{known.file.name}"))
    file = next((path for path in candidates if path.is_file()), None)
    if file is None:
        raise UserError(f"the list of known events, {known.file.name}, is not in {first.path}: copy it there")
    return config.model_copy(update={"known_events": known.model_copy(update={"file": file.resolve()})})


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

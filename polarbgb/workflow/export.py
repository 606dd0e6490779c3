"""`polarbgb export`: write the results in a common format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import polars as pl

from polarbgb import __version__
from polarbgb.config import Config
from polarbgb.config.text import portable
from polarbgb.data.segments import predicted_intervals
from polarbgb.errors import UserError
from polarbgb.io.columns import COLUMNS
from polarbgb.io.fits import write_fits
from polarbgb.io.gcn import write_gcn
from polarbgb.io.names import LINE, WORD, replaced
from polarbgb.io.provenance import digest
from polarbgb.io.root_export import write_root
from polarbgb.io.tables import write_csv, write_ecsv, write_parquet
from polarbgb.progress import Track, silent, watched
from polarbgb.reporting.table import Table, counted
from polarbgb.runs.files import SCHEMA
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.detect import detect
from polarbgb.workflow.outfile import require_free

Format = Literal["root", "rntuple", "fits", "csv", "ecsv", "parquet", "gcn"]
TableName = Literal["events", "prediction", "gti", "clusters", "candidates"]

_DEFAULT: dict[Format, str] = {
    "root": "export.root",
    "rntuple": "export_rntuple.root",
    "fits": "export.fits",
    "csv": "export.csv",
    "ecsv": "export.ecsv",
    "parquet": "export.parquet",
    "gcn": "export_gcn",
}
"""Default name in the run folder by format; the suffix is that of the format."""

_OF_ONE_TABLE = ("csv", "ecsv", "parquet")


@dataclass(frozen=True)
class ExportResult:
    """Result of an export.

    Attributes:
        path: the file, or the folder of notices.
        format: its format.
        rows: number of rows by tree, extension or table; ``tables`` in JSON.
        events: number of events of the run.
        renamed: names of columns in the file, by those that its format cannot hold.
    """

    command: ClassVar[str] = "export"

    path: Path
    format: Format
    rows: dict[str, int] = field(metadata={"json": "tables"})
    events: int
    renamed: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, or the folder of notices."""
        return (self.path,)

    def summary(self) -> str:
        """Return the table, or the number of tables and events, and the format."""
        if len(self.rows) == 1:
            ((name, rows),) = self.rows.items()
            content = f"{rows:,} {name}"
        else:
            content = f"{counted(len(self.rows), 'table')}, {counted(self.events, 'event')}"
        return f"{content} as {self.format}"

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return the number of rows of every table."""
        del verbose
        rows = tuple((name, f"{rows:,}") for name, rows in self.rows.items())
        renamed = Table(head=("column", f"as {self.format} can hold it"), rows=tuple(self.renamed.items()))
        return [Table(head=("table", "entries"), rows=rows, align="lr"), *([renamed] if self.renamed else [])]


def export(
    run: RunFolder | str | Path,
    path: str | Path | None = None,
    *,
    format: Format | None = None,  # noqa: A002 - the option's name
    table: TableName | None = None,
    overwrite: bool = False,
    track: Track = silent,
) -> ExportResult:
    """Write the results of a run in one format; run ``detect`` first if that was not done.

    Args:
        run: a fitted or predicted run.
        path: the file, or for ``gcn`` the folder; if None, ``export`` with the suffix of the format in the run folder.
        format: ``root`` (TTrees), ``rntuple`` and ``fits`` hold all results; ``csv``, ``ecsv`` and ``parquet`` one
            table; ``gcn`` one JSON file per event. If None, it follows from the suffix of the path, else ``root``.
        table: the table to write, for a format that holds one; ``events`` if None.
        overwrite: replace an existing file; the default file in the run folder is always replaced.
        track: shows the progress of the search, if there is one, and of writing.

    Returns:
        The file and its tables.

    Raises:
        UserError: if the run has no prediction, or no such table; if the format is not known; or if the file cannot be
            written or is in the way.
    """
    run = RunFolder.at(run)
    path = None if path is None else Path(path)
    run.require("fit", "predict")
    format = _format(path, format)  # noqa: A001
    if table is not None and table not in get_args(TableName):
        raise UserError(f"table {table!r} is not known; there are {', '.join(get_args(TableName))}")
    if table is not None and format not in _OF_ONE_TABLE:
        raise UserError(f"--table goes with {', '.join(_OF_ONE_TABLE)}: {format} has its own tables")
    if path is None:
        path, overwrite = run / _default(format, table), True
    notices = "EV*.json" if format == "gcn" else None
    require_free(path, run, run.sources(), overwrite=overwrite, folder_of=notices)
    with run.hold(reading=True):
        if run.stage("detect") is None:
            detect(run, track=track)
        config = run.config_of("detect")
        events = run.read_frame("events.parquet")
        with watched(track, f"write {path.name}"):
            tables, renamed = _write(run, path, format, table or "events", events=events, config=config)
    return ExportResult(path, format, tables, len(events), renamed)


def _write(
    run: RunFolder, path: Path, form: Format, table: TableName, *, events: pl.DataFrame, config: Config
) -> tuple[dict[str, int], dict[str, str]]:
    """Write the file, and return the number of rows of its tables and the columns that are renamed."""
    provenance = _provenance(run, config)
    if form == "gcn":
        return {"notices": write_gcn(path, events, instrument=config.name, titles=config.rates.titles)}, {}
    frame = _table(run, table) if form in _OF_ONE_TABLE else events.lazy()
    renamed = _renamed(frame.collect_schema(), form, table)
    frame = frame.rename(renamed)
    match form:
        case "root" | "rntuple":
            rows = write_root(
                path,
                run.read_frame("prediction.parquet"),
                run.read_frame("entries.parquet"),
                run.read_frame("clusters.parquet"),
                frame.collect(),
                tree=run.require("fit", "predict")["input"]["tree"],
                provenance={**_whole_provenance(run, config), "renamed": renamed},
                ntuples=form == "rntuple",
            )
            return rows, renamed
        case "fits":
            rows = write_fits(
                path,
                run.scan_frame("prediction.parquet"),
                frame.collect(),
                instrument=config.name,
                rates=config.rates,
                cadence=config.input.cadence,
                provenance=provenance,
            )
            return rows, renamed
        case "csv":
            write_csv(path, frame)
        case "ecsv":
            write_ecsv(path, frame.collect(), table, provenance)
        case "parquet":
            write_parquet(path, frame, provenance)
    return {table: frame.select(pl.len()).collect().item()}, renamed


def _renamed(schema: pl.Schema, form: Format, table: TableName) -> dict[str, str]:
    """Return the names under which columns are written whose own names the format cannot hold."""
    names = sorted(schema.names(), key=lambda name: name not in COLUMNS[table])  # columns of results keep their names
    match form:
        case "root" | "rntuple" | "fits":
            return replaced(names, WORD)
        case "csv" | "ecsv":
            # In CSV, the array counts becomes the columns counts_0, counts_1 and so on.
            arrays = {name: dtype.size for name, dtype in schema.items() if isinstance(dtype, pl.Array)}
            spread = [f"{name}_{i_bin}" for name, size in arrays.items() for i_bin in range(size)]
            return replaced(names, LINE, taken=spread if form == "csv" else ())
        case _:
            return {}


def _default(format: Format, table: TableName | None) -> str:  # noqa: A002
    name = _DEFAULT[format]
    return name if table in {None, "events"} else name.replace("export", f"export_{table}")


def _format(path: Path | None, format: Format | None) -> Format:  # noqa: A002
    """Return the format given by name or by suffix, if both agree."""
    suffixes = {Path(name).suffix: known for known, name in reversed(_DEFAULT.items()) if known != "gcn"}
    if format is None:
        if path is None:
            return "root"
        if path.suffix not in suffixes:
            raise UserError(f"{path}: the name must end in {', '.join(sorted(suffixes))}; --format gcn makes a folder")
        return suffixes[path.suffix]
    if format not in _DEFAULT:
        raise UserError(f"format {format!r} is not known; there are {', '.join(_DEFAULT)}")
    suffix = Path(_DEFAULT[format]).suffix
    if path is not None and suffix and path.suffix != suffix:
        raise UserError(f"{path}: the name of a file in format {format} must end in {suffix}")
    return format


def _table(run: RunFolder, table: TableName) -> pl.LazyFrame:
    if table == "gti":
        rows = run.scan_frame("prediction.parquet").select("unix_time", "segment", "width").collect()
        return pl.LazyFrame(predicted_intervals(rows), schema=["start", "stop"])
    if table == "candidates" and run.require("detect")["method"] != "focus":
        raise UserError(
            f"{run.path} was searched by the published method, which has no candidates; "
            f"run 'polarbgb detect -r {run.path}'"
        )
    return run.scan_frame(f"{table}.parquet")


def _provenance(run: RunFolder, config: Config) -> dict[str, str]:
    """Return the provenance that a header holds; no path reveals the machine it was made on."""
    source = run.require("fit", "predict")["input"]
    elsewhere = {"input": {"path"}, "known_events": {"file"}}
    return {
        "CREATOR": f"polarbgb {__version__}",
        "SCHEMA": str(SCHEMA),
        "INFILE": Path(source["file"]).name,
        "INSHA256": source["sha256"],
        "CONFIG": digest(config.model_dump(mode="json", exclude=elsewhere)),
        "METHOD": run.require("detect")["method"],
    }


def _whole_provenance(run: RunFolder, config: Config) -> dict[str, object]:
    stages = {name: run.stage(name) for name in ("tune", "fit", "predict", "detect") if run.stage(name)}
    return {
        "polarbgb": __version__,
        "schema": SCHEMA,
        "bins": list(config.rates.names),
        "labels": list(config.rates.titles),
        "config": portable(config).model_dump(mode="json"),
        "stages": {name: _facts(stage) for name, stage in stages.items() if stage is not None},
    }


def _facts(stage: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest records about a stage, without the configuration and the files."""
    return {key: value for key, value in stage.items() if key not in {"config", "files"}}

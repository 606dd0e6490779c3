"""A finished run in a Python session or a notebook: its tables as frames, its events as figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.console import Console
from rich.table import Table

from polarbgb.config import Config
from polarbgb.errors import UserError, nearest
from polarbgb.io.input.files import shown
from polarbgb.reporting.table import counted
from polarbgb.runs.folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from polarbgb.plotting.instrument import Instrument


class Run:
    """The results in a run folder, each read when it is first used.

    A notebook and ``print`` show a summary of the run. Open the run again to see the results of later commands. All
    columns and their units are described in ``docs/files.md``.
    """

    def __init__(self, path: RunFolder | str | Path) -> None:
        self.folder = RunFolder.at(path)
        """The run folder, for commands such as ``polarbgb.detect(run.folder)``."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest: the finished stages and how they were made."""
        return self.folder.manifest()

    @cached_property
    def config(self) -> Config:
        """The configuration of the run, with the settings of ``detect`` if that was run.

        Raises:
            UserError: if nothing was fitted or predicted; like all properties below, it names the command to run.
        """
        return self.folder.config_of("detect")

    @cached_property
    def prediction(self) -> pl.DataFrame:
        """One row per row of the input: rate, background, sigma (Hz) and pull of every bin."""
        return self._frame("prediction.parquet", "fit", "predict")

    @cached_property
    def metrics(self) -> pl.DataFrame:
        """Errors of the fit by bin on rows that the models never saw."""
        self.folder.require("fit")
        return pl.DataFrame(self.folder.metrics())

    @cached_property
    def events(self) -> pl.DataFrame:
        """One row per event."""
        return self._frame("events.parquet", "detect")

    @cached_property
    def candidates(self) -> pl.DataFrame:
        """One row per candidate of the search, with its ranking and the features that it was ranked by."""
        if self.folder.require("detect")["method"] != "focus":
            raise UserError(
                f"{self.folder.path} was searched by the published method, which has no candidates; "
                f"run 'polarbgb detect -r {self.folder.path}'"
            )
        return self._frame("candidates.parquet", "detect")

    @cached_property
    def event_ranking(self) -> pl.DataFrame:
        """One row per event: the SHAP value of each feature of its ranking."""
        _ = self.candidates  # says why it is missing after the published method
        return self._frame("event_ranking.parquet", "detect")

    @cached_property
    def clusters(self) -> pl.DataFrame:
        """The intervals of the published method, by set of bins."""
        return self._frame("clusters.parquet", "detect")

    @cached_property
    def shap(self) -> pl.DataFrame:
        """SHAP values: one row per explained row and bin, one column per feature."""
        return self._frame("shap.parquet", "explain")

    @cached_property
    def importance(self) -> pl.DataFrame:
        """Mean |SHAP| of every feature by bin, most important first."""
        return self._frame("importance.parquet", "explain")

    @cached_property
    def evaluation(self) -> Mapping[str, Any]:
        """Scores of the model and of other backgrounds, also by regime, and further results of ``evaluate``."""
        self.folder.require("evaluate")
        found: Mapping[str, Any] = self.folder.read_json("evaluation.json")
        return found

    def plot_event(self, event: int | str, *, margin: float | None = None) -> Figure:
        """Draw an event in all bins: rate, background with one sigma, and pulls beneath.

        Args:
            event: its ``id`` or ``name``, or the name of the known event that it matches.
            margin: time shown before and after, s; if None, three times the duration, at least 60.

        Raises:
            UserError: if there is no such event.
        """
        from polarbgb.plotting.event import event_plot

        return event_plot(self.prediction, self._event(event), self._instrument, margin=margin)

    def plot_events(self, *, count: int = 9) -> Figure:
        """Draw the most significant events, each in the bin that sees it best."""
        from polarbgb.plotting.gallery import event_gallery

        return event_gallery(self.prediction, self.events, self._instrument, count=count)

    def plot_light_curve(self, bins: Sequence[int] | None = None) -> Figure:
        """Draw rate, background and pulls of the whole file, events shaded where they were searched for.

        Args:
            bins: indices of the bins; the first, the middle and the last if None.

        Raises:
            UserError: if there is no such bin.
        """
        from polarbgb.plotting.light_curve import light_curve

        events = self.events if self.folder.stage("detect") else None
        return light_curve(self.prediction, self._instrument, events=events, bins=bins)

    def plot_pulls(self) -> Figure:
        """Draw the histogram of pulls of every bin beside the unit Gaussian."""
        from polarbgb.plotting.pulls import pull_histograms

        return pull_histograms(self.prediction, self._instrument)

    @property
    def _instrument(self) -> Instrument:
        from polarbgb.plotting.instrument import Instrument

        return Instrument.of(self.config)

    def __repr__(self) -> str:
        return "\n".join(line.rstrip() for line in self._shown().export_text().splitlines())

    def _repr_html_(self) -> str:
        return self._shown().export_html(inline_styles=True, code_format="<pre>{code}</pre>")

    def _shown(self) -> Console:
        """Return a console that holds the table."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row("run", str(self.folder.path))
        for what, told in self._facts():
            table.add_row(what, told)
        console = Console(record=True, file=StringIO(), width=100, markup=False, emoji=False, highlight=False)
        console.print(table)
        return console

    def _facts(self) -> Iterator[tuple[str, str]]:
        """Yield what was run, on what, with what result, as far as it was."""
        stages = self.manifest["stages"]
        yield "stages", ", ".join(f"{name} ({stage['finished'][:10]})" for name, stage in stages.items()) or "none yet"
        made = stages.get("fit") or stages.get("predict")
        if made is None:
            return
        source, names = made["input"], self.config.rates.names
        yield "instrument", f"{self.config.name}, {len(names)} bins: {', '.join(names)}"
        yield "file", f"{shown(self.folder.sources())}, {source['usable']:,} of {source['entries']:,} rows usable"
        if "fit" in stages:
            from polarbgb.workflow.results.fit import FAIR_PARTS

            fair = [one for one in self.metrics.iter_rows(named=True) if one["part"] in FAIR_PARTS]
            if fair:
                over = ", ".join(f"{one['deviance'] / one['noise']:.2f}" for one in fair)
                yield "deviance / noise", f"{over} on {fair[0]['part']}"
        else:
            yield "models", str(self.folder.models())
        if "detect" in stages:
            yield "events", self._found(stages["detect"])
        if "explain" in stages:
            most = ", ".join(self.importance["feature"].head(3))
            yield "explained", f"{stages['explain']['rows']:,} rows; {most} matter most"

    def _found(self, stage: Mapping[str, Any]) -> str:
        classes = self.events.group_by("class").len().sort("len", "class", descending=[True, False]).rows()
        kinds = ", ".join(f"{number} {name}" for name, number in classes)
        how = "by the published method"
        if stage["method"] == "focus":
            how = f"at most {counted(stage['trigger']['far'], 'false event')} per day"
        return f"{len(self.events)} ({kinds}), {how}" if kinds else f"none, {how}"

    def _event(self, event: int | str) -> dict[str, Any]:
        if isinstance(event, str):
            chosen = self.events.filter((pl.col("name") == event) | (pl.col("matched") == event))
            told = nearest(event, [*self.events["name"], *self.events["matched"].drop_nulls()])
        else:
            chosen = self.events.filter(pl.col("id") == event)
            told = f"; ids are 0 to {len(self.events) - 1}" if len(self.events) else ""
        if chosen.is_empty():
            raise UserError(f"{self.folder.path} holds {len(self.events)} events, but no event {event}{told}")
        return chosen.row(0, named=True)

    def _frame(self, name: str, *stages: str) -> pl.DataFrame:
        self.folder.require(*stages)
        return self.folder.read_frame(name)


def open(path: str | Path) -> Run:  # noqa: A001 - polarbgb.open(...)
    """Open a run folder to look at.

    Args:
        path: the run folder, as given to ``--run``.

    Raises:
        UserError: if the folder is not a run.

    Example:
        >>> import polarbgb as pb
        >>> run = pb.open("outputs/polar")  # doctest: +SKIP
        >>> run.plot_event(3)  # doctest: +SKIP
    """
    run = Run(path)
    if not run.manifest["stages"]:
        raise UserError(f"{path} is not a run folder, or nothing is finished in it; a run begins with 'polarbgb fit'")
    return run

"""The tables of docs/ablation.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from verdict import Verdict

BEGIN = "## Tables"
"""What stands above this heading is written by hand and stays; the rest is made."""

_CAPTIONS = {
    "Models": "All with all features.",
    "Speed": "What may save time, one choice changed at a time. Seconds are of one core, for both bins of a fold.",
    "Features": "The default without a group of features.",
    "Future": "The last fifth of the mission, predicted by models that learnt from other orbits of the whole mission, "
    "and by models that learnt from the first four fifths.",
    "Folds": "How much folds differ: why predictions are compared on the same rows.",
}


@dataclass(frozen=True)
class Line:
    """One choice.

    Attributes:
        name: of the choice.
        rows: that were scored.
        orbits: that they lie in.
        seconds: that training and prediction of a fold took.
        verdicts: one a bin.
    """

    name: str
    rows: int
    orbits: int
    seconds: float
    verdicts: tuple[Verdict, ...]


def _changed(value: float, change: float, error: float) -> str:
    """Write a number and how far it lies above that of the default; bold where it is lower by over two errors."""
    if error == 0:
        return f"{value:.3f}"
    told = f"{change:+.3f} ± {error:.3f}"
    return f"{value:.3f} ({f'**{told}**' if change < -2 * error else told})"


def written(line: Line) -> str:
    """Write one row of a table."""
    cells = [line.name]
    for one in line.verdicts:
        cells += [
            _changed(one.mean_square, one.mean_square_change, one.mean_square_error),
            _changed(one.core, one.core_change, one.core_error),
            f"{one.bias:+.3f}",
        ]
    return f"| {' | '.join(cells)} | {line.seconds:.0f} |"


def write(path: Path, tables: dict[str, list[Line]], titles: tuple[str, ...]) -> None:
    """Write the tables into the page, below what is there.

    Args:
        path: the page.
        tables: lines by heading.
        titles: names of the bins.
    """
    head = path.read_text(encoding="utf-8").partition(BEGIN)[0] if path.exists() else "# What each choice is worth\n\n"
    columns = [f"{title}: {what}" for title in titles for what in ("mean square", "core", "mean")]
    parts = [head + BEGIN]
    for heading, lines in tables.items():
        counts = sorted({f"{line.rows:,} rows of {line.orbits} orbits" for line in lines})
        told = f"{_CAPTIONS[heading]} {counts[0]}." if len(counts) == 1 else _CAPTIONS[heading]
        rule = "|---" * (len(columns) + 2) + "|"
        table = [f"| | {' | '.join(columns)} | s |", rule, *(written(line) for line in lines)]
        parts += [f"### {heading}", told, "\n".join(table)]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def plain(tables: dict[str, list[Line]], titles: tuple[str, ...]) -> dict[str, list[dict[str, object]]]:
    """Return all numbers, for JSON."""
    return {
        heading: [
            {
                "name": line.name,
                "rows": line.rows,
                "orbits": line.orbits,
                "seconds": line.seconds,
                "bins": {title: one.as_dict() for title, one in zip(titles, line.verdicts, strict=True)},
            }
            for line in lines
        ]
        for heading, lines in tables.items()
    }

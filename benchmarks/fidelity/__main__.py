"""Put a simulated mission beside what was published of POLAR's.

``python benchmarks/fidelity`` simulates the whole mission and writes docs/simulation.md and its pictures;
``python benchmarks/fidelity -i data/nf1rate.root`` prints the same table of any file of the same format.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import click
import measures
import numpy as np
import plots
import polars as pl
import uproot
from published import SECTIONS

import polarbgb
from polarbgb.io.atomic import atomic
from polarbgb.plotting.saving import save
from polarbgb.simulation.mission import truth_path
from polarbgb.simulation.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
DAYS = 71.9833  # to the last row of the real file
_LEAST = 43_200  # rows
REAL_ROWS = ROOT.parent / "shared/facts/polar_real_rows.csv"
REAL_INTERVALS = ROOT.parent / "shared/data/published_intervals_seed42.root"

INTRODUCTION = """# Simulation

`polarbgb simulate` writes a mission in the format of POLAR's `nf1rate.root`, and a file with the injected events.
This page compares it with the published properties of the real file. It is written by one command, which simulates
the whole mission (seed {seed}) and measures it:

```
python benchmarks/fidelity
```

`python benchmarks/fidelity -i data/nf1rate.root` measures any other file of the format with the same functions.

{published} published figures agree within the stated tolerances, and {ours} checks with limits of our own pass.
**What does not match:**

{mismatches}

**What is not known:** when the real file lacks hours of data. The two gaps of days are at their real times. The
others are drawn at random; the real number of rows, the passes of the anomaly and the two long gaps require more than
"a few" of them. The orbit is that of the real mission, derived from the times of its published intervals and known
bursts (none of the 24 falls into the anomaly); how it was raised in the gap of March is inferred from the days after
it. Temperature, slow trend and turns of the platform follow the calendar and are the same for every seed; everything
else differs between seeds.

## Contents of a mission

These effects change the rates but have no column: variations of the radiation belts (strength, place and width of
every train of spikes), red noise of minutes to days, the solar modulation of cosmic rays with Forbush decreases,
Scorpius X-1 and Cygnus X-1 rising, setting and varying, sunlight scattered by the solar panels, high voltage that
settles after every switching-on, and the doses of all past passes of the anomaly (the file has only the time since
the latest). `--set unnamed=0` removes all of them except the belts and the doses.

| kind | description | `--set` | per day |
|---|---|---|---|
| `known` | the bursts known to have been observed by POLAR; five are as bright as published, the others drawn | - | - |
{kinds}

The truth of a mission, `<name>.truth.parquet`, has one row per event of which the file holds at least a second:
`kind`, `name`, `start`, `stop`, `t90_start` (unix seconds), `t90` (s), `peak_rate` (largest mean change of rate[0] in
a second of the file, Hz), `rows` (seconds from start to stop), `seen` (share of the event in them), and for each of
the six modelled bins `counts_<bin>` (counts that the event added or removed), `t90_counts_<bin>` (all counts in T90),
`t90_expected_<bin>` (expected counts of everything except the event) and `significance_<bin>`, sqrt(2 (N ln(N/B) - N
+ B)): the significance for a known background.
"""

KINDS = {
    "long_bursts": ("burst", "pulses (Norris et al. 2005) of 3 to 100 s, Band spectra"),
    "short_bursts": ("short_burst", "the same within 2 s, harder"),
    "flares": ("flare", "soft, in sunlight, with a long decay; including the one observed by POLAR"),
    "particles": ("particles", "irregular bunches of 0.5 to 10 minutes, anywhere"),
    "saa_edges": ("saa_edge", "particles, or rates that fall short, within minutes of the anomaly"),
    "sags": ("sag", "decreasing rates before the detector is switched off"),
    "gain_steps": ("gain_step", "gain changed by 2 to 6 % for half an hour to eight hours"),
    "telemetry_spikes": ("telemetry_spike", "one or two seconds with all counts multiplied"),
    "crab_steps": ("crab_step", "a passage of the Crab while `crabarf` is 0"),
}

PICTURES = """## Figures

![The whole mission](simulation/mission.png)

![A day](simulation/day.png)

![An orbit](simulation/orbit.png)

![A burst](simulation/burst.png)

![A flare](simulation/flare.png)
"""


def count_rates(file: measures.RateFile, *, simulated: bool) -> dict[str, dict[str, float]]:
    """Measure a file; what needs the real rows or intervals is left out where they are not at hand."""
    functions = {name: getattr(measures, name) for name in SECTIONS if name not in ("places", "orbit")}
    if REAL_ROWS.exists():
        real = {column.name: column.to_numpy() for column in pl.read_csv(REAL_ROWS)}
        functions["places"] = partial(measures.places, real=real)
    if simulated and REAL_INTERVALS.exists():
        functions["orbit"] = partial(measures.orbit, intervals=_intervals(REAL_INTERVALS))
    return {name: function(file) for name, function in functions.items()}


def _intervals(path: Path) -> np.ndarray:
    with uproot.open(path) as file:
        trees = [file[name] for name in file.keys(cycle=False)]
        both = [tree[name].array(library="np") for tree in trees for name in tree.keys()]  # noqa: SIM118 - a tree is no dict
    return np.concatenate([np.concatenate(list(starts_and_ends)) for starts_and_ends in both])


def table(found: dict[str, dict[str, float]]) -> str:
    """Write all sections as Markdown tables."""
    lines = []
    for section, values in found.items():
        tolerance, figures = SECTIONS[section]
        lines += [f"## {section.capitalize()}", "", f"Tolerance: {tolerance}.", ""]
        lines += ["| figure | published | required | here | agrees |", "|---|---|---|---|---|"]
        lines += [
            f"| {figure.name} | {figure.published} | {_number(figure.low)} to {_number(figure.high)} | "
            f"{_number(values[figure.name])} | {'yes' if figure.agrees(values[figure.name]) else '**no**'} |"
            for figure in figures
        ]
        more = {name: value for name, value in values.items() if name not in {figure.name for figure in figures}}
        lines += [f"| {name} | - | | {value:.4g} | |" for name, value in more.items()]
        lines.append("")
    return "\n".join(lines)


def verdicts(found: dict[str, dict[str, float]]) -> tuple[str, str, list[str]]:
    """Return how many published figures and how many checks of our own agree, and a line for each that does not."""
    figures = [(figure, values[figure.name]) for name, values in found.items() for figure in SECTIONS[name][1]]
    counts = []
    for own in (False, True):
        agreeing = [figure.agrees(value) for figure, value in figures if (figure.published == "-") == own]
        counts.append(f"{sum(agreeing)} of {len(agreeing)}")
    wrong = []
    for figure, value in figures:
        if not figure.agrees(value):
            own = f"required {_number(figure.low)} to {_number(figure.high)}"
            asked = own if figure.published == "-" else f"published {figure.published}"
            wrong.append(f"- {figure.name}: {asked}, here {_number(value)}")
    return counts[0], counts[1], wrong


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if abs(value) >= 1e4 else f"{value:.4g}"


def pictures(file: measures.RateFile, truth: pl.DataFrame, folder: Path) -> None:
    """Draw the five pictures of a mission."""
    save(plots.mission(file), folder / "mission.png")
    save(plots.day(file, truth, file.time[0] + 27.0 * 86400), folder / "day.png")
    save(plots.orbit(file, file.time[0] + 27.92 * 86400), folder / "orbit.png")
    burst = truth.filter(pl.col("name") == "GRB_170207A").to_dicts()[0]
    save(plots.event(file, burst, "GRB 170207A as simulated"), folder / "burst.png")
    flare = truth.filter(pl.col("kind") == "flare", pl.col("t90").is_between(60, 600)).sort("significance_0").to_dicts()
    save(plots.event(file, flare[-1], "A simulated solar flare"), folder / "flare.png")


@click.command()
@click.option("-i", "--input", "path", type=click.Path(path_type=Path), help="A file to measure instead.")
@click.option("--seed", default=0, show_default=True, help="Of the mission.")
def main(path: Path | None, seed: int) -> None:
    """Compare a mission with the published figures."""
    if path is not None:
        file = measures.read(path)
        if len(file.time) < _LEAST:
            raise click.UsageError(f"{path}: {len(file.time):,} rows say too little; give a file of a day or more")
        found = count_rates(file, simulated=False)
        published, ours, wrong = verdicts(found)
        click.echo(table(found))
        click.echo("\n".join([f"{published} published figures and {ours} checks agree", *wrong]))
        return
    with tempfile.TemporaryDirectory() as folder:
        mission = Path(folder) / "nf1rate.root"
        polarbgb.simulate(mission, days=DAYS, seed=seed)
        file, truth = measures.read(mission), pl.read_parquet(truth_path(mission))
    found = count_rates(file, simulated=True)
    pictures(file, truth, ROOT / "docs/simulation")
    published, ours, wrong = verdicts(found)
    rates = Recipe()
    kinds = "\n".join(
        f"| `{kind}` | {text} | `{key}` | {getattr(rates, key):g} |" for key, (kind, text) in KINDS.items()
    )
    text = INTRODUCTION.format(
        seed=seed, published=published, ours=ours, mismatches="\n".join(wrong) or "- nothing", kinds=kinds
    )
    with atomic(ROOT / "docs/simulation.md") as temporary:
        temporary.write_text(f"{text}\n{table(found)}\n{PICTURES}", encoding="utf-8")
    click.echo(f"{published} published figures and {ours} checks agree: docs/simulation.md")


if __name__ == "__main__":
    main()

"""Speed of the search of all windows: ``python benchmarks/focus.py``."""

from __future__ import annotations

from time import perf_counter

import click
import numpy as np

from polarbgb.transients.focus import Series, trace, windows


def draw(rows: int, per_segment: int) -> Series:
    """Draw Poisson counts around a background that swings between 300 and 3000 once an orbit of 5535 rows."""
    place = np.arange(rows)
    background = 1650 + 1350 * np.sin(2 * np.pi * place / 5535)
    counts = np.random.default_rng(0).poisson(background).astype(np.float64)
    return Series(counts, background, (place // per_segment).astype(np.int32))


@click.command(context_settings={"show_default": True})
@click.option("--rows", default=4_000_000)
@click.option("--per-segment", default=5000, help="Rows of a segment.")
@click.option("--mu-min", default=1.1)
@click.option("--longest", default=300, help="Rows of the longest window, 0 for no limit.")
@click.option("--threshold", default=5.0, help="sigma.")
@click.option("--repeats", default=5, help="The fastest counts.")
def main(*, rows: int, per_segment: int, mu_min: float, longest: int, threshold: float, repeats: int) -> None:
    """Print how many steps (one row of one bin) the search makes in a second on one core."""
    series = draw(rows, per_segment)
    for search in (trace, windows):
        for sign in (1, -1):
            seconds = []
            for _ in range(repeats + 1):  # the first one may compile
                start = perf_counter()
                search(series, sign=sign, mu_min=mu_min, longest=longest or None, threshold=threshold)
                seconds.append(perf_counter() - start)
            print(f"{search.__name__:8} sign {sign:+d}: {rows / min(seconds[1:]) / 1e6:6.1f} million steps a second")


if __name__ == "__main__":
    main()

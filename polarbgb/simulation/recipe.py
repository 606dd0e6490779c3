"""Settings of a simulated mission: the rates of events, and the flaws of the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from polarbgb.config import Section, build, override

Daily = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False, strict=True)]
Quirks = Literal["none", "real", "old-file"]
"""Flaws of the file: none, those of nf1rate.root, or those of its older version."""


class Recipe(Section):
    """Settings of a simulated mission.

    Rates are mean numbers per day, including times without data; of overlapping events of the same kind only the first
    is kept.
    """

    long_bursts: Daily = Field(1.9, description="gamma-ray bursts of seconds to minutes")
    short_bursts: Daily = Field(0.7, description="gamma-ray bursts of less than two seconds")
    flares: Daily = Field(1.5, description="solar flares: soft, only in sunlight, with a long decay")
    particles: Daily = Field(0.5, description="bunches of charged particles away from the anomaly")
    saa_edges: Daily = Field(0.4, description="excesses or deficits within minutes of a passage of the anomaly")
    sags: Daily = Field(0.3, description="rates that fall before the detector is switched off")
    gain_steps: Daily = Field(0.1, description="changes of the gain by a few percent for about an hour")
    telemetry_spikes: Daily = Field(1.0, description="rows whose counts are multiplied in all bins")
    crab_steps: Daily = Field(0.1, description="passages of the Crab that crabarf does not show")
    leak: Annotated[float, Field(ge=0, le=1, strict=True)] = Field(
        0.02, description="share of a burst's counts that fe_cosmic takes for cosmic rays"
    )
    unnamed: Annotated[float, Field(ge=0, le=3, strict=True)] = Field(
        1.0, description="strength of the nuisances: effects that no column describes"
    )


def recipe(settings: Sequence[str] = ()) -> Recipe:
    """Return the recipe of ``key=value`` settings.

    Args:
        settings: such as ``flares=3``; a later one replaces an earlier one.

    Raises:
        UserError: if a key is unknown or a value out of range.
    """
    raw: dict[str, object] = {}
    for text in settings:
        override(raw, text, form="key=value")
    return build(Recipe, raw, where="simulate")

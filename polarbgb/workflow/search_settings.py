"""From a configuration to the settings of a search."""

from __future__ import annotations

from polarbgb.config import Config
from polarbgb.data.known_events import known_events
from polarbgb.transients.settings import SearchSettings


def search_settings(config: Config) -> SearchSettings:
    """Return what a search for transients needs of a configuration.

    Raises:
        InputError: if the list of known events cannot be read.
    """
    return SearchSettings(
        cadence=config.input.cadence,
        series=(*((i_bin,) for i_bin in config.rates.searched), *(tuple(bins) for bins in config.trigger.sums)),
        trigger=config.trigger,
        intervals=config.intervals,
        inject=config.inject,
        known=known_events(config.known_events),
        match=config.known_events.match if config.known_events is not None else 0.0,
        threads=config.model.threads,
    )

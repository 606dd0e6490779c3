"""Events as notices: one JSON file each, with the field names of GCN's unified schema."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from polarbgb.config import Config
from polarbgb.io.atomic import atomic_folder

SCHEMA = "https://gcn.nasa.gov/schema/v6.1.0/gcn/notices/core/Event.schema.json"
"""Of the core schemas (https://github.com/nasa-gcn/gcn-schema), from which all fields are taken, the event's own."""

_DAY = 86_400.0


def write_gcn(folder: Path, events: pl.DataFrame, *, config: Config) -> int:
    """Write events into a folder, a file ``<name>.json`` each.

    Args:
        folder: made, or replaced with all that it holds.
        events: from the search.
        config: the instrument.

    Returns:
        How many files there are.

    Raises:
        UserError: if the folder cannot be written.
    """
    with atomic_folder(folder) as temporary:
        for event in events.iter_rows(named=True):
            text = json.dumps(notice(event, config), indent=2, ensure_ascii=False, allow_nan=False)
            (temporary / f"{event['name']}.json").write_text(text + "\n", encoding="utf-8")
    return len(events)


def notice(event: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """Return an event in the field names of GCN's core schemas; what is not known has no field.

    Rate, background and signal to noise are those of the bin in which the whole event is most significant, over its
    whole duration. The time of the notice is left to who sends it.

    Args:
        event: a row of the events, by column.
        config: the instrument.
    """
    best = max(range(len(event["counts"])), key=lambda number: event["significance_bin"][number])
    counts, background = event["counts"][best], event["background"][best]
    matched = event["matched"]
    trigger = event.get("t_trigger", event["t_start"])
    told: dict[str, Any] = {
        "$schema": SCHEMA,
        "mission": config.name,
        "instrument": config.name,
        "alert_tense": "archival",
        "event_name": [event["name"], matched] if matched else event["name"],
        "trigger_time": _utc(trigger),
        "trigger_type": "rate",
        "rate_snr": event["significance_bin"][best],
        "rate_duration": event["duration"],
        "net_count_rate": (counts - background) / event["duration"],
        "background_count_rate": background / event["duration"],
    }
    if not math.isnan(event["t90"]):
        told["t90"] = event["t90"]
    if "far" in event:
        told["far"] = event["far"] / _DAY
        told["classification"] = {event["class"]: event["probability"], "false alarm": 1 - event["probability"]}
    shell = event.get("l_shell")
    if shell is not None and math.isfinite(shell):  # far out it is infinite, which JSON cannot say
        told |= {"mcilwain_l": shell, "geoloc_time": _utc(event["t_peak"])}
    told["additional_info"] = (
        f"{event['class']} by the rule '{event['class_rule']}'; from {_utc(event['t_start'])} "
        f"to {_utc(event['t_stop'])}; rates of {config.rates.titles[best]}"
        f"{'; far is an upper limit' if event.get('far_limit') else ''}"
    )
    return told


def _utc(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

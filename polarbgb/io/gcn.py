"""Events as notices: one JSON file per event, with the field names of GCN's unified schema."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from polarbgb.io.atomic import atomic_folder

SCHEMA = "https://gcn.nasa.gov/schema/v6.1.0/gcn/notices/core/Event.schema.json"
"""The event schema, one of the core schemas (https://github.com/nasa-gcn/gcn-schema) that define all fields."""

_DAY = 86_400.0
"""s"""


def write_gcn(folder: Path, events: pl.DataFrame, *, instrument: str, titles: Sequence[str]) -> int:
    """Write events into a folder, one file ``<name>.json`` per event.

    Args:
        folder: created, or replaced together with its contents.
        events: from the search.
        instrument: name of the instrument.
        titles: (bins,) titles of the bins.

    Returns:
        The number of files.

    Raises:
        UserError: if the folder cannot be written.
    """
    with atomic_folder(folder) as temporary:
        for event in events.iter_rows(named=True):
            text = json.dumps(notice(event, instrument, titles), indent=2, ensure_ascii=False, allow_nan=False)
            (temporary / f"{event['name']}.json").write_text(text + "\n", encoding="utf-8")
    return len(events)


def notice(event: Mapping[str, Any], instrument: str, titles: Sequence[str]) -> dict[str, Any]:
    """Return an event in the field names of GCN's core schemas, without fields for unknown values.

    Rate, background and signal-to-noise ratio are those of the bin in which the whole event is most significant, over
    its whole duration. The time of the notice is left to the sender.

    Args:
        event: a row of the events, by column.
        instrument: name of the instrument.
        titles: (bins,) titles of the bins.
    """
    best = max(range(len(event["counts"])), key=lambda i_bin: event["significance_bin"][i_bin])
    counts, background = event["counts"][best], event["background"][best]
    matched = event["matched"]
    trigger = event.get("t_trigger", event["t_start"])
    fields: dict[str, Any] = {
        "$schema": SCHEMA,
        "mission": instrument,
        "instrument": instrument,
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
        fields["t90"] = event["t90"]
    if "far" in event:
        fields["far"] = event["far"] / _DAY
        fields["classification"] = {event["class"]: event["probability"], "false alarm": 1 - event["probability"]}
    l_shell = event.get("l_shell")
    if l_shell is not None and math.isfinite(l_shell):  # JSON has no infinity, its value far from the Earth
        fields |= {"mcilwain_l": l_shell, "geoloc_time": _utc(event["t_peak"])}
    fields["additional_info"] = (
        f"{event['class']} by the rule '{event['class_rule']}'; from {_utc(event['t_start'])} "
        f"to {_utc(event['t_stop'])}; rates of {titles[best]}"
        f"{'; far is an upper limit' if event.get('far_limit') else ''}"
    )
    return fields


def _utc(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

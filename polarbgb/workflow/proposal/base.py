"""The settings of a known instrument, as far as they fit the file of another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from polarbgb.config.columns import expanded
from polarbgb.expressions import parse
from polarbgb.features.position import FIELD_NAMES, PLACE_NAMES
from polarbgb.workflow.proposal.propose import Proposal

Exists = Callable[[str], bool]

_OF_BINS = re.compile(r"\b(?:excess|share)\[|\bhardness\b")
"""What expressions of classes read of the bins."""


def with_base(base: Mapping[str, Any], proposal: Proposal) -> Proposal:
    """Return the settings of an instrument where they fit a file, and what was proposed for it elsewhere.

    Sections that name columns fit if the file has these columns; lists of columns are reduced to those that it has.
    If the rates do not fit, nothing is taken that depends on the bins.

    Args:
        base: nested tables of the instrument.
        proposal: for the file, with the names of its columns.
    """
    own, has = proposal.settings, proposal.has
    derived: dict[str, str] = {}
    for name, text in base.get("derived", {}).items():
        if all(column in derived or has(column) for column in parse(text).columns):
            derived[name] = text

    def known(column: str) -> bool:
        return column in derived or has(column)

    settings: dict[str, Any] = {key: value for key, value in base.items() if key not in own} | {"name": own["name"]}
    same_bins = _fits_rates(base["rates"], known)
    settings["input"] = own["input"]
    settings["rates"] = _with_live_time(base["rates"], own) if same_bins else own["rates"]
    settings["derived"] = {**derived, **own.get("derived", {})}
    settings["features"] = _features(base["features"], own["features"], settings["rates"], known)
    position = base.get("position", {})
    if position and all(known(column) for column in _columns(position)):
        settings["position"] = position
    elif "position" in own:
        settings["position"] = own["position"]
    else:
        settings.pop("position", None)
    for section in ("orbit", "folds", "intervals", "trigger", "classes"):
        settings[section] = {**own.get(section, {}), **base.get(section, {})}
    settings["intervals"]["context"] = [c for c in settings["intervals"].get("context", ()) if known(c)]
    filters = base.get("filters", {})
    settings["filters"] = {name: text for name, text in filters.items() if all(map(known, parse(text).columns))}
    dropped = [f"filters.{name}" for name in filters if name not in settings["filters"]]
    dropped += _without_bins(settings, own) if not same_bins else []
    absent = {column for column in base.get("intervals", {}).get("context", ()) if not known(column)}
    place = settings.get("position", {})
    absent |= {*(() if place else PLACE_NAMES), *(() if "field" in place else FIELD_NAMES)}
    dropped += _without_columns(settings, absent, bins=same_bins)
    notes = dict(proposal.notes)
    if dropped:
        listed = ", ".join(dropped)
        notes["name"] = (*notes.get("name", ()), f"CHECK: settings of {base['name']} that do not fit: {listed}.")
    return replace(proposal, settings={key: value for key, value in settings.items() if value != {}}, notes=notes)


def _fits_rates(rates: Mapping[str, Any], known: Exists) -> bool:
    columns = expanded([*rates.get("values", ()), *rates.get("counts", ()), *rates.get("errors", ())])
    exposure = rates.get("exposure")
    read = parse(exposure).columns if isinstance(exposure, str) else ()
    return all(map(known, (*columns, *read)))


def _with_live_time(rates: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rates of the instrument, with the live time proposed if that of the instrument is a row of another."""
    exposure = rates.get("exposure")
    if not isinstance(exposure, int | float) or exposure <= own["input"]["cadence"]:
        return dict(rates)
    proposed = own["rates"].get("exposure")
    return {**rates, "exposure": proposed} if proposed else {k: v for k, v in rates.items() if k != "exposure"}


def _features(
    base: Mapping[str, Any], own: Mapping[str, Any], rates: Mapping[str, Any], known: Exists
) -> Mapping[str, Any]:
    """Return the features of the instrument that the file has, or those proposed if there are none."""
    related = set(rates.get("related", ()))
    columns = [column for column in base["columns"] if known(column) and column not in related]
    if not columns:
        return own
    history = [entry for entry in base.get("history", ()) if all(map(known, entry["columns"]))]
    return {**base, "columns": columns, **({"history": history} if "history" in base else {})}


def _columns(position: Mapping[str, Any]) -> list[str]:
    return [column for value in position.values() for column in ([value] if isinstance(value, str) else value)]


def _without_bins(settings: dict[str, Any], own: Mapping[str, Any]) -> list[str]:
    """Remove, in place, settings of the bins, and return their keys."""
    settings["intervals"] = {**settings["intervals"], "more_than": own["intervals"]["more_than"]}
    gone = ["trigger.sums"] if settings["trigger"].pop("sums", None) else []
    if "inject" in settings and "spectra" in settings["inject"]:
        settings["inject"] = {key: value for key, value in settings["inject"].items() if key != "spectra"}
        gone.append("inject.spectra")
    return gone


def _without_columns(settings: dict[str, Any], absent: set[str], *, bins: bool) -> list[str]:
    """Remove, in place, the classes that read columns which events do not have, and return their names.

    Args:
        settings: of the instrument.
        absent: columns of the instrument that the file does not give.
        bins: whether the bins are those of the instrument.
    """

    def holds(text: str) -> bool:
        return not absent & parse(text).columns and (bins or not _OF_BINS.search(text))

    classes, gone = settings["classes"], []
    if "hardness" in classes and not holds(classes["hardness"]):
        del classes["hardness"]
        absent.add("hardness")
        gone.append("classes.hardness")
    for kind in ("rules", "flags"):
        lost = [name for name, text in classes.get(kind, {}).items() if not holds(text)]
        if lost:
            classes[kind] = {name: text for name, text in classes[kind].items() if name not in lost}
            gone += [f"classes.{kind}.'{name}'" for name in lost]
    return gone

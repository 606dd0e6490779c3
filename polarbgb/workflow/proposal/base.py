"""The settings of a known instrument, as far as they fit the file of another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from polarbgb.config.columns import expanded
from polarbgb.expressions import parse
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
    settings["rates"] = base["rates"] if same_bins else own["rates"]
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
    dropped = [name for name in filters if name not in settings["filters"]]
    if not same_bins:
        dropped += _without_bins(settings, own)
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
    """Remove, in place, what depends on the bins, and return the keys and classes that are gone."""
    settings["intervals"] = {**settings["intervals"], "more_than": own["intervals"]["more_than"]}
    gone = ["trigger.sums"] if settings["trigger"].pop("sums", None) else []
    if "inject" in settings and "spectra" in settings["inject"]:
        settings["inject"] = {key: value for key, value in settings["inject"].items() if key != "spectra"}
        gone.append("inject.spectra")
    classes = settings["classes"]
    if classes.pop("hardness", None):
        gone.append("classes.hardness")
    for kind in ("rules", "flags"):
        lost = [name for name, text in classes.get(kind, {}).items() if _OF_BINS.search(text)]
        if lost:
            classes[kind] = {name: text for name, text in classes[kind].items() if name not in lost}
            gone += [f"classes.{kind}.'{name}'" for name in lost]
    return gone

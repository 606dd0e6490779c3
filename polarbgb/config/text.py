"""Configurations as text: resolved, as a template for another detector, and the list of all keys.

Meanings, types and defaults of the keys are read from :mod:`polarbgb.config`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from types import MappingProxyType
from typing import Any

import tomlkit

from polarbgb.config import Config

_INSTRUMENT = (
    "",
    "input",
    "rates",
    "derived",
    "filters",
    "features",
    "features.history",
    "position",
    "orbit",
    "known_events",
)
"""Sections that a new configuration shows with every key; ``""`` stands for the keys before all sections."""

_LINE_LENGTH = 100
_PER_LINE = 6
"""Elements of a list per line."""


@dataclass(frozen=True)
class Key:
    """A key of a section.

    Attributes:
        name: without the section.
        type: in words, with the limits of the value.
        required: whether it must be given.
        default: as plain values; None if there is none.
        meaning: its description, with the unit.
    """

    name: str
    type: str
    required: bool
    default: Any
    meaning: str


@dataclass(frozen=True)
class SectionText:
    """A section of the configuration.

    Attributes:
        name: ``"features.history"``; ``""`` for the keys before all sections.
        meaning: its description.
        keys: in order.
        repeated: whether there can be several, as ``[[features.history]]``.
        free: whether the user chooses the keys; then ``keys`` is empty.
        optional: whether it can be left out.
    """

    name: str
    meaning: str
    keys: tuple[Key, ...]
    repeated: bool = False
    free: bool = False
    optional: bool = True


def sections() -> Iterator[SectionText]:
    """Yield every section of the configuration, in the order of :class:`polarbgb.config.Config`."""
    schema = Config.model_json_schema()
    yield from _sections("", schema, schema["$defs"])


def _sections(name: str, schema: Mapping[str, Any], shared: Mapping[str, Any], **kind: bool) -> Iterator[SectionText]:
    required = schema.get("required", ())
    keys, inner = [], []
    for key, field in schema["properties"].items():
        reference = _reference(field)
        full = f"{name}.{key}" if name else key
        if reference:
            section = shared[reference]
            inner += [*_sections(full, section, shared, repeated="items" in field, optional=key not in required)]
        elif not name and "additionalProperties" in field:
            inner.append(SectionText(full, _sentence(field["description"]), (), free=True))
        else:
            keys.append(Key(key, _type(field), key in required, field.get("default"), field["description"]))
    yield SectionText(name, _sentence(schema["description"]) if name else "", tuple(keys), **kind)
    yield from inner


def portable(config: Config) -> Config:
    """Return a configuration without the folders of its files, so that it reveals no local paths."""
    names = tuple(Path(path.name) for path in config.input.path)
    changed: dict[str, Any] = {"input": config.input.model_copy(update={"path": names})}
    if config.known_events is not None:
        file = Path(config.known_events.file.name)
        changed["known_events"] = config.known_events.model_copy(update={"file": file})
    return config.model_copy(update=changed)


def to_toml(config: Config) -> str:
    """Return a configuration as TOML with every default; keys without a value are left out."""
    return tomlkit.dumps(config.model_dump(mode="json", exclude_none=True))


def new_configuration(
    base: Mapping[str, Any],
    *,
    remarks: Sequence[str] = (),
    notes: Mapping[str, Sequence[str]] = MappingProxyType({}),
    complete: bool = True,
) -> str:
    """Return a configuration to edit: the settings of ``base``, each below a comment that explains it.

    Args:
        base: nested tables as TOML gives them.
        remarks: lines of the comment at the top.
        notes: remarks on keys or sections by their names, such as ``input.time``, each a comment above it.
        complete: show every key of the sections that describe an instrument, those that ``base`` does not set
            commented out with their default; if not, only what ``base`` sets or ``notes`` are about.

    Returns:
        TOML.
    """
    lines = [f"# {line}".rstrip() for line in remarks]
    for section in sections():
        given = _given(base, section.name)
        noted = any(f"{section.name}.{key.name}" in notes for key in section.keys) or section.name in notes
        if given or noted or (complete and section.name in _INSTRUMENT):
            for values in given or [{}]:
                whole = (complete and section.name in _INSTRUMENT) or not given
                lines += _section(section, values, notes, live=bool(given), complete=whole)
    lines += [
        "",
        "# All other settings have defaults: 'polarbgb config show -c THIS_FILE' prints them,",
        "# docs/configuration.md explains them.",
    ]
    return "\n".join(lines) + "\n"


def value_text(value: object) -> str:
    """Return a plain value as TOML writes it, on one line."""
    if isinstance(value, Mapping) and value:
        return "{ " + ", ".join(f"{key_text(key)} = {value_text(entry)}" for key, entry in value.items()) + " }"
    return "{}" if value == {} else tomlkit.item(value).as_string()


def key_text(name: str) -> str:
    """Return a key as TOML writes it, with quotes if needed."""
    return tomlkit.key(name).as_string()


def _section(
    section: SectionText, values: Mapping[str, Any], notes: Mapping[str, Sequence[str]], *, live: bool, complete: bool
) -> Iterator[str]:
    """Yield the lines of a section; if not ``live``, its header is a comment too."""

    def noted(name: str) -> Iterator[str]:
        for note in notes.get(name, ()):
            yield from _comment(note)

    yield ""
    if section.name:
        yield from _comment(section.meaning)
        yield from noted(section.name)
        header = f"[[{section.name}]]" if section.repeated else f"[{section.name}]"
        yield header if live else f"# {header}"
    if section.free:
        yield from (f"{key_text(name)} = {value_text(value)}" for name, value in values.items())
    for key in section.keys:
        value, full = values.get(key.name), f"{section.name}.{key.name}"
        if value is None and (complete or full in notes):
            yield from _comment(key.meaning)
            yield from noted(full)
            yield f"# {key.name} = {'' if key.default is None else value_text(key.default)}".rstrip()
        elif value is not None and not isinstance(value, Mapping):
            yield from _comment(f"{key.meaning} (required)" if key.required else key.meaning)
            yield from noted(full)
            yield f"{key.name} = {_wrapped(value)}"
    for key in section.keys:  # last, because the header of a table ends the section
        value = values.get(key.name)
        if isinstance(value, Mapping):
            yield ""
            yield from _comment(key.meaning)
            yield from noted(f"{section.name}.{key.name}")
            yield f"[{section.name}.{key.name}]"
            yield from (f"{key_text(name)} = {value_text(entry)}" for name, entry in value.items())


def _comment(text: str) -> Iterator[str]:
    for line in wrap(text, _LINE_LENGTH):
        yield f"# {line}"


def _wrapped(value: object) -> str:
    """Return a value as TOML, with a long list over several lines."""
    if isinstance(value, list) and len(value) > _PER_LINE:
        rows = [value[first : first + _PER_LINE] for first in range(0, len(value), _PER_LINE)]
        return "[\n" + "".join(f"    {', '.join(map(value_text, row))},\n" for row in rows) + "]"
    return value_text(value)


def _given(base: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the tables of a section in ``base``: one, several if it is repeated, or none."""
    section: Any = base
    for key in name.split(".") if name else ():
        section = section.get(key)
        if section is None:
            return []
    return list(section) if isinstance(section, list) else [section]


def _reference(field: Mapping[str, Any]) -> str | None:
    """Return the name of the section that a field refers to, if any."""
    for schema in (field, field.get("items", {}), *field.get("anyOf", ())):
        if "$ref" in schema:
            return str(schema["$ref"]).rpartition("/")[2]
    return None


def _type(field: Mapping[str, Any]) -> str:
    """Return the type of a field in words."""
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"] if option.get("type") != "null")
    if "enum" in field:
        return " or ".join(value_text(value) for value in field["enum"])
    match field["type"]:
        case "array" if "prefixItems" in field:
            return f"list of {len(field['prefixItems'])}: {_type(field['prefixItems'][0])}"
        case "array":
            return f"list: {_type(field['items'])}"
        case "object":
            return f"table: {_type(field['additionalProperties'])}"
        case "string":
            return "path" if field.get("format") == "path" else "text"
        case kind:
            return " ".join([{"integer": "whole number"}.get(kind, kind), *_limits(field)])


def _limits(field: Mapping[str, Any]) -> Iterator[str]:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {field[name]:g}" for name, sign in signs.items() if name in field and abs(field[name]) < 2**31]
    if limits:
        yield ", ".join(limits)


def _sentence(text: str) -> str:
    """Return a description as one sentence on one line, with single backticks."""
    text = " ".join(text.replace("``", "`").split())
    return text[0].upper() + text[1:].removesuffix(".") + "."

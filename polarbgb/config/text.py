"""Configurations as text: resolved, begun for another detector, and the list of all keys.

What a key means, its type and its default stand in :mod:`polarbgb.config` alone; this is read from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
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
"""Sections of which a beginner sees every key; ``""`` is what stands before all sections."""

_WIDE = 100
_ABREAST = 6
"""Elements of a list on one line."""


@dataclass(frozen=True)
class Key:
    """A key of a section.

    Attributes:
        name: without the section.
        type: in words, with the limits of its value.
        required: whether it has to be given.
        default: as plain values; None where nothing stands for it.
        meaning: what it is, with its unit.
    """

    name: str
    type: str
    required: bool
    default: Any
    meaning: str


@dataclass(frozen=True)
class Part:
    """A section of the configuration.

    Attributes:
        name: ``"features.history"``; ``""`` for the keys before all sections.
        meaning: what it is.
        keys: in order.
        repeated: whether there may be several, as ``[[features.history]]``.
        free: whether the keys are the user's own names; then ``keys`` is empty.
        optional: whether it may be left out.
    """

    name: str
    meaning: str
    keys: tuple[Key, ...]
    repeated: bool = False
    free: bool = False
    optional: bool = True


def parts() -> Iterator[Part]:
    """Yield every section of the configuration, in the order of :class:`polarbgb.config.Config`."""
    schema = Config.model_json_schema()
    yield from _parts("", schema, schema["$defs"])


def _parts(name: str, schema: Mapping[str, Any], shared: Mapping[str, Any], **kind: bool) -> Iterator[Part]:
    required = schema.get("required", ())
    keys, inner = [], []
    for key, field in schema["properties"].items():
        reference = _reference(field)
        full = f"{name}.{key}" if name else key
        if reference:
            section = shared[reference]
            inner += [*_parts(full, section, shared, repeated="items" in field, optional=key not in required)]
        elif not name and "additionalProperties" in field:
            inner.append(Part(full, _sentence(field["description"]), (), free=True))
        else:
            keys.append(Key(key, _type(field), key in required, field.get("default"), field["description"]))
    yield Part(name, _sentence(schema["description"]) if name else "", tuple(keys), **kind)
    yield from inner


def portable(config: Config) -> Config:
    """Return a configuration without the folders of its files: what is sent away tells nobody's disk."""
    changed: dict[str, Any] = {"input": config.input.model_copy(update={"path": Path(config.input.path.name)})}
    if config.known_events is not None:
        file = Path(config.known_events.file.name)
        changed["known_events"] = config.known_events.model_copy(update={"file": file})
    return config.model_copy(update=changed)


def to_toml(config: Config) -> str:
    """Return a configuration with every default written out; keys that hold nothing are left out."""
    return tomlkit.dumps(config.model_dump(mode="json", exclude_none=True))


def new_configuration(base: Mapping[str, Any], *, remarks: Sequence[str] = ()) -> str:
    """Return a configuration to be edited: what ``base`` sets, each key under a comment that says what it is.

    Of the sections that describe an instrument every key stands there, those that ``base`` does not set as a comment
    with their default; of the others what ``base`` sets.

    Args:
        base: nested tables as TOML gives them.
        remarks: lines of the comment that it begins with.

    Returns:
        TOML.
    """
    lines = [f"# {line}".rstrip() for line in remarks]
    for part in parts():
        given = _given(base, part.name)
        if given or part.name in _INSTRUMENT:
            for values in given or [{}]:
                lines += _section(part, values, live=bool(given))
    lines += [
        "",
        "# All other settings have defaults: 'polarbgb config show -c THIS_FILE' prints them,",
        "# docs/configuration.md says what they are.",
    ]
    return "\n".join(lines) + "\n"


def value_text(value: object) -> str:
    """Return a plain value as TOML writes it, on one line."""
    if isinstance(value, Mapping) and value:
        return "{ " + ", ".join(f"{key_text(key)} = {value_text(entry)}" for key, entry in value.items()) + " }"
    return "{}" if value == {} else tomlkit.item(value).as_string()


def key_text(name: str) -> str:
    """Return a key as TOML writes it, quoted where it has to be."""
    return tomlkit.key(name).as_string()


def _section(part: Part, values: Mapping[str, Any], *, live: bool) -> Iterator[str]:
    """Yield the lines of a section; one that is not live is a comment as a whole."""
    yield ""
    if part.name:
        yield from _comment(part.meaning)
        header = f"[[{part.name}]]" if part.repeated else f"[{part.name}]"
        yield header if live else f"# {header}"
    if part.free:
        yield from (f"{key_text(name)} = {value_text(value)}" for name, value in values.items())
    for key in part.keys:
        value = values.get(key.name)
        if value is None and part.name in _INSTRUMENT:
            yield from _comment(key.meaning)
            yield f"# {key.name} = {'' if key.default is None else value_text(key.default)}".rstrip()
        elif value is not None and not isinstance(value, Mapping):
            yield from _comment(f"{key.meaning} (required)" if key.required else key.meaning)
            yield f"{key.name} = {_broken(value)}"
    for key in part.keys:  # after all others: a table's header ends the section
        value = values.get(key.name)
        if isinstance(value, Mapping):
            yield ""
            yield from _comment(key.meaning)
            yield f"[{part.name}.{key.name}]"
            yield from (f"{key_text(name)} = {value_text(entry)}" for name, entry in value.items())


def _comment(text: str) -> Iterator[str]:
    for line in wrap(text, _WIDE):
        yield f"# {line}"


def _broken(value: object) -> str:
    """Write a value, a long list over several lines."""
    if isinstance(value, list) and len(value) > _ABREAST:
        rows = [value[first : first + _ABREAST] for first in range(0, len(value), _ABREAST)]
        return "[\n" + "".join(f"    {', '.join(map(value_text, row))},\n" for row in rows) + "]"
    return value_text(value)


def _given(base: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return what ``base`` holds of a section: one table, several of a repeated one, or none."""
    found: Any = base
    for step in name.split(".") if name else ():
        found = found.get(step)
        if found is None:
            return []
    return list(found) if isinstance(found, list) else [found]


def _reference(field: Mapping[str, Any]) -> str | None:
    """Return the name of the section that a field holds."""
    for one in (field, field.get("items", {}), *field.get("anyOf", ())):
        if "$ref" in one:
            return str(one["$ref"]).rpartition("/")[2]
    return None


def _type(field: Mapping[str, Any]) -> str:
    """Say in words what values a field takes."""
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"] if one.get("type") != "null")
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
    found = [f"{sign} {field[name]:g}" for name, sign in signs.items() if name in field and abs(field[name]) < 2**31]
    if found:
        yield ", ".join(found)


def _sentence(text: str) -> str:
    """Begin with a capital letter, end with a full stop, on one line, without the marks of code."""
    text = " ".join(text.replace("``", "`").split())
    return text[0].upper() + text[1:].removesuffix(".") + "."

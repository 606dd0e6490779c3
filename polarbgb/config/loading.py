"""Loading of configurations: reading, overriding single keys, and validation."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from polarbgb.config.schema import Config
from polarbgb.config.types import Section
from polarbgb.errors import ConfigError, nearest

_Model = TypeVar("_Model", bound=Section)


def shipped(name: str) -> Path:
    """Return the path of a file that comes with the package, such as ``configs/polar.toml``.

    In a wheel these files are inside the package, in a checkout next to it.
    """
    package = Path(__file__).parents[1]
    inside = package / name
    return inside if inside.exists() else package.parent / name


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read and validate a configuration.

    Args:
        path: TOML file; ``configs/polar.toml`` and the other shipped files are taken from the package if the current
            folder has none.
        overrides: ``section.key=value`` settings; a value that is not TOML is taken as text.

    Returns:
        The configuration, with the path of the known events resolved.

    Raises:
        ConfigError: if the file is missing or not TOML, or a key or value is wrong.
    """
    path = Path(path)
    if path.is_char_device() or path.is_block_device():
        raise ConfigError(f"{path} is a device, not a configuration; see configs/polar.toml for a complete one")
    if not path.exists() and path.parent == Path("configs") and shipped(path.as_posix()).exists():
        path = shipped(path.as_posix())
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no configuration at {path}; see configs/polar.toml for a complete one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a configuration ({error})") from error
    except (ValueError, RecursionError) as error:  # tomllib raises these for numbers of 5000 digits or as many brackets
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    for text in overrides:
        override(raw, text)
    known = raw.get("known_events")
    if isinstance(known, dict) and isinstance(known.get("file"), str) and "\0" not in known["file"]:
        file = (path.parent / known["file"]).resolve()
        # A copy of a shipped configuration still finds the shipped list.
        fallback = shipped(f"data/{file.name}")
        known["file"] = str(fallback if not file.exists() and fallback.exists() else file)
    return validate(raw, where=str(path))


def validate(raw: Mapping[str, Any], *, where: str) -> Config:
    """Build a configuration from plain values; see :func:`build`."""
    return build(Config, raw, where=where)


def build(model: type[_Model], raw: Mapping[str, Any], *, where: str) -> _Model:
    """Build a section from plain values.

    Args:
        model: class of the section.
        raw: nested tables as TOML gives them.
        where: name of the file, for messages.

    Raises:
        ConfigError: naming the first wrong key or value; for a misspelt key the closest known one is suggested.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        # A misspelt key is often also a missing one; report the spelling.
        first = min(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
        location = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            *parents, key = first["loc"]
            known = _keys(model, parents)
            message = f"unknown key '{location}'{nearest(str(key), known)}"
        elif first["type"] == "missing":
            message = f"'{location}' is missing"
        else:
            reason = first["msg"].removeprefix("Value error, ")
            message = f"{location}: {reason}" if location else reason
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ConfigError(f"{where}: {message}{more}") from error


def _keys(model: type[BaseModel], parents: Sequence[str | int]) -> list[str]:
    """Return the keys of the section at a path of keys."""
    for part in parents:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(str(part))
        if field is None:
            return []
        sections = [t for t in _types(field.annotation) if isinstance(t, type) and issubclass(t, Section)]
        if not sections:
            return []
        model = sections[0]
    return list(model.model_fields)


def _types(annotation: Any) -> list[Any]:  # noqa: ANN401 - typing objects have no common type
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(t for a in inner for t in _types(a))]


def override(raw: dict[str, Any], text: str, *, form: str = "section.key=value") -> None:
    """Replace one setting in plain values, in place.

    Args:
        raw: nested tables as TOML gives them.
        text: as ``section.key=value``; a value that is not TOML is taken as text.
        form: how to write a setting, for messages.

    Raises:
        ConfigError: if the text has another form.
    """
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {text}: write it as {form}")
    table: Any = raw
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {text}: '{part}' is not a section")
    try:
        parsed = tomllib.loads(f"value = {value}")
        table[parts[-1]] = parsed["value"] if len(parsed) == 1 else value  # several lines may set more than one
    except (ValueError, RecursionError):
        table[parts[-1]] = value.strip()

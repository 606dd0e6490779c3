"""Types of the values of settings, and the base class of the sections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from polarbgb.config.columns import expanded
from polarbgb.errors import ConfigError
from polarbgb.expressions import Expression, parse


def file_name(value: object) -> object:
    """Return what may name a file.

    Raises:
        ValueError: if it is empty, which as a path would be the current folder, or holds a null character.
    """
    if value == "":
        raise ValueError("the name of a file is empty")
    if "\0" in str(value):
        raise ValueError("a file name cannot hold a null character")
    return value


# Strict: neither true nor "3" is a number. The libraries use integers up to 2**31.
Positive = Annotated[float, Field(strict=True, gt=0, lt=2**31, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, lt=2**31, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
Count = Annotated[int, Field(strict=True, ge=1, lt=2**31)]
Fraction = Annotated[float, Field(strict=True, gt=0, le=1)]
Device = Literal["cpu", "cuda"]
Name = Annotated[str, Field(min_length=1)]
Columns = Annotated[tuple[Name, ...], AfterValidator(expanded)]
Paths: TypeAlias = str | Path | Sequence[str | Path]
"""A file, a pattern such as ``"day*.root"``, a folder, or several of them: together one mission."""
File = Annotated[Path, BeforeValidator(file_name)]


class Section(BaseModel):
    """A frozen section of the configuration that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parsed(where: str, text: str) -> Expression:
    """Parse an expression of a configuration.

    Raises:
        ConfigError: if it is wrong; the message begins with the key, ``where``.
    """
    try:
        return parse(text)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error

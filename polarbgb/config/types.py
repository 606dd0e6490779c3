"""Types of values that settings have, and what all sections of a configuration share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from polarbgb.errors import UserError
from polarbgb.expressions import Expression, parse


def _without_null(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("a file name cannot hold a null character")
    return path


# Strict: neither true nor "3" is a number. 2**31 is what the libraries' integers hold.
Positive = Annotated[float, Field(strict=True, gt=0, lt=2**31, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, lt=2**31, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
Count = Annotated[int, Field(strict=True, ge=1, lt=2**31)]
Fraction = Annotated[float, Field(strict=True, gt=0, le=1)]
Device = Literal["cpu", "cuda"]
Name = Annotated[str, Field(min_length=1)]
File = Annotated[Path, AfterValidator(_without_null)]


class Section(BaseModel):
    """A frozen part of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parsed(where: str, text: str) -> Expression:
    """Parse an expression of a configuration.

    Raises:
        UserError: if it is wrong; the message names the key, ``where``.
    """
    try:
        return parse(text)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error

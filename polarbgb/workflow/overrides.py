"""The configuration of a run with the settings that can change after the fit."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from polarbgb.config import Config
from polarbgb.errors import UserError
from polarbgb.runs.folder import RunFolder


def overridden(
    run: RunFolder, overrides: Sequence[str], *, sections: tuple[str, ...], told: str, fixed: Collection[str] = ()
) -> Config:
    """Return the configuration of a run with some settings replaced.

    Args:
        run: the run folder.
        overrides: ``section.key=value`` settings.
        sections: names of the sections that can change.
        told: what these are, for the message.
        fixed: keys of them that may not.

    Raises:
        UserError: if another setting is asked for, or a value is wrong.
    """
    for text in overrides:
        key = text.partition("=")[0].strip()
        if key.partition(".")[0] not in sections or "." not in key or key in fixed:
            raise UserError(f"--set {text}: only {told} can change after the fit")
    return run.config(overrides)

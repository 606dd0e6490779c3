"""Errors that a user can correct; the command line prints them on one line and exits with code 2."""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 200
"""Characters; comparing longer names takes seconds, and they are not typing errors."""


class UserError(Exception):
    """An error that the user can correct: the message says what is wrong, where, and what to do."""


class ConfigError(UserError):
    """A configuration file, a setting or an expression is wrong."""


class InputError(UserError):
    """A file of data is missing, damaged, or does not fit the configuration."""


class RunError(UserError):
    """A run folder is in use, incomplete, damaged, or cannot be written."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known name closest to ``name``, or an empty string.

    Example:
        >>> nearest("glatt", ["glat", "glon"])
        " (did you mean 'glat'?)"
    """
    close = get_close_matches(name, list(known), n=1) if len(name) <= _LONGEST else []
    return f" (did you mean '{close[0]}'?)" if close else ""

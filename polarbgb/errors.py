"""Errors that a user can cause and mend; the command line prints them as one line and exits with 2."""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 200
"""Characters: to compare longer names takes seconds, and they are no slips of the pen."""


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known name closest to ``name``, or an empty string.

    Example:
        >>> nearest("glatt", ["glat", "glon"])
        " (did you mean 'glat'?)"
    """
    close = get_close_matches(name, list(known), n=1) if len(name) <= _LONGEST else []
    return f" (did you mean '{close[0]}'?)" if close else ""

"""Let mkdocstrings read the section ``Example:`` of a docstring as it reads ``Examples:``."""

from __future__ import annotations

import re

import griffe


class Examples(griffe.Extension):
    """Rename the section, so that doctests are shown as code."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rename the section in the docstring of an object, if it has one."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)

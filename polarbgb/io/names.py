"""Names of columns and trees in formats that cannot hold every name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Names that ROOT can draw and read into an RDataFrame, and that the FITS standard recommends."""

LINE = re.compile(r"(?! )[^\x00-\x1f\x7f\"]+(?<! )")
"""Names that stand in the header of a CSV or ECSV file: of one line, without quotes and without blanks around them."""


def replaced(names: Sequence[str], held: re.Pattern[str], *, taken: Collection[str] = ()) -> dict[str, str]:
    """Return readable substitutes for the names that a format cannot hold.

    Args:
        names: different names.
        held: matches the names that the format holds. Those that differ from another by case alone are replaced too,
            because FITS and databases do not tell them apart.
        taken: further names that the file has.

    Returns:
        The substitutes, each used once, by the names that they replace.

    Example:
        >>> replaced(["glat", "temp<1>", "orbit.glat", "Größe", "temp 1"], WORD)
        {'temp<1>': 'temp_1', 'orbit.glat': 'orbit_glat', 'Größe': 'Grosse', 'temp 1': 'temp_1_2'}
    """
    used = {name.lower() for name in taken}
    kept = set[str]()
    for name in names:
        if held.fullmatch(name) and name.lower() not in used:
            used.add(name.lower())
            kept.add(name)
    substitutes: dict[str, str] = {}
    for name in names:
        if name not in kept:
            number, stem = 1, word(name)
            substitute = stem
            while substitute.lower() in used:
                number += 1
                substitute = f"{stem}_{number}"
            used.add(substitute.lower())
            substitutes[name] = substitute
    return substitutes


def word(name: str) -> str:
    """Return a name as a word of ASCII letters, digits and underscores, the name itself if it is one.

    Example:
        >>> word("hk/temp [C]"), word("1x"), word("温度")
        ('hk_temp_C', '_1x', 'column')
    """
    if WORD.fullmatch(name):
        return name
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    letters = "".join(character for character in plain if not unicodedata.combining(character))
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", letters).strip("_") or "column"
    return f"_{stem}" if stem[0].isdigit() else stem


def tree_word(tree: str) -> str:
    """Return the name of a tree as a word, without the folder it lies in and the number of its cycle.

    Example:
        >>> tree_word("day/rates;2")
        'rates'
    """
    return word(re.sub(r";\d+$", "", tree).rpartition("/")[2])

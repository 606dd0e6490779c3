"""Fields of RNTuples as arrays of numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from polarbgb.io.input.columns import Branch, LengthsVary, OpenTable
from polarbgb.io.input.jagged import measured, regular, smallest_and_largest

_SAMPLE = 100
"""First rows in which the length of a vector is measured."""


@dataclass
class NTuple(OpenTable):
    """An RNTuple."""

    content: Any = None
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, name: str, content: Any) -> Self:  # noqa: ANN401 - uproot has no types
        """Return the table of an RNTuple of uproot."""
        fields = {".".join(keys): keys for keys in _fields(content)}
        title, entries = f"RNTuple '{name}'", int(content.num_entries)
        return cls(path, name, title, "field", entries, fields, content=content, fields=fields)

    def branch(self, name: str) -> Branch:
        """Return the type of a field, and its shape, of a vector as in its first rows."""
        return Branch(name, self._type(name), measured(self._array(name, 0, min(_SAMPLE, self.entries))))

    def read(self, names: Collection[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return the values of fields in a range of rows."""
        arrays = {}
        for name in names:
            values = regular(self._array(name, start, stop))
            if values is None or (start and values.shape[1:] != self.branch(name).shape):
                raise LengthsVary(name)
            arrays[name] = values
        return arrays

    def lengths(self, name: str, start: int, stop: int) -> tuple[int, int] | None:
        """Return the smallest and the largest length of a vector in a range of rows."""
        if not self._type(name).startswith(("std::vector", "ROOT::RVec", "ROOT::VecOps::RVec")):
            return None
        return smallest_and_largest(self._array(name, start, stop))

    def _type(self, name: str) -> str:
        fields = self.content
        for key in self.fields[name]:
            fields = next(each for each in fields.fields if each.name == key)
        return str(fields.typename)

    def _array(self, name: str, start: int, stop: int) -> Any:  # noqa: ANN401
        first, *others = self.fields[name]
        (top,) = (each for each in self.content.fields if each.name == first)
        array = self.content.arrays(filter_field=lambda each: each is top, entry_start=start, entry_stop=stop)[first]
        for key in others:
            array = array[key]
        return array


def _fields(parent: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:  # noqa: ANN401
    """Yield the names from the top to each field of numbers or vectors."""
    for each in parent.fields:
        keys = (*above, each.name)
        if each.fields:
            yield from _fields(each, keys)
        else:
            yield keys

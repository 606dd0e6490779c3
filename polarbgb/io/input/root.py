"""Tables of ROOT files: TTrees with their friends, and RNTuples."""

from __future__ import annotations

import shlex
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from polarbgb.errors import InputError, nearest
from polarbgb.io.input.columns import OpenTable
from polarbgb.io.input.damage import damage_reported, regular_file
from polarbgb.io.input.ntuple import NTuple
from polarbgb.io.input.ttree import Tree

_TREES = {"TTree", "TNtuple", "TNtupleD"}
_NTUPLES = {"ROOT::RNTuple", "ROOT::Experimental::RNTuple"}


def trees(path: Path) -> list[str]:
    """Return the names of the TTrees and RNTuples of a file, with their folders."""
    with open_file(path) as file, damage_reported(path):
        return [name for name, kind in _classes(file).items() if kind in _TREES | _NTUPLES]


@contextmanager
def opened(path: Path, tree: str | None) -> Iterator[OpenTable]:
    """Open a TTree or an RNTuple; without a name the only one of the file."""
    with ExitStack() as stack:
        file = stack.enter_context(open_file(path))
        name = _only_tree(file, path) if tree is None else tree
        content = _content(file, path, name)
        with damage_reported(path):
            if hasattr(content, "ntuple"):
                table: OpenTable = NTuple.of(path, name, content)
            else:
                table = Tree.of(path, name, content, _friends(stack, path, content))
        yield table


@contextmanager
def open_file(path: Path) -> Iterator[Any]:
    """Open a ROOT file after checking that it is whole."""
    import uproot

    head, size = regular_file(path)
    if head[:4] != b"root":
        raise InputError(f"{path} is not a ROOT file{' but empty' if not head else ''}; name one with --input")
    stated_size = _stated_size(head)
    if size < stated_size:
        raise InputError(f"{path}: cut short, {size:,} of {stated_size:,} bytes; copy it again or recreate it")
    with damage_reported(path):
        # Friends are not part of the minimal metadata.
        file = uproot.open(path, minimal_ttree_metadata=False)
    with file:
        _require_closed(file, path, size)
        yield file


def _require_closed(file: Any, path: Path, size: int) -> None:  # noqa: ANN401 - uproot has no types
    """Check that the writer of a file wrote the list of its contents, as it does when it closes the file."""
    if file.fSeekKeys != 0:
        return
    header = file.file
    # Until then the header has no list of contents, of free space or of classes, but is otherwise whole.
    if header.fSeekFree or header.fSeekInfo or not 0 < header.fBEGIN == file.fSeekDir:
        raise InputError(
            f"{path}: damaged, the header does not say where the contents are; copy it again or recreate it"
        )
    raise InputError(f"{path}: {_not_closed(path, empty=size <= header.fEND)}")


def _not_closed(path: Path, *, empty: bool) -> str:
    """Return what to do about a file whose writer never wrote the list of its contents."""
    if empty:
        return "not closed by its writer, and nothing was written into it; recreate it"
    macro = f'TFile f("{path}","UPDATE")'
    return (
        f"not closed by its writer, which may still run or was killed; if it is gone, recover the file with ROOT: "
        f"root -l -b -q -e {shlex.quote(macro)}"
    )


def _stated_size(head: bytes) -> int:
    """Return the size of a ROOT file in bytes that its header, whose first bytes are given, states."""
    if len(head) < 20:
        return 63  # length of the shortest header
    (version,) = struct.unpack_from(">i", head, 4)
    # fEND: in files larger than 2 GB the version is larger by a million, and offsets have 8 bytes.
    return int(struct.unpack_from(">q" if version >= 1_000_000 else ">i", head, 12)[0])


def _classes(file: Any) -> dict[str, str]:  # noqa: ANN401 - uproot has no types
    """Return the class of each object by its name; of several cycles of a name there is one."""
    return dict(file.iterclassnames(recursive=True, cycle=False))


def _only_tree(file: Any, path: Path) -> str:  # noqa: ANN401
    with damage_reported(path):
        classes = _classes(file)
    names = [name for name, kind in classes.items() if kind in _TREES | _NTUPLES]
    if not names:
        raise InputError(f"{path}: no tree; the file holds {_listed(classes)}")
    if len(names) > 1:
        raise InputError(f"{path}: the file holds several trees, {', '.join(names)}; name one as input.tree")
    return names[0]


def _listed(classes: dict[str, str]) -> str:
    return ", ".join(sorted(classes)) or "nothing"


def _content(file: Any, path: Path, name: str) -> Any:  # noqa: ANN401
    """Return a TTree or an RNTuple in its newest cycle."""
    with damage_reported(path):
        classes = _classes(file)
    if name not in classes:
        raise InputError(
            f"{path}: no tree '{name}'{nearest(name, classes)}; the file holds {_listed(classes)} (input.tree)"
        )
    if classes[name] not in _TREES | _NTUPLES:
        raise InputError(f"{path}: '{name}' is a {classes[name]}, not a TTree or RNTuple; name one as input.tree")
    with damage_reported(path):
        *folders, own = name.split("/")
        for folder in folders:
            file = file.key(folder).get()
        return file.key(own).get()  # file[name] would take a colon for the end of a file's name


def _friends(stack: ExitStack, path: Path, ttree: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Return the friends of a TTree and of its friends: their aliases, and the trees or why they cannot be read."""
    waiting, seen = [(path, ttree)], {(path.resolve(), ttree.object_path)}
    while waiting:
        place, tree = waiting.pop(0)
        for element in tree.member("fFriends", none_if_missing=True) or ():
            alias, name, stated = (str(element.member(key)) for key in ("fName", "fTreeName", "fTitle"))
            try:
                where = _friend_file(place, stated, name)
                friend = _content(stack.enter_context(open_file(where)), where, name)
            except InputError as error:
                yield alias, f"friend '{alias}' cannot be read: {error}"
                continue
            if (where.resolve(), friend.object_path) in seen:
                continue
            seen.add((where.resolve(), friend.object_path))
            waiting.append((where, friend))
            yield alias, _unsuitable(alias, where, name, friend, ttree) or friend


def _friend_file(path: Path, stated: str, tree: str) -> Path:
    """Return the file of a friend: as stated, else beside the file, else the file itself if it was renamed."""
    if not stated:
        return path
    candidates = [Path(stated), path.parent / Path(stated).name]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    with open_file(path) as file:
        if tree in _classes(file):
            return path
    raise InputError(
        f"no file {' or '.join(map(str, dict.fromkeys(candidates)))}; put {Path(stated).name}, "
        f"which holds its tree '{tree}', beside {path}"
    )


def _unsuitable(alias: str, path: Path, name: str, friend: Any, ttree: Any) -> str | None:  # noqa: ANN401
    """Return why the rows of a friend are not those of the tree."""
    where = f"friend '{alias}' (tree '{name}' of {path})"
    if hasattr(friend, "ntuple"):
        return f"{where} is an RNTuple, which cannot be a friend of a TTree here; copy its columns into the tree"
    if friend.num_entries != ttree.num_entries:
        return f"{where} has {friend.num_entries:,} rows, the tree {ttree.num_entries:,}; recreate it row by row"
    if friend.member("fTreeIndex", none_if_missing=True) is not None:
        return f"{where} is matched by an index (BuildIndex), not row by row; copy its columns into the tree"
    return None

"""Files that are no input: cut, flipped, of another kind, or without what the configuration names."""

import os
import socket
import struct
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import toy
import uproot


def landmarks(path):
    """Return the first byte and the length of every record that reading needs."""
    with uproot.open(path) as file:
        tree = file[toy.TREE]
        key = file.key(toy.TREE)
        directory = file.file.root_directory
        streamers = file.file.fSeekInfo, file.file.fNbytesInfo
        keys = directory.fSeekKeys, directory.fNbytesKeys if hasattr(directory, "fNbytesKeys") else 200
        basket = (int(tree["temperature"].member(m)[0]) for m in ("fBasketSeek", "fBasketBytes"))
        return {
            "the streamer info": streamers,
            "the list of keys": keys,
            "the tree's header": (key.fSeekKey, key.fNbytes),
            "a basket": tuple(basket),
        }


def places():
    """Name the boundaries of a file: (record, share of it) or a byte."""
    bytes_of_header = [4, 5, 8, 12, 16, 30, 45, 63, 99, 100, 101, 160, 200]
    records = ["the streamer info", "the list of keys", "the tree's header", "a basket"]
    return [
        *((f"{cut} bytes of the header", None, cut) for cut in bytes_of_header),
        *((f"{share} of {record}", record, share) for record in records for share in (0.0, 0.1, 0.5, 0.9, 1.0)),
        ("all but the last byte", None, -1),
        ("all but the last 100 bytes", None, -100),
    ]


@pytest.mark.parametrize(("record", "share"), [p[1:] for p in places()], ids=[p[0] for p in places()])
def test_a_file_cut_short_is_refused(desk, refused, record, share):
    path = desk / "rows.root"
    data = path.read_bytes()
    if record is None:
        cut = share % len(data)
    else:
        first, length = landmarks(path)[record]
        cut = first + int(share * length)
    path.write_bytes(data[:cut])
    refused("inspect", "-c", "toy.toml", told=["rows.root: cut short", f"{cut:,} of", "again"])

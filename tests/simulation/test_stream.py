"""A tree that grows part by part reads back as one."""

from itertools import pairwise

import numpy as np
import pytest
import uproot

from polarbgb.io import root_output as write


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_parts_become_one_tree_with_few_baskets(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(write, "CHUNK", chunk)
    lengths = [3, 0, 5, 1, 4]
    time, rate = np.arange(13.0), np.arange(26.0).reshape(13, 2)
    edges = np.cumsum([0, *lengths])
    parts = [{"time": time[a:b], "rate": rate[a:b]} for a, b in pairwise(edges)]
    with write.root_file(tmp_path / "a.root") as file:
        assert file.stream("t", iter(parts)) == 13
    with uproot.open(tmp_path / "a.root") as file:
        tree = file["t"]
        np.testing.assert_array_equal(tree["time"].array(library="np"), time)
        np.testing.assert_array_equal(tree["rate"].array(library="np"), rate)
        assert tree["time"].num_baskets == {1: 4, 7: 2, 1000: 1}[chunk]

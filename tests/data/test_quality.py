"""The quality of an entry is a number of bits, each with a reason."""

import numpy as np
import polars as pl

from polarbgb.data.quality import DROPPED, Quality, blank_missing, count_reasons, mark, mark_filtered
from polarbgb.expressions import parse


def test_the_bits_are_those_that_the_documentation_lists():
    bits = {flag.name: int(flag).bit_length() - 1 for flag in Quality}
    assert bits == {
        "TIME_INVALID": 0, "TIME_REPEATED": 1, "RATE_INVALID": 2, "TIME_STRAY": 3, "OUTSIDE_GTI": 4,
        "FEATURE_MISSING": 8,
        "KNOWN_EVENT": 9, "KEPT_OUT": 10, "BEYOND_TRAINING": 11, "BIN_MASKED": 12, "COMBINED": 13,
    }  # fmt: skip
    assert [bit for bit in range(32) if DROPPED >> bit & 1] == [*range(8), *range(16, 32)]


def test_a_bit_is_set_beside_others_for_a_mask_or_for_numbers():
    quality = np.array([1, 0, 4], np.uint32)
    mark(quality, np.array([True, True, False]), Quality.KNOWN_EVENT)
    mark(quality, np.array([2]), Quality.COMBINED)
    assert quality.tolist() == [1 | 1 << 9, 1 << 9, 4 | 1 << 13]


def test_a_filter_that_is_not_known_to_hold_does_not_hold():
    frame = pl.DataFrame({"x": [1.0, 2.0, np.nan, None, 3.0]})
    filters = {"small": parse("x < 2.5"), "all": parse("1 > 0")}
    quality = np.zeros(5, np.uint32)
    mark_filtered(quality, frame, filters)
    assert quality.tolist() == [0, 0, 1 << 16, 1 << 16, 1 << 16]
    assert count_reasons(quality, filters) == {"filter small: not x < 2.5": 3}


def test_reasons_add_up_to_the_dropped_entries():
    quality = np.random.default_rng(0).integers(0, 2**18, 2000).astype(np.uint32) & np.uint32(0x3000F)
    reasons = count_reasons(quality, {"a": parse("x > 0"), "b": parse("x > 1")})
    assert sum(reasons.values()) == ((quality & DROPPED) != 0).sum()
    assert reasons["time is not a number of unix seconds"] == (quality & 1).sum()
    assert reasons["time is out of order and beside no other row"] == ((quality & 8 != 0) & (quality & 1 == 0)).sum()


def test_unusable_values_of_features_become_null_and_the_type_stays():
    frame = pl.DataFrame({"a": pl.Series([1, np.nan, 1e33, -np.inf], dtype=pl.Float32), "b": [1.0, 2.0, 3.0, 4.0]})
    quality = np.zeros(4, np.uint32)
    blanked = blank_missing(frame, quality, ("a", "b"))
    assert list(blanked) == ["a"]
    assert blanked["a"].to_list() == [1, None, None, None]
    assert blanked["a"].dtype == pl.Float32
    assert quality.tolist() == [0, *[int(Quality.FEATURE_MISSING)] * 3]

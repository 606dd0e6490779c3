"""Work without steps can be watched too."""

import pytest

from polarbgb.progress import silent, watched


def test_one_piece_of_work_is_one_step_that_ends_after_it():
    told = []

    def track(steps, *, label, total):
        for step in steps:
            told.append(f"{label} of {total} begins")
            yield step
            told.append("ends")

    with watched(track, "features"):
        told.append("work")
    assert told == ["features of 1 begins", "work", "ends"]


def test_what_goes_wrong_inside_goes_on():
    with pytest.raises(ValueError, match="inside"), watched(silent, "work"):
        raise ValueError("inside")

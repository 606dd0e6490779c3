"""A peer's prediction lands on its entries, or is refused in one line."""

import numpy as np
import polars as pl
import pytest

from polarbgb.background.reference import read_reference, write_reference
from polarbgb.errors import UserError
from polarbgb.io.root_output import root_file


@pytest.fixture
def predicted():
    return np.random.default_rng(1).uniform(1, 1000, (20, 3))


def root(path, values, tree="pred_t", branch="pred_rate"):
    with root_file(path) as file:
        file.tree(tree, {branch: values})
    return path


def test_parquet_and_root_say_the_same(tmp_path, predicted):
    write_reference(tmp_path / "a.parquet", np.arange(20)[::-1], predicted[::-1])
    for path in (tmp_path / "a.parquet", root(tmp_path / "a.root", predicted)):
        np.testing.assert_array_equal(read_reference(path, "t", entries=20, bins=3), predicted)


def test_the_prediction_of_a_run_lies_at_its_entries(tmp_path, predicted):
    """Its rows are numbered in time order, whatever the order of the entries."""
    entry = np.random.default_rng(0).permutation(20)[:15]
    pl.DataFrame({"row": np.arange(15), "entry": entry, "pred": predicted[entry]}).write_parquet(tmp_path / "a.parquet")
    found = read_reference(tmp_path / "a.parquet", "t", entries=20, bins=3)
    np.testing.assert_array_equal(found[entry], predicted[entry])
    assert np.isnan(np.delete(found, entry, axis=0)).all()


def test_one_rate_may_be_a_scalar_branch(tmp_path, predicted):
    path = root(tmp_path / "a.root", predicted[:, 0])
    np.testing.assert_array_equal(read_reference(path, "t", entries=20, bins=1), predicted[:, :1])


def test_rows_without_every_bin_are_none(tmp_path, predicted):
    holed = predicted.copy()
    holed[3, 1], holed[5] = np.nan, np.inf
    write_reference(tmp_path / "a.parquet", np.arange(20), holed)
    lists = pl.DataFrame({"row": [3, 7, 8], "pred": [[1.0, None, 2.0], None, predicted[8].tolist()]})
    lists.write_parquet(tmp_path / "lists.parquet")
    found = read_reference(tmp_path / "a.parquet", "t", entries=25, bins=3)
    assert np.flatnonzero(np.isnan(found).all(axis=1)).tolist() == [3, 5, *range(20, 25)]
    assert np.isfinite(found).all(axis=1).sum() == 18
    found = read_reference(tmp_path / "lists.parquet", "t", entries=25, bins=3)
    assert np.flatnonzero(np.isfinite(found).any(axis=1)).tolist() == [8]
    np.testing.assert_array_equal(found[8], predicted[8])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"row": [0]}, "no column 'pred'"),
        ({"pred": [[1.0, 2.0, 3.0]]}, "no column 'row'"),
        ({"row": [0], "pred": [[1.0, 2.0]]}, "does not hold 3 numbers"),
        ({"row": [0], "pred": ["much"]}, "does not hold 3 numbers"),
        ({"row": [4, 20], "pred": [[1.0, 2.0, 3.0]] * 2}, "4 to 20 are not among the input's entries 0 to 19"),
        ({"row": [-1], "pred": [[1.0, 2.0, 3.0]]}, "not among the input's entries"),
        ({"row": [1, 1], "pred": [[1.0, 2.0, 3.0]] * 2}, "predicted twice"),
    ],
)
def test_a_parquet_of_something_else_is_refused(tmp_path, frame, message):
    path = tmp_path / "a.parquet"
    pl.DataFrame(frame).write_parquet(path)
    refused(path, message)


def test_a_root_file_of_something_else_is_refused(tmp_path, predicted):
    refused(root(tmp_path / "a.root", predicted, tree="other"), "no tree 'pred_t'")
    refused(root(tmp_path / "a.root", predicted, branch="other"), "no branch 'pred_rate'")
    refused(root(tmp_path / "a.root", predicted[:, :2]), "pred_rate has 2 bins, the fit 3")
    refused(root(tmp_path / "a.root", predicted[:, 0]), "pred_rate has 1 bins, the fit 3")
    refused(root(tmp_path / "a.root", predicted[:19]), "has 19 entries, the input 20")


def test_no_file_or_a_damaged_one_is_refused(tmp_path):
    refused(tmp_path / "absent.parquet", "no file")
    (tmp_path / "text").write_text("row,pred")
    refused(tmp_path / "text", "not a ROOT file")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    refused(tmp_path / "cut.parquet", "damaged")


def refused(path, message):
    with pytest.raises(UserError, match=message) as error:
        read_reference(path, "t", entries=20, bins=3)
    assert "\n" not in str(error.value)

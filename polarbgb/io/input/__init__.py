"""Read columns of numbers from ROOT, FITS, Parquet and CSV files, in chunks of rows."""

from polarbgb.io.input.columns import Branch
from polarbgb.io.input.table import branches_of, list_branches, list_trees, read_columns, tree_name
from polarbgb.io.input.times import TimeKeywords, good_times, time_keywords

__all__ = [
    "Branch",
    "TimeKeywords",
    "branches_of",
    "good_times",
    "list_branches",
    "list_trees",
    "read_columns",
    "time_keywords",
    "tree_name",
]

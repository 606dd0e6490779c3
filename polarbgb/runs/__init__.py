"""Run folders: one directory that holds the results of a file, and how they came about."""

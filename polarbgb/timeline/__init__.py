"""Rows in time: which are usable and why not, where they break off, which orbit they belong to."""

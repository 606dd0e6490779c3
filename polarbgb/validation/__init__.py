"""Validation of a list of events: detection efficiency, and agreement of two lists."""

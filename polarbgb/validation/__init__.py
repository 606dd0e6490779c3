"""Validation of a list of events: injected bursts found, and agreement of two lists."""

"""Figures of count rates, background, events and attributions."""

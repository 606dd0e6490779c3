"""Figures of what was measured, predicted, found and explained."""

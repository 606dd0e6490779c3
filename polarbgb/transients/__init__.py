"""Transients: intervals of excess, the events among them, and the known ones found again."""

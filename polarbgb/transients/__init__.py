"""Transients: the search for intervals of excess, their ranking, and the events made of them."""

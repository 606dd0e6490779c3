"""The background: who is predicted by whom, the boosted trees, and how good they are."""

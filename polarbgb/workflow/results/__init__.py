"""Results of the commands whose tables are long; the other results are defined beside their commands."""

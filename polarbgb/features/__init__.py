"""Features of the background: columns as they are, and their past."""

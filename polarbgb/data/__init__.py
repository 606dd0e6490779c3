"""The rows of a file: count rates, quality, unbroken stretches of data, known events."""

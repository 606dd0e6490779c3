"""A simulated POLAR mission in the exact format of its rate file, with a table of the injected events."""

"""A plausible POLAR mission, in the exact format of its rate file, with the truth beside it."""

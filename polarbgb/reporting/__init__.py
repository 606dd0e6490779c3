"""One page that explains a run to a colleague: a template, its data, and panels that zoom."""

"""The workflow: one function per command, from a configuration or a run folder to files in the run folder."""

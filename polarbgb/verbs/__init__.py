"""The verbs: one function a command, each from a configuration or a run folder to files in the run folder."""

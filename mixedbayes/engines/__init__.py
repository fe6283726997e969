"""The ways from a model to draws of its posterior, each an engine in a file of its own."""

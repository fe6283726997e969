"""Studies of correctness and speed that take minutes; see README.md for their commands."""

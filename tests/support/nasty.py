"""A name with every character that a format could obey."""

NASTY = "a & <b> {k}|_^~#$%\\ \"q\" 'r' `s` [t] *u* é β"

"""One Gaussian mixed model in its textbook forms, each written out, executed and checked."""

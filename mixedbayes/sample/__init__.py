"""Sampling: settings, NUTS by nutpie, PyMC or numpyro, own chains, and the convergence report."""

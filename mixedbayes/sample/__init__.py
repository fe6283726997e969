"""Sampling: settings, NUTS by nutpie, PyMC or numpyro, and the convergence report."""

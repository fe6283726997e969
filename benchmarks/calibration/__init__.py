"""Simulation-based calibration: models, samplers, test of uniformity and pictures."""

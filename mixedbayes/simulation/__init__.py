"""Data simulated from a model, with the truth that a fit is held against."""

"""Means, differences and slopes of what a model predicts, over a grid of rows."""

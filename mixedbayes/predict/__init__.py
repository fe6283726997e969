"""Predictions by question, and the posterior of new groups from their few rows."""

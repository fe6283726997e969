"""Penalised smooths: bases, penalties, and curves in the two parts that mixed models have."""

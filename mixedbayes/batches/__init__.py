"""Models of rows that are read in batches: two passes over a source, and few rows for all of them.

The first pass (`first.py`) finds levels, missing values, and means; the second (`second.py`) adds
up the rows of each cell, a combination of levels. Each is two pure functions, `partial(batches)`
and `combine(a, b)`, whose results can be pickled; sums do not depend on the order in which rows
come. `points.py` makes rows of the sums, which stand for all rows (`design.standing`).
"""

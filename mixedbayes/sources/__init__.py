"""Data that need not fit into memory: named columns in, batches of rows out.

    source = sources.open("data/*.parquet")
    for batch in source.batches(["y", "x", "g"]):
        ...  # a pyarrow.RecordBatch of these columns

`open` and `is_source` are in `registry.py`, what a source is in `base.py`, its kinds one a file.
"""

from mixedbayes.sources.base import Source
from mixedbayes.sources.categories import Categories
from mixedbayes.sources.registry import is_source, open

__all__ = ["Categories", "Source", "is_source", "open"]

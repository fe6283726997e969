"""Data sets shipped with the package: classics of mixed models, each with source and licence."""

from mixedbayes.data.load import Column, DataSet, describe_data, list_data, load_data

__all__ = ["Column", "DataSet", "describe_data", "list_data", "load_data"]

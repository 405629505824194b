"""CSV, Parquet and DataFrames into validated tables: read, infer, clean, split."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "TableError": "read",
        "read_raw": "read",
        "read_table": "read",
        "infer_schema": "infer",
        "InferredSchema": "inferred",
        "CleaningReport": "clean",
        "clean_table": "clean",
        "Splits": "splits",
        "k_folds": "splits",
        "split_by_column": "splits",
        "split_officially": "splits",
        "split_table": "splits",
        "missing_cells": "cells",
    },
)

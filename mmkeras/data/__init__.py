"""From raw rows to batches: tables, leakage, preprocessing, the `tf.data` pipeline, data sets."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "load_dataset": "datasets",
        "TableError": "tables.read",
        "read_raw": "tables.read",
        "read_table": "tables.read",
        "infer_schema": "tables.infer",
        "InferredSchema": "tables.inferred",
        "CleaningReport": "tables.clean",
        "clean_table": "tables.clean",
        "Splits": "tables.splits",
        "k_folds": "tables.splits",
        "split_by_column": "tables.splits",
        "split_officially": "tables.splits",
        "split_table": "tables.splits",
        "missing_cells": "tables.cells",
        "check_leakage": "leakage.check",
        "format_findings": "leakage.check",
        "Preprocessing": "preprocessing",
        "fit_preprocessing": "preprocessing",
        "Pipeline": "pipeline",
        "RawModality": "raw",
    },
)

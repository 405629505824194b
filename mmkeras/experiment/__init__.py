"""One run: settings, rows, training, the run folder, predictions."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Encoder": "settings",
        "ModelSettings": "settings",
        "Settings": "settings",
        "assign": "assignments",
        "PRESETS": "presets",
        "preset": "presets",
        "DataConfig": "data_config",
        "default_settings": "defaults",
        "Rows": "rows",
        "open_fold": "rows",
        "open_rows": "rows",
        "open_table": "rows",
        "train_run": "train",
        "Run": "run_folder",
        "load_model": "run_folder",
        "FolderInUse": "folders",
    },
)

"""Public data sets by name. Each module documents its source, licence, rows and classes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mmkeras.schema import Schema

# A name's module, and the options of its `load`.
DATASETS: dict[str, tuple[str, dict[str, Any]]] = {
    "3sources": ("multiview", {"name": "3sources"}),
    "an4": ("an4", {"normalize": True, "deltas": True}),
    "avmnist": ("avmnist", {}),
    "avmnist-full": ("avmnist", {"variant": "full"}),
    "avmnist-speakers": ("avmnist", {"speakers": True}),
    "babies_r_us": ("multabench", {"name": "babies_r_us"}),
    "bbcsport": ("multiview", {"name": "bbcsport"}),
    "bikewale": ("multabench", {"name": "bikewale"}),
    "cub": ("multiview", {"name": "cub"}),
    "digit_strings": ("digit_strings", {}),
    "digit_strings-noise": ("digit_strings", {"noise": 0.0}),
    "easy_vqa": ("easy_vqa", {}),
    "emoji": ("emoji", {}),
    "emoji_names": ("emoji_names", {}),
    "emoji_scenes": ("emoji_scenes", {}),
    "fsdd": ("fsdd", {}),
    "glyphs": ("glyphs", {}),
    "mfeat": ("multiview", {"name": "mfeat"}),
    "mfeat_views": ("multiview", {"name": "mfeat", "target": "pixels"}),
    "mnist_labels": ("mnist_labels", {}),
    "mnist_sound": ("mnist_sound", {}),
    "mosi": ("mosi", {"level": "video"}),
    "mosi-utterance": ("mosi", {"level": "utterance"}),
    "nlvr_boxes": ("nlvr_boxes", {}),
    "nlvr_boxes-detection": ("nlvr_boxes", {"task": "detection"}),
    "poly_mnist_small": ("poly_mnist_small", {}),
    "synthetic": ("synthetic", {}),
    "synthetic-redundant": ("synthetic", {"redundant": 1.0, "unique": (0.0, 0.0), "synergy": 0.0}),
    "synthetic-synergy": ("synthetic", {"redundant": 0.0, "unique": (0.0, 0.0), "synergy": 1.0}),
    "synthetic-unique": ("synthetic", {"redundant": 0.0, "unique": (0.5, 0.5), "synergy": 0.0}),
    "wikipedia": ("wikipedia", {}),
    "wikipedia_views": ("wikipedia", {"target": "text"}),
}


def load_dataset(name: str, **options: Any) -> tuple[pd.DataFrame, Schema]:
    """Loads a public data set.

    Args:
        name: One of `DATASETS`.
        **options: The arguments of the data set's own `load`, before those that the name stands
            for.

    Returns:
        A table and its schema, as `read_table` takes them. Where the data set has an official
        split, the column `split` says train, validation or test.

    Raises:
        ValueError: There is no data set of that name.

    Example:

    >>> table, schema = load_dataset("glyphs", size=32)
    >>> schema.names, schema.target.column
    (('image', 'name'), 'script')
    """
    if name not in DATASETS:
        raise ValueError(f"No data set {name!r}. There are: {', '.join(sorted(DATASETS))}.")
    module, own = DATASETS[name]
    return importlib.import_module(f"{__name__}.{module}").load(**{**own, **options})

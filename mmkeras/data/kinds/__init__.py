"""The kinds of input, one file each, and the table of them by the name that a schema uses.

What depends on a kind is asked of `KINDS[modality.kind]`. A new kind is a dataclass in
`mmkeras.schema` and a file here: that of `Image`, whose kind is `"image"`, is `image.py` and
defines `ImageKind`.
"""

from importlib import import_module

from mmkeras.data.kinds.audio import AudioSettings
from mmkeras.data.kinds.base import Kind
from mmkeras.data.kinds.image import ImageSettings
from mmkeras.data.kinds.sequence import SequenceSettings
from mmkeras.data.kinds.tabular import TabularSettings
from mmkeras.data.kinds.text import TextSettings
from mmkeras.data.kinds.video import VideoSettings
from mmkeras.schema import MODALITIES

KINDS: dict[str, Kind] = {
    kind: getattr(import_module(f"{__name__}.{kind}"), f"{cls.__name__}Kind")()
    for kind, cls in MODALITIES.items()
}

# What reads the cells of a column, by the role that its kind gives it.
READERS = {role: reader for kind in KINDS.values() for role, reader in kind.readers().items()}

__all__ = [
    "KINDS",
    "READERS",
    "AudioSettings",
    "ImageSettings",
    "Kind",
    "SequenceSettings",
    "TabularSettings",
    "TextSettings",
    "VideoSettings",
]

"""The kinds of input, one file each, and the table of them by the name that a schema uses.

What depends on a kind is asked of `KINDS[modality.kind]`. A new kind is a dataclass in
`mmkeras.schema`, a file here, and a line in the table.
"""

from mmkeras.data.kinds.audio import AudioKind, AudioSettings
from mmkeras.data.kinds.base import Kind
from mmkeras.data.kinds.image import ImageKind, ImageSettings
from mmkeras.data.kinds.sequence import SequenceKind, SequenceSettings
from mmkeras.data.kinds.tabular import TabularKind, TabularSettings
from mmkeras.data.kinds.text import TextKind, TextSettings
from mmkeras.data.kinds.video import VideoKind, VideoSettings

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (ImageKind(), TextKind(), AudioKind(), VideoKind(), SequenceKind(), TabularKind())
}

__all__ = [
    "KINDS",
    "AudioSettings",
    "ImageSettings",
    "Kind",
    "SequenceSettings",
    "TabularSettings",
    "TextSettings",
    "VideoSettings",
]

"""Raw rows to model inputs in TensorFlow operations: one file a kind, and the table of them.

What `mmkeras.Pipeline` does with OpenCV, Pillow, pandas and Python, here with the same numbers
inside a graph that a SavedModel can hold.
"""

from mmkeras.serving.rows.audio import AudioReader
from mmkeras.serving.rows.image import ImageReader
from mmkeras.serving.rows.reader import CannotServe, RowReader
from mmkeras.serving.rows.sequence import SequenceReader
from mmkeras.serving.rows.tabular import TabularReader
from mmkeras.serving.rows.text import TextReader

READERS: dict[str, type[RowReader]] = {
    reader.kind: reader
    for reader in (AudioReader, ImageReader, SequenceReader, TabularReader, TextReader)
}

__all__ = ["READERS", "CannotServe", "RowReader"]

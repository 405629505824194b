"""Images from the bytes of PNG and JPEG files."""

from __future__ import annotations

import tensorflow as tf

from mmkeras.serving.rows.images.decode import decode_images
from mmkeras.serving.rows.reader import RowReader


class ImageReader(RowReader):
    """A column of files, `(batch,)`; where cells may hold several, `(batch, images)`.

    An empty string is no image.
    """

    kind = "image"

    def specs(self):
        shape = (None,) if self._fitted.images is None else (None, None)
        return {self.column: tf.TensorSpec(shape, tf.string)}

    def absent(self, cells):
        empty = tf.strings.length(cells[self.column]) == 0
        return empty if self._fitted.images is None else tf.reduce_all(empty, axis=1)

    def inputs(self, cells):
        files, make = cells[self.column], self._fitted.input_maker()
        if self._fitted.images is None:
            return make(decode_images(files, self._fitted.settings), None)
        # Those that are there, in their order; a model takes so many of them at most.
        there = tf.ragged.boolean_mask(files, tf.strings.length(files) > 0)
        there = there[:, : self._fitted.images]
        decoded = decode_images(there.values, self._fitted.settings)
        return make(there.with_values(decoded), None)

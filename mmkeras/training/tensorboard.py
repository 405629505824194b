"""What a run leaves for TensorBoard: scalars, settings, graph, pictures, embeddings."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import PIL.Image

from mmkeras.training.hparams import session_start


class TensorBoardScalars(keras.callbacks.Callback):
    """Writes the epoch's values to `train/` and `validation/`, on one chart each.

    Keras' own `TensorBoard` callback restarts its step count and writes batch values; this
    one writes one point per epoch, numbered by epoch, also after a resumed run, and has it in its
    file when the epoch ends: a recorder of `mmkeras.training.fit.fit`.

    Args:
        folder: The run's folder.
        train: What the curves of the training rows are called.
    """

    def __init__(self, folder: str | Path, *, train: str = "train"):
        super().__init__()
        self._folder, self._train = Path(folder), train

    def on_train_begin(self, logs=None):
        import tensorflow as tf

        self._writers = {
            side: tf.summary.create_file_writer(str(self._folder / side))
            for side in (self._train, "validation")
        }

    def on_epoch_end(self, epoch, logs=None):
        import tensorflow as tf

        for name, value in (logs or {}).items():
            side = "validation" if name.startswith("val_") else self._train
            with self._writers[side].as_default():
                tf.summary.scalar(f"epoch/{name.removeprefix('val_')}", value, step=epoch + 1)
        with self._writers[self._train].as_default():
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            tf.summary.scalar("epoch/learning_rate", rate, step=epoch + 1)
        # A process that is killed writes nothing more.
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs=None):
        for writer in self._writers.values():
            writer.close()


class TensorBoardReport:
    """Writes what is known when a run ends. Use as a context.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: str | Path):
        self._folder = Path(folder)

    def __enter__(self) -> TensorBoardReport:
        import tensorflow as tf

        self._writer = tf.summary.create_file_writer(str(self._folder))
        return self

    def __exit__(self, *exception) -> None:
        self._writer.close()

    def settings(
        self, settings: Mapping[str, Any], metrics: Mapping[str, float], part: str = "test"
    ) -> None:
        """The HParams tab: flat settings and the metrics on a part of the rows."""
        import tensorflow as tf

        with self._writer.as_default():
            tf.summary.experimental.write_raw_pb(session_start(settings), step=0)
            for name, value in metrics.items():
                tf.summary.scalar(f"{part}/{name}", value, step=0)

    def graph(self, model: keras.Model, inputs: Mapping[str, Any]) -> None:
        """The Graphs tab: the model's forward pass. On the TensorFlow backend only.

        Args:
            model: The model.
            inputs: Its symbolic inputs, by name.
        """
        if keras.backend.backend() != "tensorflow":
            return
        import tensorflow as tf

        specs = {
            name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name)
            for name, tensor in inputs.items()
        }
        forward = tf.function(lambda inputs: model(inputs, training=False))
        with self._writer.as_default():
            tf.summary.graph(forward.get_concrete_function(specs).graph.as_graph_def())

    def picture(self, name: str, png: bytes) -> None:
        """The Images tab: one picture, a PNG file's bytes."""
        import tensorflow as tf
        from tensorboard.plugins.image import metadata

        width, height = PIL.Image.open(io.BytesIO(png)).size
        with self._writer.as_default():
            # Not `tf.summary.image`, which takes pixels and compresses them once more.
            tf.summary.write(
                name,
                tf.constant([str(width).encode(), str(height).encode(), png]),
                step=0,
                metadata=metadata.create_summary_metadata(display_name=None, description=None),
            )

    def text(self, name: str, markdown: str) -> None:
        """The Text tab."""
        import tensorflow as tf

        with self._writer.as_default():
            tf.summary.text(name, markdown, step=0)

    def embeddings(
        self, vectors: np.ndarray, metadata: Mapping[str, Sequence[str]], name: str = "fused"
    ) -> None:
        """The Projector tab: one point per row, with its labels.

        Args:
            vectors: `(rows, dim)`.
            metadata: Columns of labels, each with one entry per row.
            name: What the tensor is called.
        """
        lines = ["\t".join(metadata)]
        for cells in zip(*metadata.values(), strict=True):
            lines.append("\t".join(" ".join(str(cell).split())[:80] for cell in cells))
        (self._folder / "embedding_labels.tsv").write_text("\n".join(lines) + "\n", "utf-8")
        np.savetxt(self._folder / "embedding.tsv", vectors, fmt="%.5g", delimiter="\t")
        (self._folder / "projector_config.pbtxt").write_text(
            "embeddings {\n"
            f'  tensor_name: "{name}"\n'
            '  tensor_path: "embedding.tsv"\n'
            '  metadata_path: "embedding_labels.tsv"\n'
            "}\n",
            "utf-8",
        )

"""The image and text classifier that this project started from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from mmkeras.models.build import build_model
from mmkeras.schema import Image, InputSpec, Label, Schema, Text


def image_text_classifier(
    image_shape: Sequence[int] = (224, 224, 3),
    vocabulary_size: int = 1000,
    num_classes: int = 10,
    *,
    text_branch: str = "dense",
    filters: Sequence[int] = (64, 128),
    padding: str = "valid",
    text_units: Sequence[int] = (128, 64),
    num_heads: int = 1,
    key_dim: int = 64,
    hidden: Sequence[int] = (128,),
    dropout: float = 0.5,
    name: str | None = "image_text_classifier",
) -> keras.Model:
    """The image and text classifier that this project started from, corrected.

    Two convolutions and a max-pooling, twice, give the image's tokens (53×53 of 128 channels for
    224×224 pixels); a dense or a recurrent branch gives the text's; the text's tokens attend to
    the image's; then a dense layer, dropout and softmax. `docs/corrections.md` says what was
    wrong with the original and how each part is mended.

    Args:
        image_shape: `(height, width, channels)`.
        vocabulary_size: The length of the bag-of-words vector, or one more than the largest id.
        num_classes: Classes to tell apart.
        text_branch: `"dense"` reads bag-of-words vectors `(batch, vocabulary_size)`, `"lstm"`
            reads token ids `(batch, length)`, 0 for padding.
        filters: Channels of each block of convolutions.
        padding: Of the convolutions: `"valid"` or `"same"`.
        text_units: The dense branch's two widths; the embedding's and LSTM's for `"lstm"`.
        num_heads: Attention heads.
        key_dim: The width of a head.
        hidden: The widths of the dense layers after the fusion.
        dropout: Share of their units that are dropped, in training.
        name: The model's name.

    Returns:
        An uncompiled model from `{"image": ..., "text": ...}` to `(batch, num_classes)`.

    Example:

    >>> from mmkeras.models import compile_model
    >>> model = compile_model(image_text_classifier(), "label")
    >>> model.get_layer("image_encoder").output.shape
    (None, 2809, 128)
    """
    options: dict[str, Any]
    if text_branch == "dense":
        encoder, options = "bag_of_words", {"units": text_units}
        text = InputSpec((int(vocabulary_size),))
    elif text_branch == "lstm":
        embedding_dim, units = text_units
        encoder = "lstm"
        options = {"embedding_dim": embedding_dim, "units": units, "bidirectional": False}
        text = InputSpec((None,), "int32", vocabulary_size=int(vocabulary_size))
    else:
        raise ValueError(f"`text_branch` must be 'dense' or 'lstm'. Received: {text_branch!r}.")
    return build_model(
        Schema((Image("image"), Text("text")), target=Label("label")),
        {"image": InputSpec(tuple(image_shape)), "text": text},
        num_outputs=num_classes,
        encoders={"image": "cnn", "text": encoder},
        encoder_options={"image": {"filters": filters, "padding": padding}, "text": options},
        fusion="attention",
        fusion_options={"query": 1, "num_heads": num_heads, "key_dim": key_dim},
        hidden=hidden,
        dropout=dropout,
        name=name,
    )

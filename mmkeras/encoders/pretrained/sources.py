"""Where pre-trained networks come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras

from mmkeras.encoders.image import BACKBONES, ScaleForBackbone
from mmkeras.encoders.pretrained.bert import read_bert
from mmkeras.encoders.pretrained.efficientnet_lite import efficientnet_lite
from mmkeras.encoders.pretrained.hub import read_hub
from mmkeras.encoders.pretrained.torch_file import read_torch
from mmkeras.keras_files import load_keras

FORMS = (
    "a folder of config.json, model.safetensors and tokenizer.json (BERT), a .keras file, a .pth "
    "file of EfficientNet-Lite, 'applications:NAME' or 'applications:NAME:FILE' "
    "(keras.applications, with downloaded weights or those of a file), or 'hub:PRESET' (KerasHub)"
)


def read_network(
    source: str, input_shape: Sequence[int | None], max_length: int | None = None
) -> keras.Model:
    """A network with its weights and its preprocessing.

    It reads what every encoder reads, images in [0, 1] or token ids with 0 for padding, and has
    the global policy of types.

    Args:
        source: One of these:

            - a folder with `config.json` and `model.safetensors` of a BERT model of texts;
            - a `.keras` file (of images: one that reads numbers in [0, 1]);
            - a `.pth` file of an EfficientNet-Lite; nothing but tensors is read of it;
            - `applications:NAME`, a network of `keras.applications` (one of `BACKBONES`) with the
              ImageNet weights, which are downloaded once, or `applications:NAME:FILE` with those of
              a file;
            - `hub:PRESET`, a preset of KerasHub, by name or by folder: a network of images, or a
              BERT model of texts.
        input_shape: Of one input.
        max_length: The longest text, in tokens.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: It is none of these, or holds another network.
    """
    scheme, _, name = source.partition(":")
    if scheme == "applications":
        return _application(name, input_shape)
    if scheme == "hub":
        return read_hub(name, input_shape, max_length)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no pre-trained network at {source!r}. A source is {FORMS}."
        )
    if path.is_dir():
        return read_bert(path, max_length)
    if path.suffix == ".keras":
        return load_keras(path, compile=False)
    if path.suffix in (".pth", ".pt"):
        return efficientnet_lite(read_torch(path))
    raise ValueError(f"{source!r} is not a pre-trained network. A source is {FORMS}.")


def _application(name: str, input_shape: Sequence[int | None]) -> keras.Model:
    """A network of `keras.applications`, from images in [0, 1] to its last map."""
    name, _, weights = name.partition(":")
    if name not in BACKBONES:
        raise ValueError(
            f"The networks of keras.applications are {sorted(BACKBONES)}. Received: {name!r}."
        )
    if weights and not Path(weights).is_file():
        raise FileNotFoundError(f"There are no weights at {weights!r}.")
    images = keras.Input((*input_shape[:2], 3), name="images")
    return getattr(keras.applications, name)(
        include_top=False,
        weights=weights or "imagenet",
        input_tensor=ScaleForBackbone(name, name="scale")(images),
    )

"""All settings of one run: encoders, fusion, training, and how cells become inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro

from mmkeras.data.kinds import (
    KINDS,
    AudioSettings,
    ImageSettings,
    SequenceSettings,
    TabularSettings,
    TextSettings,
    VideoSettings,
)
from mmkeras.encoders import ENCODERS
from mmkeras.fusion import FUSIONS
from mmkeras.fusion.parts.pooling import POOLINGS
from mmkeras.schema import Schema
from mmkeras.training.settings import TrainingSettings

# On the command line, a table's names are an option's choices.
Fusion = Literal[tuple(FUSIONS)]
ImageEncoder = Literal[tuple(ENCODERS["image"])]
TextEncoder = Literal[tuple(ENCODERS["text"])]
AudioEncoder = Literal[("default", *ENCODERS["audio"])]
VideoEncoder = Literal[tuple(ENCODERS["video"])]
SequenceEncoder = Literal[tuple(ENCODERS["sequence"])]
TabularEncoder = Literal[tuple(ENCODERS["tabular"])]
Pooling = Literal[POOLINGS]


@dataclass(frozen=True)
class ModelSettings:
    """Encoders, fusion and head.

    Args:
        fusion: How the modalities meet.
        image_encoder: cnn, patches (a transformer over them), or a backbone of keras.applications.
        text_encoder: What reads texts.
        audio_encoder: What reads sounds; by default cnn, or tcn for waveforms.
        video_encoder: frames (an image encoder on each, then over time) or conv3d.
        sequence_encoder: What reads feature sequences.
        tabular_encoder: What reads numbers and categories.
        backbone: Which backbone.
        backbone_weights: imagenet (downloaded), a weights file, or None for random weights.
        filters: The filters, by block, of all convolutions over images, frames and spectrograms.
        convs_per_block: Convolutions before each pooling.
        batch_norm: Normalise after each convolution.
        image_dropout: Share of feature maps dropped after each such block of images and sounds.
        patch_size: Side of the patches of images (pixels) and spectrograms (frames, bands).
        patch_dim: Width of a patch's token.
        patch_layers: Transformer layers over the patches.
        patch_dropout: Their dropout.
        text_units: Widths of the bag-of-words encoder's layers.
        text_dropout: Dropout inside the text encoder.
        word_dropout: Share of a bag's words that are dropped.
        sequence_units: Width of the encoders of sequences, sounds over time, and frames over time.
        sequence_dropout: Their dropout.
        modality_dropout: Share of modalities hidden in training, so that the model can do without.
        pooling: How a modality's tokens become one vector, in fusions of vectors.
        fusion_dim: Width of the fused vector, in fusions that have one; by default their own.
        fusion_dropout: Dropout of the fused vector (of each modality's, in late fusion).
        hidden: Widths of the head's layers.
        dropout: Dropout in the head.
    """

    fusion: Fusion = "concat"
    image_encoder: ImageEncoder = "cnn"
    text_encoder: TextEncoder = "bag_of_words"
    audio_encoder: AudioEncoder = "default"
    video_encoder: VideoEncoder = "frames"
    sequence_encoder: SequenceEncoder = "recurrent"
    tabular_encoder: TabularEncoder = "mlp"
    backbone: str = "MobileNetV2"
    backbone_weights: str | None = None
    filters: tuple[int, ...] = (32, 64, 128)
    convs_per_block: int = 2
    batch_norm: bool = True
    image_dropout: float = 0.0
    patch_size: int = 8
    patch_dim: int = 64
    patch_layers: int = 2
    patch_dropout: float = 0.0
    text_units: tuple[int, ...] = (128, 64)
    text_dropout: float = 0.3
    word_dropout: float = 0.0
    sequence_units: int = 64
    sequence_dropout: float = 0.0
    modality_dropout: float = 0.0
    pooling: Pooling = "mean"
    fusion_dim: int | None = None
    fusion_dropout: float = 0.0
    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.5

    def encoder(self, kind: str) -> str:
        return getattr(self, f"{kind}_encoder")

    def encoder_options(self, kind: str, name: str) -> dict[str, Any]:
        """The options of a kind's encoder, of those that have a setting."""
        if name == "cnn":
            return {
                "filters": self.filters,
                "convs_per_block": self.convs_per_block,
                "batch_norm": self.batch_norm,
                "dropout": self.image_dropout,
            }
        if name == "patches":
            return {
                "patch_size": self.patch_size,
                "dim": self.patch_dim,
                "num_layers": self.patch_layers,
                "ff_dim": 2 * self.patch_dim,
                "dropout": self.patch_dropout,
            }
        if kind == "video":
            options = {"filters": self.filters, "batch_norm": self.batch_norm}
            if name == "frames":
                options |= {
                    "convs_per_block": self.convs_per_block,
                    "units": self.sequence_units,
                    "dropout": self.sequence_dropout,
                }
            return options
        if kind in ("audio", "sequence"):
            width = {
                "recurrent": {"units": self.sequence_units},
                "self_attention": {"dim": self.sequence_units, "ff_dim": 2 * self.sequence_units},
                "tcn": {"filters": (self.sequence_units, self.sequence_units)},
                "mlp": {"units": (self.sequence_units,)},
            }[name]
            return {**width, "dropout": self.sequence_dropout}
        if (kind, name) == ("image", "backbone"):
            return {"backbone": self.backbone, "weights": self.backbone_weights}
        if (kind, name) == ("text", "bag_of_words"):
            return {
                "units": self.text_units,
                "dropout": self.text_dropout,
                "input_dropout": self.word_dropout,
            }
        if kind == "text":
            return {"dropout": self.text_dropout}
        return {}


@dataclass(frozen=True)
class Settings:
    """All settings of one run.

    Args:
        model: Encoders, fusion and head.
        training: Epochs, batches, optimizer.
        image: How images become inputs.
        text: How texts become inputs. Encoders that read sequences get token sequences,
            whatever `representation` says.
        audio: How sounds become inputs.
        video: How videos become inputs.
        sequence: How feature sequences become inputs.
        tabular: How numbers and categories become inputs.
        seed: Decides weights, dropout, order and augmentation.
        on_error: What to do with rows that have an unreadable file.
        cache: Where decoded media stay; auto takes memory up to 2 GiB, then files.
    """

    # On the command line these two have no prefix: `--fusion`, `--epochs`.
    model: Annotated[ModelSettings, tyro.conf.arg(name="")] = field(default_factory=ModelSettings)
    training: Annotated[TrainingSettings, tyro.conf.arg(name="")] = field(
        default_factory=TrainingSettings
    )
    image: ImageSettings = field(default_factory=ImageSettings)
    text: TextSettings = field(default_factory=TextSettings)
    audio: AudioSettings = field(default_factory=AudioSettings)
    video: VideoSettings = field(default_factory=VideoSettings)
    sequence: SequenceSettings = field(default_factory=SequenceSettings)
    tabular: TabularSettings = field(default_factory=TabularSettings)
    seed: int = 0
    on_error: Literal["raise", "skip"] = "raise"
    cache: Literal["auto", "memory", "file", "none"] = "auto"

    def preprocessing(self, schema: Schema) -> dict[str, Any]:
        """Each modality's preprocessing settings."""
        text = self.text
        if self.model.text_encoder != "bag_of_words":
            text = dataclasses.replace(text, representation="tokens", ngrams=1, characters=0)
        by_kind = {kind: getattr(self, kind) for kind in KINDS} | {"text": text}
        return {modality.name: by_kind[modality.kind] for modality in schema.modalities}

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Settings:
        kinds = {name: kind.settings for name, kind in KINDS.items()}
        parts = {"model": ModelSettings, "training": TrainingSettings, **kinds}
        values = dict(data)
        try:
            for name, part in parts.items():
                entries = {k: tuple(v) if isinstance(v, list) else v for k, v in data[name].items()}
                values[name] = part(**entries)
            return cls(**values)
        except (TypeError, KeyError) as error:
            raise ValueError(
                f"These settings were written by another version of mmkeras: {error}"
            ) from error

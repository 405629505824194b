"""What the experiments with generative models are told, and settings that suit data sets."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from mmkeras.data.datasets.mnist_sound import AUDIO as MNIST_SOUND
from mmkeras.data.kinds import ImageSettings, TextSettings
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.generative import GenerationSettings, GenerativeName
from mmkeras.experiment.name_and_tags import Named
from mmkeras.experiment.presets import preset
from mmkeras.experiment.settings import Encoder, Settings
from mmkeras.generation import MODELS
from mmkeras.reading import check_fields
from mmkeras.training.settings import TrainingSettings


@dataclass(frozen=True)
class MeasureSettings:
    """How a generative model is measured.

    Args:
        rows: Most test rows that are looked at, and how many samples are drawn.
        components: Of the Gaussian mixture of latents, beside the prior.
        likelihood_rows: Test rows whose log-likelihood is estimated; 0 for none.
        likelihood_samples: Latents drawn for each of them.
        seed: Decides what is drawn.
    """

    rows: int = 1000
    components: int = 10
    likelihood_rows: int = 50
    likelihood_samples: int = 100
    seed: int = 0

    def __post_init__(self):
        check_fields(self)
        for name in ("rows", "components", "likelihood_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        if self.likelihood_rows < 0:
            raise ValueError(
                f"`likelihood_rows` must not be negative. Received: {self.likelihood_rows}."
            )


@dataclass(frozen=True)
class GenerateConfig(Named):
    """The experiment.

    Args:
        data: Which rows.
        generation: The model.
        measures: What is measured of it.
        judges: The folder of the judges' runs, which are trained if they are not there; by
            default in the experiment's folder.
        validation: Share of the (training) rows that choose the epoch; 0 trains on all of them
            for the full number of epochs.
        test: Share of the rows that are looked at once, where the data have no test rows.
        split_seed: Decides which rows are which, where the data have no split of their own.
        out: The run's folder; by default runs/generate-NAME/TIME-MODEL. The same folder again
            resumes.
        settings: Encoders, training and preprocessing.
        judging: How judges are trained; by default as classifiers of the data set are.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    generation: Annotated[GenerationSettings, tyro.conf.arg(name="")] = field(
        default_factory=GenerationSettings
    )
    measures: MeasureSettings = field(default_factory=MeasureSettings)
    judges: Path | None = None
    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    out: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)
    judging: Annotated[Settings | None, tyro.conf.Suppress] = None

    @property
    def judging_settings(self) -> Settings:
        """How judges are trained."""
        return self.judging or preset(None if self.data.data else self.data.dataset)


@dataclass(frozen=True)
class CompareConfig(Named):
    """The experiment.

    Args:
        data: Which rows.
        compared: The models.
        seeds: Each is trained once with each of these.
        generation: What all models share; `model` is replaced by those that are compared.
        measures: What is measured of them.
        validation: Share of the (training) rows that choose the epoch; 0 trains on all of them
            for the full number of epochs.
        test: Share of the rows that are looked at once, where the data have no test rows.
        split_seed: Decides which rows are which, where the data have no split of their own.
        workers: Models trained at a time, each in a process of its own; 0 trains in this process.
        out: The experiment's folder; by default runs/compare_generation-NAME/TIME. The same folder
            again resumes.
        settings: Encoders, training and preprocessing. `seed` is replaced by `seeds`.
        judging: How judges are trained; by default as classifiers of the data set are.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    compared: tuple[GenerativeName, ...] = (
        "jmvae",
        "mvae",
        "mmvae",
        "mopoe",
        "mvtcae",
        "mmvae_plus",
    )
    seeds: tuple[int, ...] = (0, 1, 2)
    generation: Annotated[GenerationSettings, tyro.conf.arg(name="")] = field(
        default_factory=GenerationSettings
    )
    measures: MeasureSettings = field(default_factory=MeasureSettings)
    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    workers: int = 1
    out: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)
    judging: Annotated[Settings | None, tyro.conf.Suppress] = None

    @property
    def judging_settings(self) -> Settings:
        """How judges are trained."""
        return self.judging or preset(None if self.data.data else self.data.dataset)


_SMALL_CONVOLUTIONS = Encoder("cnn", {"filters": (8, 16, 32), "convs_per_block": 1})
_TRAINING = TrainingSettings(
    epochs=40, batch_size=64, learning_rate=2e-3, schedule="cosine", patience=0
)
_DIGITS = Settings(
    encoders={"image": _SMALL_CONVOLUTIONS, "audio": _SMALL_CONVOLUTIONS},
    training=_TRAINING,
    image=ImageSettings(size=(28, 28), channels=1, background=0),
    audio=MNIST_SOUND,
)
# On validation rows, of 14 epochs or as long: dense decoders were ahead of convolutions (17 % of
# what MVTCAE made was right, for 35 %), and batches of 32 rows of 64.
_POLY_MNIST = dataclasses.replace(
    _DIGITS,
    image=ImageSettings(size=(28, 28)),
    training=dataclasses.replace(_TRAINING, epochs=20, batch_size=32),
)
# On validation rows, after 12 epochs of MMVAE: of digits drawn for a sound 40 % were right with
# blocks of one convolution, one hidden layer of 256 units and `laplace:0.5`, 61 % with twice the
# channels, two layers of 512 and `laplace:1.0`, 72 % with two convolutions and `laplace:2.0`, 75 %
# with `laplace:4.0`; batches of 32 gave 5 more than those of 64, and 50 epochs 17 more than 12. Of
# the sounds 79 to 91 %. Dropout in the encoders, noise on the sounds (which have digital silence)
# and a wider latent were worse, a `beta` of 2.5 or 5 no better.
_NORMALIZED = Encoder("cnn", {"filters": (16, 32, 64), "convs_per_block": 2, "batch_norm": True})
_SOUND = dataclasses.replace(
    _DIGITS,
    encoders={"image": _NORMALIZED, "audio": _NORMALIZED},
    training=dataclasses.replace(_TRAINING, epochs=50, batch_size=32),
)
_EMOJI = Settings(
    encoders={
        "image": Encoder("cnn", {"filters": (16, 32, 64), "convs_per_block": 1}),
        "text": Encoder("bag_of_words", {"units": (128,), "dropout": 0.0, "input_dropout": 0.2}),
    },
    training=_TRAINING,
    image=ImageSettings(size=(32, 32)),
    text=TextSettings(representation="binary", min_count=2),
)
# Dense decoders: a run takes minutes on a processor, with convolutions an hour.
PRESETS: dict[str, tuple[Settings, GenerationSettings]] = {
    "poly_mnist_small": (
        _POLY_MNIST,
        GenerationSettings(
            latent_dim=64, densities={"image": "laplace:0.75"}, filters=0, units=(512,)
        ),
    ),
    "mnist_labels": (_DIGITS, GenerationSettings(latent_dim=16, filters=0, units=(256,))),
    "mnist_sound": (
        _SOUND,
        GenerationSettings(
            "mmvae", latent_dim=32, densities={"audio": "laplace:4.0"}, filters=0, units=(512, 512)
        ),
    ),
    "emoji": (
        _EMOJI,
        GenerationSettings(latent_dim=32, densities={"image": "laplace:0.5"}, filters=8),
    ),
}


def generation_preset(
    dataset: str | None, model: str | None = None
) -> tuple[Settings, GenerationSettings]:
    """Settings that suit a data set, or (`None`) data of one's own, and a model."""
    settings, generation = PRESETS.get(
        dataset or "", (Settings(training=_TRAINING), GenerationSettings())
    )
    return settings, generation.select(model if model in MODELS else generation.model)

"""A small trained run that the tests of the audit share."""

import dataclasses

import numpy as np
import pytest

from mmkeras.data.kinds import AudioSettings, ImageSettings
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import train_run
from mmkeras.schema import Audio, Schema
from mmkeras.training.settings import TrainingSettings

SETTINGS = Settings(
    model=ModelSettings(fusion="attention", dropout=0.0),
    encoders={
        "image": Encoder("cnn", {"filters": (4, 8), "convs_per_block": 1}),
        "text": Encoder("bag_of_words", {"units": (16,)}),
    },
    training=TrainingSettings(epochs=4, batch_size=8, patience=0, learning_rate=0.01),
    image=ImageSettings(size=(12, 12)),
    audio=AudioSettings(rate=2000, seconds=0.2, mel_bands=16),
)


def with_hum(frame, schema):
    """The small table with a sound: a high tone by day, a low one by night."""
    time = np.arange(400) / 2000
    rng = np.random.default_rng(1)
    tones = [700 if when == "day" else 200 for when in frame["when"]]
    frame = frame.assign(
        hum=[
            (8000 * np.sin(2 * np.pi * tone * time) + rng.normal(0, 900, 400)).astype(np.int16)
            for tone in tones
        ],
        region=np.where(np.arange(len(frame)) % 3 == 0, "hills", "plain"),
    )
    return frame, dataclasses.replace(schema, modalities=(*schema.modalities, Audio("hum")))


@pytest.fixture(scope="session")
def four_modalities(shared_table, tmp_path_factory):
    """A run of picture, note, facts and hum, its splits and its schema."""
    frame, schema = with_hum(*shared_table)
    splits = Splits(frame[:30], frame[30:42], frame[42:])
    folder = tmp_path_factory.mktemp("audited") / "four"
    return train_run(splits, schema, folder, SETTINGS), splits, schema


@pytest.fixture(scope="session")
def two_modalities(shared_table, tmp_path_factory):
    """Runs of picture and note, told what is missing, and of either alone; and their splits."""
    frame, schema = shared_table
    schema = Schema(schema.modalities[:2], schema.target)
    splits = Splits(frame[:30], frame[30:42], frame[42:])
    settings = dataclasses.replace(
        SETTINGS,
        model=ModelSettings("concat", modality_dropout=0.3, dropout=0.0),
    )
    folder = tmp_path_factory.mktemp("audited")
    runs = {
        "+".join(names): train_run(splits, schema.select(names), folder / "-".join(names), settings)
        for names in (("picture",), ("note",), ("picture", "note"))
    }
    return runs, splits

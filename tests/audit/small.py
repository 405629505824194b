"""What the tests of the audit train and audit: settings, and a table of four modalities."""

import dataclasses

import numpy as np

from mmkeras.data.kinds import AudioSettings, ImageSettings
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.schema import Audio
from mmkeras.training.settings import TrainingSettings

SETTINGS = Settings(
    model=ModelSettings(fusion="attention", dropout=0.0),
    encoders={
        "image": Encoder("cnn", {"filters": (4, 8), "convs_per_block": 1}),
        "text": Encoder("bag_of_words", {"units": (16,)}),
    },
    training=TrainingSettings(epochs=2, batch_size=15, patience=0, learning_rate=0.01),
    image=ImageSettings(size=(12, 12)),
    audio=AudioSettings(rate=2000, seconds=0.2, mel_bands=16),
)
# Of two modalities, told what is missing.
WITH_HOLES = dataclasses.replace(
    SETTINGS, model=ModelSettings("concat", modality_dropout=0.3, dropout=0.0)
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

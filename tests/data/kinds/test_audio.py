import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import AudioSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.schema import Audio, Schema

SOUND = {"rate": 8000, "seconds": 0.2, "mel_bands": 20}


@pytest.mark.parametrize(
    "settings",
    [
        AudioSettings(**SOUND, time_masks=2, time_mask=0.5, band_masks=1),
        AudioSettings(**SOUND, features="waveform", scaling="none"),
        AudioSettings(**SOUND, features="waveform"),
    ],
    ids=["masks", "silence", "silence, standardised"],
)
def test_no_frame_of_a_sound_looks_like_padding(settings):
    tone = np.sin(np.arange(800) / 5).astype(np.float32)
    frame = pd.DataFrame({"sound": [tone, -tone] * 4, "label": ["a", "b"] * 4})
    schema = Schema([Audio("sound")], "label")
    fitted = fit_preprocessing(frame, schema, {"sound": settings})
    batches = Pipeline(frame, fitted, batch_size=8).train(seed=0, epochs=3)
    for inputs, _ in batches.as_numpy_iterator():
        assert inputs["sound"].shape == (8, *settings.shape)
        assert inputs["sound"].any(axis=2).all()

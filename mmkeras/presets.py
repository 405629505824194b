"""Settings that suit each bundled data set.

How they were chosen. Emoji: on a fifth of the training rows of folds 0 to 2 of the five folds of
`experiments/cross_validate.py`, not on a fold's own test rows (which, folds being folds, are
training rows of the others). Glyphs: the same settings; that parts of words help was found by
cross-validating scikit-learn's logistic regression over all rows, so that glyphs' test rows had a
small part in it.
"""

from __future__ import annotations

from mmkeras.data.settings import ImageSettings, TextSettings
from mmkeras.experiment import ModelSettings, Settings
from mmkeras.training.fit import TrainingSettings

# Late fusion with auxiliary losses served both sets best. The position of what is seen matters
# for glyphs and emoji alike, so that image tokens are laid side by side, not averaged.
_MODEL = ModelSettings(
    fusion="late",
    pooling="flatten",
    fusion_dropout=0.4,
    filters=(16, 32, 64),
    convs_per_block=1,
    text_units=(256,),
    text_dropout=0.0,
    word_dropout=0.2,
)
_TRAINING = TrainingSettings(
    epochs=30,
    learning_rate=3e-3,
    schedule="cosine",
    weight_decay=0.05,
    clip_norm=1.0,
    auxiliary=1.0,
    patience=0,
    monitor="val_accuracy",
)

PRESETS: dict[str, Settings] = {
    "glyphs": Settings(
        model=_MODEL,
        training=_TRAINING,
        image=ImageSettings(size=(32, 32), channels=1, shift=0.03),
        text=TextSettings(vocabulary_size=3000, ngrams=2, characters=4, min_count=2),
    ),
    "emoji": Settings(
        model=_MODEL,
        training=_TRAINING,
        image=ImageSettings(size=(36, 36), flip=True, shift=0.03),
        text=TextSettings(vocabulary_size=4000, stemmer="english"),
    ),
}


def preset(dataset: str | None) -> Settings:
    """The data set's settings, or (`None`) the defaults for data of one's own."""
    return Settings() if dataset is None else PRESETS.get(dataset, Settings())

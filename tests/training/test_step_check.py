import numpy as np
import pandas as pd
import pytest

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import make_model
from mmkeras.models.parts import decoder_layer
from mmkeras.schema import Schema, Sequence, Text
from mmkeras.training.fit import fit
from mmkeras.training.settings import TrainingSettings
from mmkeras.training.step_check import refuse_too_few_steps

pytestmark = pytest.mark.eager


def built(texts, steps, strides=2, decoder="ctc", presence=False):
    random = np.random.default_rng(0)
    cells = [n and random.normal(size=(n, 3)).astype("float32") for n in steps]
    frame = pd.DataFrame(
        {"speech": cells, "said": texts, "name": [f"u{i}" for i in range(len(texts))]}
    )
    schema = Schema([Sequence("speech")], Text("said"), id="name")
    frame = read_table(frame, schema, allow_holes=presence)
    fitted = fit_preprocessing(frame, schema, presence=presence)
    settings = Settings(
        model=ModelSettings(decoder=decoder),
        encoders={"sequence": Encoder("tcn", {"filters": (4,), "strides": strides})},
    )
    return make_model(fitted, settings), Pipeline(frame, fitted, batch_size=2)


def test_texts_longer_than_the_steps_are_named_by_row_before_training():
    # Half of 12 steps are 6: "abcdef" needs as many, "aabbcc" 3 blanks more, and "ab" of 2 steps 2.
    model, pipeline = built(["abcdef", "aabbcc", "ab", "ab"], [12, 12, 20, 2])
    before = model.get_weights()
    with pytest.raises(ValueError) as refused:
        fit(model, pipeline, None, TrainingSettings(epochs=1), seed=0)
    message = str(refused.value)
    assert "2 target text(s)" in message and "strides" in message
    assert "'u1'" in message and "needs 9 steps, and 'speech' has 6" in message
    assert "'u3'" in message and "needs 2 steps, and 'speech' has 1" in message
    assert "'said'" in message and "'u0'" not in message and "'u2'" not in message
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_validation_rows_are_looked_at_too():
    model, pipeline = built(["abcd", "ab"], [12, 12])
    long = Pipeline(pipeline.frame.assign(said=["ab", "aaaa"]), pipeline.preprocessing)
    with pytest.raises(ValueError, match="'u1'"):
        fit(model, pipeline, long, TrainingSettings(epochs=1), seed=0)


def test_nothing_is_refused_where_texts_fit_to_the_step_or_need_none():
    model, pipeline = built(["aabbcc", "ab"], [9, 3], strides=1)
    refuse_too_few_steps(model, decoder_layer(model), pipeline)
    model, pipeline = built(["aabbcc", "ab"], [8, 3], strides=1)
    with pytest.raises(ValueError, match="needs 9 steps, and 'speech' has 8"):
        refuse_too_few_steps(model, decoder_layer(model), pipeline)
    model, pipeline = built(["abababab", "ab"], [2, 2], decoder="text")
    assert decoder_layer(model).needed_tokens(pipeline.targets) is None
    refuse_too_few_steps(model, decoder_layer(model), pipeline)


def test_of_rows_with_and_without_the_modality_only_the_first_are_refused():
    model, pipeline = built(["ab", "abc", "abcd"], [8, None, 4], presence=True)
    with pytest.raises(ValueError, match="1 target text") as refused:
        refuse_too_few_steps(model, decoder_layer(model), pipeline)
    assert "'u2'" in str(refused.value) and "'u1'" not in str(refused.value)

"""Models with a decoder: what they are built of, and how they answer without the true answer."""

import keras
import numpy as np
import pandas as pd
import pytest

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.models.answer import answer_model
from mmkeras.models.build import build_model
from mmkeras.models.compile import compile_model
from mmkeras.models.parts import auxiliary_model, decoder_layer, embedding_model, known_inputs
from mmkeras.schema import InputSpec, Label, Schema, Tabular, Text
from mmkeras.training.teacher_forcing import teacher_forced

FRAME = pd.DataFrame(
    {
        "note": ["red apple", "green pear", "green apple", None],
        "x": [1.0, 2.0, None, 4.0],
        "french": ["pomme rouge", "poire verte", "pomme verte", "pomme"],
    }
)
INPUTS = [Text("note"), Tabular("facts", numeric=("x",))]
SCHEMA = Schema(INPUTS, target=Text("french"))
SMALL = {"dim": 8, "num_heads": 2, "num_layers": 1, "ff_dim": 8}


@pytest.fixture(scope="module")
def fitted():
    return fit_preprocessing(FRAME, SCHEMA, presence=True, target={"pieces": "words"})


@pytest.fixture(scope="module")
def model(fitted):
    keras.utils.set_random_seed(0)
    return build_model(
        SCHEMA,
        fitted.inputs,
        presence=True,
        decoder_options={**fitted.decoder_options("text"), **SMALL},
    )


@pytest.fixture(scope="module")
def rows(fitted):
    return Pipeline(FRAME, fitted, batch_size=3)


def test_a_decoder_reads_the_answer_in_training_only(model, rows):
    assert "previous" in model.input and "previous" not in known_inputs(model)
    fed = rows.evaluate().map(teacher_forced(decoder_layer(model)))
    inputs, targets = next(fed.as_numpy_iterator())
    previous = inputs["previous"]
    assert (previous[:, 0] == 1).all()
    np.testing.assert_array_equal(previous[:, 1:], targets[:, :-1])
    logits = model.predict_on_batch(inputs)
    assert logits.shape[:2] == targets.shape


def test_the_answer_is_what_the_decoder_gives_for_the_inputs(model, rows, fitted):
    said = answer_model(model).predict(rows.evaluate(), verbose=0)
    assert said.shape == (4, fitted.task.max_length) and said.dtype == np.int32
    assert all(isinstance(text, str) for text in fitted.task.decode(said))
    searched = answer_model(model, beams=3).predict(rows.evaluate(), verbose=0)
    assert searched.shape == said.shape


def test_a_saved_model_answers_as_before(model, rows, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected, said = (
        answer_model(each).predict(rows.evaluate(), verbose=0) for each in (model, loaded)
    )
    np.testing.assert_array_equal(said, expected)


def test_a_model_that_answers_by_itself_is_returned_as_it_is():
    model = build_model(
        Schema([Tabular("t", numeric=("a",))], Label("b")), {"t": InputSpec((1,))}, num_outputs=2
    )
    assert answer_model(model) is model and decoder_layer(model) is None


def test_the_embedding_needs_no_answer(model, rows):
    vectors = embedding_model(model).predict(rows.evaluate(), verbose=0)
    assert vectors.shape[0] == 4 and np.isfinite(vectors).all()


def test_losses_and_metrics_are_the_decoders(model, fitted):
    compile_model(model, fitted.task, label_smoothing=0.1)
    assert type(model.loss).__name__ == type(decoder_layer(model).loss()).__name__


def test_what_does_not_go_together_is_refused(fitted, model):
    sizes = fitted.decoder_options("text")
    with pytest.raises(ValueError, match="needs a fusion of features"):
        build_model(SCHEMA, fitted.inputs, fusion="late", decoder_options=sizes)
    with pytest.raises(ValueError, match=r"one of the decoders \['text', 'ctc'\]"):
        build_model(SCHEMA, fitted.inputs, decoder="image", decoder_options=sizes)
    with pytest.raises(ValueError, match="Leave `auxiliary` and `balance` out"):
        auxiliary_model(model, 3)
    with pytest.raises(ValueError, match="one of the modalities"):
        build_model(
            SCHEMA,
            fitted.inputs,
            decoder="ctc",
            decoder_options={**sizes, "modality": "sound"},
        )
    with pytest.raises(ValueError, match="`num_outputs` says how many"):
        build_model(Schema(INPUTS, Label("french")), fitted.inputs)

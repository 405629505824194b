"""Masked modelling: what is hidden, what is predicted, and that encoders learn by it."""

import keras
import numpy as np
import pytest

from mmkeras.data.kinds.text import UNKNOWN
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.models.build import build_model
from mmkeras.models.parts import encoder_layers
from mmkeras.schema import Audio, Image, InputSpec, Label, Schema, Sequence, Tabular, Text
from mmkeras.training.pretraining.combined import PretrainingSettings, pretrain_encoders
from mmkeras.training.pretraining.hiding import (
    UNKNOWN_WORD,
    BagEntries,
    Cells,
    Entries,
    Steps,
    Words,
    relative_error,
)
from mmkeras.training.pretraining.masked import MaskedModel
from mmkeras.training.seeds import set_seed

JIT = False if keras.config.backend() == "tensorflow" else "auto"
# One of each way to hide.
SCHEMA = Schema(
    [Image("photo"), Audio("sound"), Text("bag"), Text("words"), Tabular("facts", ["a"]),
     Sequence("steps")],
    "label",
)  # fmt: skip
INPUTS = {
    "photo": InputSpec((9, 8, 3)),
    "sound": InputSpec((12, 8)),
    "bag": InputSpec((10,)),
    "words": InputSpec((None,), "int32", vocabulary_size=9),
    "facts": InputSpec((3,)),
    "steps": InputSpec((None, 4)),
}
SMALL = {"filters": (4,), "convs_per_block": 1, "pool_size": 4}


def batch(rows=12):
    random = np.random.default_rng(0)
    words = random.integers(2, 9, (rows, 6))
    words[::2, 4:] = 0
    steps = random.normal(size=(rows, 5, 4))
    steps[::3, 3:] = 0
    present = random.random((rows, 6)) > 0.3
    present[0] = [False] * 5 + [True]
    return {
        "photo": random.random((rows, 9, 8, 3)).astype("float32"),
        "sound": random.normal(size=(rows, 12, 8)).astype("float32"),
        "bag": (random.random((rows, 10)) < 0.3).astype("float32"),
        "words": words.astype("int32"),
        "facts": random.normal(size=(rows, 3)).astype("float32"),
        "steps": steps.astype("float32"),
        "present": present,
    }


@pytest.fixture(scope="module")
def model():
    set_seed(0)
    return build_model(
        SCHEMA,
        INPUTS,
        num_outputs=2,
        presence=True,
        encoders={"words": "lstm"},
        encoder_options={"photo": SMALL, "sound": SMALL, "words": {"units": 4}},
    )


def numbers(tree):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, tree)


def test_each_kind_of_inputs_is_hidden_in_its_own_way(model):
    assert MaskedModel(model, dim=16).parts == [
        Cells((9, 8, 3), (2, 2)),
        Cells((12, 8), (3, 2)),
        BagEntries((10,)),
        Words((None,), 9),
        Entries((3,)),
        Steps((None, 4)),
    ]


def test_what_is_hidden_is_exactly_what_is_predicted():
    x = np.arange(2 * 5 * 4 * 2, dtype="float32").reshape(2, 5, 4, 2) + 1
    cells = Cells((5, 4, 2), (2, 2))
    hidden = np.array([[1, 0, 0, 1], [0, 0, 0, 0]], bool)
    target, shown = numbers((cells.target(x), cells.hide(x, hidden)))
    assert cells.width == 8 and target.shape == (2, 4, 8)
    np.testing.assert_array_equal(target[0, 1], x[0, :2, 2:].ravel())
    np.testing.assert_array_equal(shown[1], x[1])
    # The fifth line belongs to no whole cell, and is hidden with the cell above it.
    gone = np.zeros((5, 4), bool)
    gone[:2, :2] = gone[2:, 2:] = True
    np.testing.assert_array_equal(shown[0] == 0, gone[..., None].repeat(2, axis=-1))
    assert UNKNOWN_WORD == UNKNOWN
    words = np.array([[5, 3, 0]], "int32")
    shown = numbers(Words((None,), 9).hide(words, np.array([[True, False, False]])))
    np.testing.assert_array_equal(shown, [[1, 3, 0]])


def test_errors_are_the_formulas():
    random = np.random.default_rng(0)
    said, true = random.normal(size=(2, 4, 3)).astype("float32")
    weight = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 0, 0]], "float32")
    y, x = said[weight > 0], true[weight > 0]
    expected = np.square(x - y).sum() / np.square(x - x.mean()).sum()
    true[weight == 0] = np.nan
    assert float(relative_error(said, true, weight)) == pytest.approx(expected, rel=1e-3)
    nothing = float(relative_error(np.zeros_like(y) + x.mean(), x, np.ones_like(y)))
    assert nothing == pytest.approx(1.0, rel=1e-3)
    ids, logits = np.array([[2, 1, 4]], "int32"), random.normal(size=(1, 3, 5)).astype("float32")
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    # The second word is unknown: nobody can guess it.
    expected = -(logs[0, 0, 2] + logs[0, 2, 4]) / 2 / np.log(5)
    got = Words((None,), 5).loss(logits, ids, np.ones((1, 3), "float32"))
    assert float(got) == pytest.approx(expected, rel=1e-5)
    bag, weight = np.array([[2.0, 0.0, 1.0], [1.0, 0.0, 0.0]]), np.array([[1.0, 1, 1], [0, 1, 1]])
    logs = logits[0, :2, :3] - np.log(np.exp(logits[0, :2, :3]).sum(axis=-1, keepdims=True))
    # Of the second text no word is hidden.
    expected = -(2 * logs[0, 0] + logs[0, 2]) / 3 / np.log(3)
    got = BagEntries((3,)).loss(logits[0, :2, :3], bag.astype("f"), weight.astype("f"))
    assert float(got) == pytest.approx(expected, rel=1e-5)


def test_absent_modalities_and_padding_are_neither_read_nor_predicted(model):
    inputs = batch()
    other = {name: x.copy() for name, x in inputs.items()}
    for place, name in enumerate(SCHEMA.names):
        other[name][~inputs["present"][:, place]] = 3
    first, second = (
        numbers(MaskedModel(set_and(model), dim=16, seed=1)(x)) for x in (inputs, other)
    )
    for place, name in enumerate(SCHEMA.names):
        here = inputs["present"][:, place]
        assert not first[name]["weight"][~here].any() and first[name]["weight"][here].any()
        np.testing.assert_array_equal(first[name]["said"][here], second[name]["said"][here])
        np.testing.assert_array_equal(first[name]["weight"], second[name]["weight"])
    assert not first["words"]["weight"][inputs["words"] == 0].any()
    assert not first["steps"]["weight"][(inputs["steps"] == 0).all(axis=-1)].any()


def set_and(model):
    """The same model; the next weights are those of one seed."""
    set_seed(3)
    return model


def test_shares_are_those_that_were_asked_for(model):
    inputs = {name: np.repeat(x, 60, axis=0) for name, x in batch().items()}
    inputs["present"][:] = True
    masked = MaskedModel(model, share=0.2, whole=0.5, dim=16, seed=0)
    said = numbers(masked(inputs))
    whole = np.stack([said[name]["weight"].all(axis=1) for name in ("bag", "photo")])
    assert not (whole[0] & whole[1]).any()  # one at a time
    # A modality is hidden wholly in a sixth of the rows that lose one.
    assert whole.mean(axis=1) == pytest.approx(0.5 / 6, abs=0.04)
    assert said["bag"]["weight"].mean() == pytest.approx(0.5 / 6 + 0.2 * (1 - 0.5 / 6), abs=0.04)
    # Alone, a modality is never hidden wholly: there is nothing to predict it from.
    inputs["present"][:, 1:] = False
    alone = numbers(masked(inputs))["photo"]["weight"]
    assert alone.mean() == pytest.approx(0.2, abs=0.03)


@pytest.mark.eager
def test_training_reaches_all_encoders_and_stays_finite_with_holes(model):
    before = {name: layer.get_weights() for name, layer in encoder_layers(model).items()}
    masked = MaskedModel(model, dim=16, seed=0)
    masked.compile(keras.optimizers.Adam(0.01), jit_compile=JIT)
    losses = masked.fit(batch(), epochs=4, batch_size=12, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    for name, layer in encoder_layers(model).items():
        moved = [(a != b).any() for a, b in zip(before[name], layer.get_weights(), strict=True)]
        assert all(moved), name


@pytest.mark.slow
def test_a_hidden_modality_is_predicted_from_the_other_where_that_tells():
    schema = Schema([Tabular("facts", ["a"]), Tabular("signs", ["b"])], "label")
    random = np.random.default_rng(0)
    facts = random.normal(size=(128, 3)).astype("float32")
    inputs = {"facts": facts, "signs": np.sign(facts)}
    specs = {name: InputSpec((3,)) for name in inputs}
    set_seed(0)
    model = build_model(schema, specs, num_outputs=2)
    masked = MaskedModel(model, share=0.05, whole=1.0, dim=16, seed=0)
    masked.compile(keras.optimizers.Adam(0.02), jit_compile=JIT)
    losses = masked.fit(inputs, epochs=60, batch_size=128, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0]

    def error(inputs):
        return float(masked.parts[1].loss(**masked(inputs)["signs"]))

    # Facts of other rows tell nothing.
    mixed = {**inputs, "facts": random.permutation(facts)}
    assert error(inputs) < 0.4 and error(mixed) > 0.8


@pytest.mark.eager
def test_the_same_seed_gives_the_same_encoders_and_another_seed_others(small_table):
    frame, schema = small_table
    schema = schema.select(["picture", "facts"])
    preprocessing = fit_preprocessing(frame, schema)
    rows = Pipeline(frame, preprocessing, batch_size=30)
    settings = PretrainingSettings(dim=8, epochs=1, mask_dim=8)

    def encoders(seed):
        set_seed(seed)
        model = build_model(
            schema,
            preprocessing.inputs,
            num_outputs=preprocessing.num_outputs,
            encoder_options={"picture": SMALL},
        )
        pretrain_encoders(model, rows, settings, seed=seed)
        return [w for layer in encoder_layers(model).values() for w in layer.get_weights()]

    first, again, other = encoders(0), encoders(0), encoders(1)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not all((a == b).all() for a, b in zip(first, other, strict=True))


def test_mistakes_say_what_was_expected(model):
    with pytest.raises(ValueError, match=r"`share` is between 0 and 1. Received: 1.0"):
        MaskedModel(model, share=1.0)
    with pytest.raises(ValueError, match=r"`whole` is from 0 to 1. Received: 2"):
        MaskedModel(model, whole=2)
    with pytest.raises(ValueError, match="both 0"):
        PretrainingSettings(contrastive=0, masked=0)
    with pytest.raises(ValueError, match="`masked` must not be negative"):
        PretrainingSettings(masked=-1)
    strided = build_model(
        Schema([Sequence("steps")], Label("label")),
        {"steps": InputSpec((None, 4))},
        num_outputs=2,
        encoders={"steps": "tcn"},
        encoder_options={"steps": {"filters": (4, 4), "strides": (2, 1)}},
    )
    with pytest.raises(ValueError, match=r"each token is one cell or step\. Received: 'steps'"):
        MaskedModel(strided)

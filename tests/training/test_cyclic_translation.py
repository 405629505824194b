import keras
import numpy as np
import pytest

from mmkeras.models.build import build_model
from mmkeras.models.compile import compile_model
from mmkeras.models.parts import auxiliary_model
from mmkeras.schema import InputSpec, Label, Schema, Sequence, Tabular, Text
from mmkeras.training.cyclic_translation import translating_model
from mmkeras.training.seeds import set_seed
from mmkeras.training.settings import TrainingSettings
from tests.training.balance.balance_checks import CLASSES, vectors_model

pytestmark = pytest.mark.eager


def rows(count=64):
    """Vectors a and b of which b is a linear function of a, and one-hot targets."""
    random = np.random.default_rng(0)
    a = random.standard_normal((count, 5), "float32")
    b = (a @ random.normal(size=(5, 5)) / 2).astype("float32")
    return {"a": a, "b": b}, np.eye(CLASSES, dtype="float32")[random.integers(CLASSES, size=count)]


def in_training(trained, inputs, targets):
    """The translation's losses: what a training loss has more than a held-out one."""
    held_out = trained.test_on_batch(inputs, targets, return_dict=True)["loss"]
    return trained.train_on_batch(inputs, targets, return_dict=True)["loss"] - held_out


def trained_for(steps, auxiliary=False):
    inputs, targets = rows()
    model = vectors_model("concat")
    outputs = auxiliary_model(model, CLASSES).output if auxiliary else model.output
    trained = translating_model(model, outputs, 2.0)
    compile_model(trained, "label", learning_rate=3e-2)
    if auxiliary:
        targets = dict.fromkeys(outputs, targets)
    return model, [in_training(trained, inputs, targets) for _ in range(steps)]


def sequences_model():
    set_seed(0)
    return build_model(
        Schema([Sequence("a"), Sequence("b")], Label("y")),
        {name: InputSpec((None, 5)) for name in "ab"},
        num_outputs=CLASSES,
        encoders=dict.fromkeys("ab", "recurrent"),
        encoder_options={name: {"units": 16} for name in "ab"},
        hidden=(8,),
        presence=True,
    )


@pytest.mark.parametrize("auxiliary", [False, True])
def test_the_translation_is_learnt_and_the_prediction_is_the_models_own(auxiliary):
    before = vectors_model("concat")
    model, losses = trained_for(25, auxiliary=auxiliary)
    # At first about weight times the variance of b, and of a.
    assert losses[0] > 2 and losses[-1] < 0.2 * losses[0]
    assert model.input.keys() == before.input.keys()
    assert model.output_shape == before.output_shape
    assert [w.shape for w in model.weights] == [w.shape for w in before.weights]
    assert not np.array_equal(model.get_weights()[0], before.get_weights()[0])


def test_the_same_seed_gives_the_same_bits():
    (first, losses), (second, again) = trained_for(3), trained_for(3)
    assert losses == again
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_losses_are_those_of_the_equation():
    inputs, targets = rows()
    model = vectors_model("concat")
    trained = translating_model(model, model.output, 3.0)
    compile_model(trained, "label")
    tokens = {n: model.get_layer(f"{n}_encoder")(x)[:, 0] for n, x in inputs.items()}
    nothing = keras.ops.zeros_like(tokens["a"])
    cycle = trained.get_layer("translation")
    made = cycle.decoders[1](keras.ops.concatenate([tokens["a"], nothing], axis=-1))
    back = model.get_layer("b_encoder")(made)[:, 0]
    again = cycle.decoders[0](keras.ops.concatenate([nothing, back], axis=-1))
    expected = sum(
        np.square(keras.ops.convert_to_numpy(x) - inputs[n]).mean()
        for n, x in {"b": made, "a": again}.items()
    )
    assert in_training(trained, inputs, targets) == pytest.approx(3 * expected, rel=1e-4)


def test_rows_that_lack_a_modality_do_not_count():
    inputs, targets = rows()
    present = np.ones((64, 2), bool)
    present[32:, 1] = False
    spoilt = {**inputs, "b": np.where(present[:, 1:], inputs["b"], 9.0)}
    losses = []
    for each in (inputs, spoilt):
        model = sequences_model()
        trained = translating_model(model, model.output, 1.0)
        compile_model(trained, "label")
        sequences = {name: x[:, None] for name, x in each.items()}
        losses.append(in_training(trained, {**sequences, "present": present}, targets))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_what_cannot_be_translated_is_refused():
    with pytest.raises(ValueError, match=r"needs a fused vector.*LateFusion"):
        model = vectors_model("late")
        translating_model(model, model.output, 1.0)
    model = build_model(
        Schema([Tabular("a", ("a0",)), Text("words")], Label("y")),
        {"a": InputSpec((5,)), "words": InputSpec((None,), dtype="int32", vocabulary_size=9)},
        num_outputs=CLASSES,
        encoders={"words": "lstm"},
    )
    with pytest.raises(ValueError, match=r"vectors and sequences of floats.*'words'"):
        translating_model(model, model.output, 1.0)
    with pytest.raises(ValueError, match=r"translation=1.0 and balance='agm'.*Leave one out"):
        TrainingSettings(translation=1.0, balance="agm")

import keras
import numpy as np
import pytest

from mmkeras.models.compile import compile_model
from mmkeras.training.balance.distillation import distillation_model, teacher_model
from tests.training.balance.balance_checks import CLASSES, batch, vectors_model

pytestmark = pytest.mark.eager


def features(model, name, inputs):
    encoder = model.get_layer(f"{name}_encoder")
    return keras.ops.convert_to_numpy(encoder(inputs[name]))[:, 0]


def both_teachers(model):
    return {name: teacher_model(model, name, CLASSES) for name in "ab"}


@pytest.mark.parametrize("auxiliary", [False, True])
def test_the_loss_has_the_distance_to_the_teachers_in_training_only(auxiliary):
    inputs, targets = batch()
    model = vectors_model("concat")
    teachers = both_teachers(model)
    distance = sum(
        np.square(features(model, n, inputs) - features(t, n, inputs)).mean()
        for n, t in teachers.items()
    )
    assert distance > 0.01
    trained = distillation_model(model, teachers, CLASSES, 3.0, auxiliary)
    compile_model(trained, "label", learning_rate=1e-3)
    if auxiliary:
        targets = dict.fromkeys(trained.output, targets)
    held_out = trained.test_on_batch(inputs, targets, return_dict=True)["loss"]
    loss = trained.train_on_batch(inputs, targets, return_dict=True)["loss"]
    assert loss - held_out == pytest.approx(3.0 * distance, rel=1e-3)


def test_students_come_nearer_and_teachers_stay():
    inputs, targets = batch()
    model = vectors_model("late")
    teachers = both_teachers(model)
    trained = distillation_model(model, teachers, CLASSES, 100.0)
    aims = {n: features(t, n, inputs) for n, t in teachers.items()}
    assert len(trained.trainable_variables) == len(model.trainable_variables)
    compile_model(trained, "label", learning_rate=1e-2)

    def distances():
        return [np.square(features(model, n, inputs) - aims[n]).mean() for n in "ab"]

    before = distances()
    for _ in range(30):
        trained.train_on_batch(inputs, targets)
    assert all(now < 0.5 * old for now, old in zip(distances(), before, strict=True))
    for name, teacher in teachers.items():
        np.testing.assert_array_equal(features(teacher, name, inputs), aims[name])


def test_a_teacher_has_weights_of_its_own_and_sees_its_modality_only():
    inputs, _ = batch()
    model = vectors_model("concat")
    teacher = teacher_model(model, "b", CLASSES)
    assert not {id(v) for v in teacher.variables} & {id(v) for v in model.variables}
    outputs = teacher.predict_on_batch(inputs)
    other = {**inputs, "a": inputs["a"] + 5}
    np.testing.assert_array_equal(teacher.predict_on_batch(other), outputs)


def test_teachers_that_do_not_fit_are_refused():
    model = vectors_model("concat")
    with pytest.raises(ValueError, match=r"one model for each modality.*'c'"):
        distillation_model(model, {"c": teacher_model(model, "a", CLASSES)}, CLASSES, 1.0)
    wide = keras.Model(
        model.input, keras.layers.Dense(3)(keras.layers.Reshape((1, 5))(model.input["a"]))
    )
    wide.layers[-1].name = "a_encoder"
    with pytest.raises(ValueError, match="same encoder"):
        distillation_model(model, {"a": wide}, CLASSES, 1.0)

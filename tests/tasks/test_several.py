import keras
import numpy as np
import pandas as pd
import pytest

from mmkeras.decoders import get_decoder
from mmkeras.schema import Label, Labels, Number, Targets
from mmkeras.tasks import better_sign, task_class

FRAME = pd.DataFrame(
    {
        "kind": ["cat", "dog", "cat", "owl"],
        "tags": ["red|round", "", "red", "small|red"],
        "price": [1.0, 2.5, 4.0, 0.5],
    }
)
TARGET = Targets((Label("kind"), Number("price"), Labels("tags")), (1, 0.5, 2))


@pytest.fixture(scope="module")
def task():
    return task_class(TARGET).fit(FRAME, TARGET)


def test_arrays_are_the_parts_arrays_side_by_side(task):
    parts = [task_class(part).fit(FRAME, part) for part in TARGET.parts]
    expected = np.concatenate([part.encode(FRAME) for part in parts], axis=1)
    np.testing.assert_array_equal(task.encode(FRAME), expected)
    assert task.num_outputs == 3 + 1 + 3
    answers = task.decode(task.encode(FRAME))
    assert answers[3] == ("owl", pytest.approx(0.5), "red|small") and task.true(FRAME)[0] == (
        "cat",
        1.0,
        "red|round",
    )


def test_figures_are_those_of_each_target_under_its_name(task):
    true = task.own_unit(task.encode(FRAME))
    said = true.copy()
    said[0, :3] = [0, 1, 0]  # a dog
    figures = task.figures(true, said)
    assert figures["accuracy(kind)"] == 0.75
    assert figures["r2(price)"] == figures["samples_f1(tags)"] == 1
    assert task.main.key == "accuracy(kind)" and task.main_score(true, said) == 0.75
    assert better_sign("val_accuracy(kind)") == 1 and better_sign("val_mae(price)") == -1
    assert task.is_right(true, said).tolist() == [False, True, True, True]


def test_predictions_of_equal_classes_of_two_targets_have_columns_of_their_own():
    frame = pd.DataFrame({"a": ["yes", "no"], "b": ["no", "yes"]})
    target = Targets(("a", "b"))
    task = task_class(target).fit(frame, target)
    columns = task.prediction_columns(frame, task.encode(frame))
    assert columns["predicted(a)"].tolist() == ["yes", "no"]
    assert {"p(a: yes)", "p(b: yes)", "true(b)", "confidence(a)"} <= set(columns)


def test_the_loss_is_the_weighted_sum_of_each_targets_own(task):
    random = np.random.default_rng(0)
    targets = task.encode(FRAME)
    outputs = random.random(targets.shape).astype("float32")
    outputs[:, :3] /= outputs[:, :3].sum(axis=1, keepdims=True)
    heads = get_decoder("heads", **task.decoder_options("heads"))
    own = [
        weight * float(task_class(part).loss()(targets[:, a:b], outputs[:, a:b]))
        for part, weight, (a, b) in zip(
            TARGET.parts, TARGET.weights, ((0, 3), (3, 4), (4, 7)), strict=True
        )
    ]
    loss = heads.loss()
    assert float(loss(targets, outputs)) == pytest.approx(sum(own), rel=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(again(targets, outputs)) == pytest.approx(sum(own), rel=1e-5)


def test_training_watches_each_targets_figures(task):
    heads = get_decoder("heads", **task.decoder_options("heads"))
    targets = task.encode(FRAME)
    outputs = targets.copy()
    outputs[0, :3] = [0, 1, 0]
    found = {metric.name: metric for metric in heads.training_metrics()}
    assert task.watched in found and "r2(price)" in found
    for metric in found.values():
        metric.update_state(targets, outputs)
    assert float(found["accuracy(kind)"].result()) == 0.75
    assert float(found["r2(price)"].result()) == pytest.approx(1)
    found["accuracy(kind)"].reset_state()
    assert float(found["accuracy(kind)"].result()) == 0
    keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(found["r2(price)"]))


def test_a_missing_answer_names_its_row_and_column(task):
    frame = FRAME.assign(kind=["cat", "cow", "dog", "owl"])
    with pytest.raises(ValueError, match=r"index 1.*'cow' is not in any training row"):
        task.encode(frame)

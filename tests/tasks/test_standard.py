"""What every task must do: each name of `TASKS` is held to it."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from mmkeras.schema import (
    TARGETS,
    Boxes,
    Image,
    Label,
    Labels,
    Number,
    Sequence,
    StepLabels,
    Targets,
    Text,
)
from mmkeras.tasks import FIGURES, TASKS, task_class

RANDOM = np.random.default_rng(1)
FRAME = pd.DataFrame(
    {
        "kind": ["cat", "dog", "cat", "owl"],
        "tags": ["red|round", "", "red", "small|red"],
        "price": [1.0, 2.5, 4.0, 0.5],
        "x": [1.0, 2.0, 3.0, 9.0],
        "moods": ["up|up", "down", "up|down|up", "down"],
        "says": ["a red cat", "a dog", "a small red cat", "an owl"],
        "drawing": list(RANDOM.integers(0, 256, (4, 8, 9, 3), np.uint8)),
        "pose": [RANDOM.normal(3, 2, (steps, 2)).astype(np.float32) for steps in (3, 1, 4, 2)],
        "place": ["[[1, 2, 3, 4]]", "[[0, 0, 9, 8]]", "[[4, 2, 5, 5]]", "[[5, 5, 2, 2]]"],
        "objects": [
            '[{"box": [1, 2, 3, 4], "label": "cat"}, {"box": [6, 6, 2, 2], "label": "dog"}]',
            '[{"box": [0, 0, 9, 8], "label": "dog"}]',
            "[]",
            '[{"box": [5, 5, 2, 2], "label": "cat"}]',
        ],
        "features": list(RANDOM.normal(3, 2, (4, 5)).astype(np.float32)),
    }
)
CASES = {
    "label": Label("kind"),
    "labels": Labels("tags"),
    "number": Number("price"),
    "several numbers": Number(("price", "x")),
    "step_labels": StepLabels("moods"),
    "text": Text("says"),
    "text by chrF": Text("says", judged_by="chrf"),
    "image": Image("drawing"),
    "sequence": Sequence("pose"),
    "sequence of one step": Sequence("features"),
    "boxes, one each": Boxes("place", "drawing", image_column="drawing"),
    "several": Targets((Label("kind"), Number(("price", "x")), Labels("tags")), (1, 0.5, 2)),
    "boxes": Boxes("objects", "drawing", several=True, image_column="drawing"),
}
# What a dense layer gives.
FLAT = [name for name, target in CASES.items() if not task_class(target).decoders]


def fit(name):
    target = CASES[name]
    given = {"size": (8, 9)} if target.kind == "image" else {}
    task = task_class(target)
    return task.fit(FRAME, target, task.settings_of(given))


@pytest.fixture(params=list(CASES))
def fitted(request):
    return fit(request.param)


@pytest.fixture(params=FLAT)
def flat(request):
    return fit(request.param)


def outputs_near(targets):
    if targets.dtype == np.int32:  # ids: another row's answer for one of them
        return np.concatenate([targets[1:2], targets[1:]])
    noise = np.random.default_rng(0).random(targets.shape).astype(np.float32)
    if targets.ndim == 3:  # the first number says whether there is a step
        noise[..., 0] = targets[..., 0]
    return 0.7 * targets + 0.3 * noise


def test_every_kind_of_target_has_a_task_of_its_name_and_a_case_here():
    assert set(TASKS) == set(TARGETS) == {target.kind for target in CASES.values()}
    assert all(TASKS[kind].kind == kind for kind in TASKS)


def test_the_state_survives_json(fitted):
    state = json.loads(json.dumps(fitted.to_dict()))
    assert type(fitted).from_dict(fitted.target, state) == fitted


def test_cells_come_back_from_arrays(flat):
    fitted = flat
    targets = fitted.encode(FRAME)
    assert targets.dtype == np.float32 and targets.shape[1] == fitted.num_outputs
    assert len(fitted.units) == fitted.num_outputs
    own = fitted.own_unit(targets)
    answers = fitted.decode(targets)
    if not fitted.per_step:
        columns = list(fitted.target.columns)
        wanted = FRAME[columns].to_numpy()
        if fitted.cells == "labels":
            wanted = [["|".join(sorted(cell.split("|"))) for cell in row] for row in wanted]
        given = answers.reshape(len(FRAME), -1)
        if fitted.has_classes:
            assert given.tolist() == np.array(wanted).tolist()
        else:
            np.testing.assert_allclose(given, np.array(wanted, float), rtol=1e-6)
    assert len(fitted.texts(own)) == len(targets)
    assert all(isinstance(text, str) for text in fitted.texts(own))


def test_other_answers_come_back_from_arrays_and_name_decoders():
    for name in set(CASES) - set(FLAT) - {"several"}:  # test_several has that
        task = fit(name)
        targets = task.encode(FRAME)
        assert len(targets) == len(FRAME)
        # Of training rows nothing is changed for training.
        np.testing.assert_array_equal(task.fed(targets), targets)
        assert task.fed(targets).shape == targets.shape and task.unprepared(FRAME) == []
        own = task.own_unit(targets)
        assert task.is_right(own, own).all()
        assert len(task.decode(targets)) == len(task.true(FRAME)) == len(FRAME)
        for true, said in zip(task.true(FRAME), task.decode(targets), strict=True):
            if task.cells == "text":
                assert true == said
            elif task.cells == "boxes":  # the truth in pixels, answers as shares
                true, said = map(json.loads, (true, said))
                assert [x["label"] for x in true if task.labels] == [
                    x["label"] for x in said if task.labels
                ]
                assert len(true) == len(said)
            else:
                assert true.dtype == said.dtype
                np.testing.assert_allclose(true, said, rtol=1e-5)
        assert task.decoders and all(task.decoder_options(name) for name in task.decoders)
        assert all(isinstance(text, str) for text in task.texts(own))
        assert task.main_of(task.target) is task.main
        drawn = task.consensus([targets, targets])
        assert drawn.shape == targets.shape and drawn.dtype == targets.dtype


def test_the_main_figure_is_the_mean_of_the_rows_scores_and_best_for_the_truth(fitted):
    targets = fitted.encode(FRAME)
    true = fitted.own_unit(targets)
    reverse = 1 - targets if fitted.is_flat else targets[::-1]
    for outputs in (targets, outputs_near(targets), reverse):
        said = fitted.own_unit(outputs)
        figures = fitted.figures(true, said)
        main = fitted.main_score(true, said)
        scores = fitted.row_scores(true, said)
        assert scores.shape == (len(targets),)
        assert main == pytest.approx(scores.mean())
        assert figures[fitted.main.key] == pytest.approx(main)
        best = fitted.main_score(true, true)
        assert fitted.main.sign * best >= fitted.main.sign * main
        everything = fitted.all_figures(true, said)
        assert set(figures) <= set(everything)
        # BLEU is of four words in a row, which texts as short as these do not have.
        assert set(everything) | {"bleu"} >= set(fitted.figure_names) >= set(everything)
    assert fitted.headline[0] == fitted.main.key
    assert set(fitted.headline) <= set(fitted.figure_names)
    constant = fitted.constant_figures(true)
    assert set(constant) <= set(figures) and fitted.constant_words(true)
    assert constant[fitted.main.key] == pytest.approx(fitted.constant_score(true))
    tuned = fitted.tuned(true, true)
    assert tuned.remarks(true, true) == [] and (tuned is fitted) != fitted.has_thresholds
    assert tuned.main_score(true, true) == pytest.approx(fitted.main_score(true, true))
    state = json.loads(json.dumps(tuned.to_dict()))
    assert type(fitted).from_dict(fitted.target, state) == tuned
    # Of several targets, the first one's name follows.
    known = FIGURES[fitted.main.key.partition("(")[0]]
    assert fitted.main.higher_is_better and fitted.main.percent == known.percent


def test_no_constant_answer_is_better_than_the_best_one(fitted):
    true = fitted.own_unit(fitted.encode(FRAME))
    best = fitted.main.sign * fitted.constant_score(true)
    constants = [*true]
    if true.dtype != object:
        constants += [np.nanmean(true, axis=0), np.zeros(true.shape[1:])]
    for constant in constants:
        score = fitted.main_score(true, np.stack([constant] * len(true)))
        assert fitted.main.sign * score <= best + 1e-9


def test_keras_computes_the_main_figure_and_a_loss_that_falls_with_the_error(flat):
    fitted = flat
    targets = fitted.encode(FRAME)
    outputs = outputs_near(targets)
    if fitted.single_label:
        outputs /= outputs.sum(axis=1, keepdims=True)
    loss = fitted.loss()
    near, far = (float(loss(targets, guess)) for guess in (outputs, np.flip(outputs, axis=0)))
    assert np.isfinite([near, far]).all() and near < far
    metrics = {metric.name: metric for metric in fitted.metrics()}
    metric = metrics[fitted.main.key]
    # In two batches of unequal size.
    for part in (slice(0, 3), slice(3, None)):
        metric.update_state(targets[part], outputs[part])
    expected = fitted.main_score(fitted.own_unit(targets), fitted.own_unit(outputs))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    for each in metrics.values():
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(each))


def test_predictions_are_a_table_or_files_with_the_truth_where_it_is_known(fitted, tmp_path):
    outputs = outputs_near(fitted.encode(FRAME))
    files = fitted.saved(FRAME, outputs, tmp_path / "files")
    if files:
        assert sorted(path.name for path in tmp_path.glob("files/*")) == files
        assert len(files) == len(FRAME)
    examples = FRAME.iloc[[0] * len(outputs)] if fitted.per_step else FRAME
    known = fitted.prediction_columns(examples, outputs)
    unknown = fitted.prediction_columns(examples[[]], outputs)
    true = [name for name in known if name.startswith("true")]
    assert set(unknown) <= set(known) - set(true)
    if not files:
        assert true and any(name.startswith("predicted") for name in unknown)
    assert all(len(values) == len(outputs) for values in known.values())


def test_examples_are_told_apart_and_put_into_words(fitted):
    targets = fitted.encode(FRAME)
    true = fitted.own_unit(targets)
    said = true.copy()
    said[0] = said[0] + 100 if fitted.kind == "number" else true[-1]
    right, wrong = fitted.right_and_wrong(true, said)
    assert wrong[0] == 0 and right[0] != 0
    assert fitted.is_right(true, said).tolist() == [False] + [True] * (len(true) - 1)
    mistaken = fitted.answer_in_words(true[0], said[0])
    assert "(true:" in mistaken
    for figure, caption in fitted.pictures(true, said).values():
        assert figure.axes and len(caption) > 20


def test_answers_of_cells_can_be_compared(fitted):
    values = type(fitted).cell_values(FRAME, fitted.target)
    assert list(values) == list(fitted.target.columns)
    assert all(len(column) == len(FRAME) for column in values.values())

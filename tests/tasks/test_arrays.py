"""Pictures and sequences as answers: figures by hand and by scikit-learn."""

import dataclasses
import json

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from sklearn.metrics import r2_score

from mmkeras.schema import Image, Sequence
from mmkeras.tasks.array_figures import structural_similarity, true_ranks
from mmkeras.tasks.image import ImageTargetSettings, ImageTask
from mmkeras.tasks.sequence import SequenceTargetSettings, SequenceTask

RANDOM = np.random.default_rng(0)


def picture_task(rows=6, **settings):
    frame = pd.DataFrame({"drawing": list(RANDOM.integers(0, 256, (rows, 8, 6), np.uint8))})
    settings = ImageTargetSettings(**{"size": (8, 6), "channels": 1, **settings})
    return ImageTask.fit(frame, Image("drawing"), settings), frame


def sequence_task(*lengths, features=3, **settings):
    cells = [RANDOM.normal(5, 2, (n, features)).astype(np.float32) for n in lengths]
    frame = pd.DataFrame({"pose": pd.Series(cells, dtype=object)})
    settings = SequenceTargetSettings(**settings)
    return SequenceTask.fit(frame, Sequence("pose"), settings), frame


def test_the_true_target_is_ranked_among_all_and_its_equals_do_not_count():
    targets = np.array([[0.0, 0], [0, 0], [3, 4], [6, 8]])
    outputs = np.array([[0.1, 0], [3, 3], [3.1, 4], [0, 0]])
    # The second answer is nearest to the third target; the last one's own is the farthest.
    assert true_ranks(targets, outputs).tolist() == [1, 2, 1, 4]
    many = RANDOM.normal(size=(600, 5))
    distances = np.linalg.norm(many[::-1][:, None] - many, axis=-1)
    expected = (distances <= np.diag(distances)[:, None]).sum(axis=1)
    np.testing.assert_array_equal(true_ranks(many, many[::-1]), expected)


def test_structural_similarity_by_hand():
    first, second = RANDOM.random((2, 9, 8, 2)), RANDOM.random((2, 9, 8, 2))
    np.testing.assert_allclose(structural_similarity(first, first), 1)
    grey = np.full((1, 7, 7, 1), 0.5)
    # Of even pictures the light alone counts.
    expected = (2 * 0.5 * 1 + 1e-4) / (0.25 + 1 + 1e-4)
    np.testing.assert_allclose(structural_similarity(grey, 2 * grey), expected)
    each = []
    for top, left, channel in np.ndindex(3, 2, 2):
        one, two = (x[0, top : top + 7, left : left + 7, channel].ravel() for x in (first, second))
        (v1, c), (_, v2) = np.cov(one, two)
        light = (2 * one.mean() * two.mean() + 1e-4) / (one.mean() ** 2 + two.mean() ** 2 + 1e-4)
        each.append(light * (2 * c + 9e-4) / (v1 + v2 + 9e-4))
    assert structural_similarity(first, second)[0] == pytest.approx(np.mean(each))
    assert structural_similarity(first[:, :4, :2], first[:, :4, :2]) == pytest.approx(1)


def test_figures_of_pictures_are_those_of_scikit_learn():
    task, frame = picture_task()
    true = task.encode(frame)
    assert true.shape == (6, 8, 6, 1) and true.dtype == np.float32 and true.max() <= 1
    said = np.clip(0.6 * true + 0.2, 0, 1)
    figures = task.figures(true, said)
    flat = true.reshape(6, -1), said.reshape(6, -1)
    r2 = r2_score(*flat, multioutput="variance_weighted")
    assert figures["r2"] == pytest.approx(r2, abs=1e-6)
    assert figures["mae"] == pytest.approx(np.abs(true - said).mean())
    assert figures["recall@1"] == figures["recall@10"] == 1
    assert 0 < figures["ssim"] < 1
    assert task.decoder_options("image") == {"shape": (8, 6, 1)}


def test_predicted_pictures_are_written_as_they_are(tmp_path):
    task, frame = picture_task()
    outputs = task.encode(frame)
    names = task.saved(frame, outputs, tmp_path / "pictures")
    for name, cell in zip(names, frame["drawing"], strict=True):
        with PIL.Image.open(tmp_path / "pictures" / name) as written:
            np.testing.assert_array_equal(np.asarray(written), cell)


def test_targets_that_are_no_pictures_or_sequences_are_named_by_row(tmp_path):
    task, frame = picture_task()
    holed = frame.assign(drawing=[*frame["drawing"][:5], None], key=list("abcdef"))
    with pytest.raises(ValueError, match=r"index 5, id 'f': the target 'drawing' is empty"):
        task.encode(holed, id="key")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    holed["drawing"] = [*frame["drawing"][:5], str(tmp_path / "bad.png")]
    with pytest.raises(ValueError, match=r"index 5: the target 'drawing' cannot be read"):
        task.encode(holed)
    task, frame = sequence_task(3, 2)
    frame["pose"] = pd.Series([frame["pose"][0], np.zeros((2, 7))], dtype=object)
    with pytest.raises(ValueError, match=r"index 1: the target 'pose' cannot be read.*7 features"):
        task.encode(frame)
    with pytest.raises(ValueError, match="All 2 rows have the same"):
        task.check_judged(frame.iloc[[0, 0]])


def test_numbers_too_large_for_models_are_named_by_row():
    task, frame = sequence_task(2, 2)
    frame["pose"] = pd.Series([frame["pose"][0], np.full((2, 3), 1e38)], dtype=object)
    task = dataclasses.replace(task, deviation=(1e-3, 1.0, 1.0))
    with pytest.raises(ValueError, match="index 1: the target 'pose' has numbers too far"):
        task.encode(frame)


def test_sequences_are_padded_and_come_back_in_their_own_unit(tmp_path):
    task, frame = sequence_task(4, 2, 3)
    targets = task.encode(frame)
    assert targets.shape == (3, 4, 4)
    assert targets[..., 0].sum(axis=1).tolist() == [4, 2, 3]
    assert (targets[1, 2:] == 0).all()
    steps = targets[targets[..., 0] == 1][:, 1:]
    np.testing.assert_allclose(
        [steps.mean(axis=0), steps.std(axis=0)], [[0] * 3, [1] * 3], atol=1e-5
    )
    for name, cell in zip(task.saved(frame, targets, tmp_path), frame["pose"], strict=True):
        np.testing.assert_allclose(np.load(tmp_path / name), cell, rtol=1e-5)
    assert task.default_decoder == "sequence"
    assert sequence_task(2, 2)[0].default_decoder == "vector"
    state = json.loads(json.dumps(task.to_dict()))
    assert SequenceTask.from_dict(task.target, state) == task


def test_figures_of_sequences_count_the_steps_that_are_there():
    task, frame = sequence_task(3, 2, 3, 1)
    targets = task.encode(frame)
    answers = targets.copy()
    answers[..., 1:] *= 0.5
    true, said = task.own_unit(targets), task.own_unit(answers)
    figures = task.figures(true, said)
    assert figures["length_error"] == 0
    there = ~np.isnan(true)
    centre = np.nanmean(true, axis=0)
    expected = 1 - np.square(true - said)[there].sum() / np.square(true - centre)[there].sum()
    assert figures["r2"] == pytest.approx(expected)
    assert figures["mae"] == pytest.approx(np.abs(true - said)[there].mean())
    # An answer that ends early counts as the mean in the steps that it lacks.
    early = answers.copy()
    early[0, 2] = 0
    assert task.figures(true, task.own_unit(early))["length_error"] == 1 / 4
    mean = answers.copy()
    mean[0, 2, 1:] = 0
    np.testing.assert_allclose(
        task.row_scores(true, task.own_unit(early)), task.row_scores(true, task.own_unit(mean))
    )
    # Nothing after the first step that does not exist counts, nor do wrong steps at padding.
    late = answers.copy()
    late[3] = 1
    assert task.row_scores(true, task.own_unit(late))[:3] == pytest.approx(
        task.row_scores(true, said)[:3]
    )


def test_figures_do_not_grow_with_the_number_of_features():
    task, frame = sequence_task(1, 1, 1, features=240)
    true = task.own_unit(task.encode(frame))
    assert set(task.figures(true, true)) == {"r2", "mae", "recall@1", "recall@10"}
    assert set(task.prediction_columns(frame, task.encode(frame))) == {"error"}


def test_longer_sequences_are_cut_for_training_only():
    task, frame = sequence_task(5, 2, max_length=3)
    targets = task.encode(frame)
    assert targets.shape == (2, 5, 4) and task.fed(targets).shape == (2, 3, 4)
    (found,) = task.unprepared(frame)
    assert found.cells == 1 and "more than 3 steps" in str(found)
    figures = task.figures(task.own_unit(targets), task.own_unit(task.fed(targets)))
    assert figures["length_error"] == 1 and figures["r2"] < 1


@pytest.mark.parametrize("task", [picture_task, lambda: sequence_task(2, 3, 1, 2)])
def test_errors_of_rows_without_a_truth_are_left_out(task):
    fitted, frame = task()
    outputs = fitted.encode(frame)
    frame = frame.copy()
    frame.iloc[1, 0] = None
    columns = fitted.prediction_columns(frame, outputs)
    assert np.isnan(columns["error"]).tolist() == [place == 1 for place in range(len(frame))]
    assert np.nanmax(columns["error"]) < 1e-6
    assert len(fitted.true(frame)) == len(frame)

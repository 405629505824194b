"""Boxes as a target: arrays and back, figures by hand and by pycocotools, refusals by row."""

import json

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds.image import ImageSettings
from mmkeras.data.media.images.image_file import encode_png
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.schema import Boxes, Image, Schema, Text
from mmkeras.tasks.box_figures import Found, coco_precision, f1, iou, matched
from mmkeras.tasks.boxes import BoxesTask, BoxSettings
from mmkeras.tasks.figures import FIGURES

TALL = np.zeros((40, 20, 3), np.uint8)


def read(cells, several=True, pictures=None):
    """A table of boxes in pictures 20 pixels wide and 40 high, and its schema."""
    schema = Schema([Image("photo", column="file")], target=Boxes("where", several=several))
    frame = pd.DataFrame({"file": pictures or [TALL] * len(cells)})
    frame["where"] = pd.Series(cells, dtype=object)
    return read_table(frame, schema), schema


def fitted(cells, several=True, **settings):
    frame, schema = read(cells, several)
    return frame, BoxesTask.fit(frame, schema.target, BoxSettings(**settings))


def cat(*box):
    return {"box": list(box), "label": "cat"}


def dog(*box):
    return {"box": list(box), "label": "dog"}


def found(*boxes, scores=None, classes=None):
    count = len(boxes)
    return Found(
        np.array(boxes, float).reshape(-1, 4),
        np.zeros(count, int) if classes is None else np.array(classes),
        np.ones(count) if scores is None else np.array(scores, float),
    )


def test_boxes_are_shares_of_their_pictures_and_come_back_as_pixels():
    cells = [[cat(2, 4, 10, 20), dog(0, 0, 20, 40)], [], [dog(5, 5, 5, 5)]]
    frame, task = fitted(cells, max_boxes=3)
    arrays = task.encode(frame)
    assert arrays.shape == (3, 3, 7) and arrays.dtype == np.float32
    np.testing.assert_allclose(arrays[0, 0], [1, 0.1, 0.1, 0.5, 0.5, 1, 0], rtol=1e-6)
    assert arrays[0, 1].tolist() == [1, 0, 0, 1, 1, 0, 1] and not arrays[0, 2].any()
    assert not arrays[1].any()
    columns = task.prediction_columns(frame, arrays)
    assert columns["true"].tolist() == frame["where"].tolist()
    said = [json.loads(text) for text in columns["predicted"]]
    assert said[0][0] == {"box": [2, 4, 10, 20], "label": "cat", "score": 1}
    assert [len(boxes) for boxes in said] == [2, 0, 1]
    # Without the picture its size is not known.
    alone = task.prediction_columns(frame[["where"]][[]], arrays)
    assert list(alone) == ["predicted"]
    assert json.loads(alone["predicted"][2])[0]["share"] == [0.25, 0.125, 0.25, 0.125]
    assert task.decode(arrays).tolist() == alone["predicted"].tolist()
    state = json.loads(json.dumps(task.to_dict()))
    assert BoxesTask.from_dict(task.target, state) == task


def test_a_picture_has_the_size_that_its_file_shows():
    from io import BytesIO

    import PIL.Image

    file = BytesIO()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # it lies on its side
    PIL.Image.fromarray(TALL).save(file, "JPEG", exif=exif)
    pictures = [TALL, encode_png(TALL), file.getvalue()]
    frame, schema = read([[2, 4, 10, 20]] * 2 + [[4, 2, 20, 10]], several=False, pictures=pictures)
    arrays = BoxesTask.fit(frame, schema.target).encode(frame)
    np.testing.assert_allclose(arrays[:, 0, 1:], [[0.1, 0.1, 0.5, 0.5]] * 3, rtol=1e-6)


@pytest.mark.parametrize(
    "cell, why",
    [
        ([cat(15, 0, 6, 5)], "box 1: .*outside its picture, which is 20 pixels wide and 40 high"),
        ([cat(1, 1, 2, 2), cat(0, -1, 5, 5)], "box 2: .*outside its picture"),
        ([{"box": [1, 1, 2, 2], "label": "owl"}], "'owl' is not in any training row"),
        ([cat(1, 1, 2, 2)] * 5, "5 boxes; the model gives at most 4"),
    ],
)
def test_cells_that_training_did_not_prepare_for_are_named_by_row(cell, why):
    _, task = fitted([[cat(1, 1, 2, 2), dog(1, 1, 2, 2)], []])
    assert task.max_boxes == 4 and task.labels == ("cat", "dog")
    new, _ = read([[], cell])
    with pytest.raises(ValueError, match=f"index 1, column 'where'.*{why}"):
        task.check_judged(new)
    if "outside" in why:
        near, _ = read([[cat(15.2, 0, 5, 40.1)]])
        assert task.encode(near)[0, 0, 1:5].tolist() == pytest.approx([0.76, 0, 0.24, 1])


def test_a_box_needs_a_picture_and_training_needs_a_box():
    frame, task = fitted([[1, 1, 2, 2], [3, 3, 4, 4]], several=False)
    holed = frame.assign(file=pd.Series([TALL, None], dtype=object))
    with pytest.raises(ValueError, match="index 1, column 'file': a box, and no picture"):
        task.encode(holed)
    broken = frame.assign(file=pd.Series([TALL, b"no image"], dtype=object))
    with pytest.raises(ValueError, match="index 1, column 'file': it is no image"):
        task.encode(broken)
    with pytest.raises(ValueError, match="nothing to learn"):
        fitted([[], []])


@pytest.mark.parametrize("change", [{"resize": "pad"}, {"flip": True}, {"shift": 0.1}])
def test_pictures_that_move_under_their_boxes_are_refused(change):
    frame, schema = read([[1, 1, 2, 2]] * 2, several=False)
    key, value = next(iter(change.items()))
    with pytest.raises(ValueError, match=rf"{key}={value!r}. Set photo.{key}="):
        fit_preprocessing(frame, schema, {"photo": ImageSettings(**change)})
    state = json.loads(json.dumps(fit_preprocessing(frame, schema).to_dict()))
    assert Preprocessing.from_dict(state).task.target.image_column == "file"


def test_overlaps_by_hand():
    # A square of 2, moved by 1 to the right: 2 of 6. Half in, half out of a wide one: 2 of 8.
    assert iou(np.array([0, 0, 2, 2]), np.array([[1, 0, 2, 2], [1, 0, 3, 2]])) == pytest.approx(
        [1 / 3, 2 / 8]
    )
    assert iou(np.array([0, 0, 2, 2]), np.array([5, 5, 1, 1])) == 0


def test_matching_gives_each_true_box_to_one_predicted_box():
    true = found([0, 0, 10, 10], [20, 0, 10, 10], classes=[0, 1])
    twice = found([0, 0, 10, 9], [0, 0, 10, 10], [20, 0, 10, 10], scores=[0.9, 0.8, 0.7])
    # The surest comes first, though it overlaps less; the third has another class.
    assert matched(true, twice).tolist() == [0.9, 0]
    assert f1(true, twice) == 2 * 1 / (2 + 3)
    assert f1(true, found()) == f1(found(), true) == 0 and f1(found(), found()) == 1


def test_the_mean_average_precision_is_coco_s():
    true = [found([0, 0, 0.5, 0.5]), found([0.5, 0.5, 0.5, 0.5]), found()]
    assert coco_precision(true, true) == {"map50": 1.0, "map": 1.0}
    # Half of the boxes, found first: a precision of 1 up to a recall of 0.5, at 51 of 101 points.
    half = [true[0], found(), found([0, 0, 1, 1], scores=[0.1])]
    assert coco_precision(true, half)["map50"] == pytest.approx(51 / 101)
    # The false one first: a precision of 1/2 there.
    false = [true[0], found(), found([0, 0, 1, 1], scores=[2])]
    assert coco_precision(true, false)["map50"] == pytest.approx(51 / 101 / 2)
    # An overlap of 0.6 counts at 0.5, 0.55 and 0.6 of the ten.
    rough = [
        found([0, 0, 0.5, 0.3001]),
        true[1]._replace(boxes=np.array([[0.5, 0.5, 0.5, 0.3001]])),
    ]
    figures = coco_precision(true[:2], rough)
    assert figures["map50"] == 1 and figures["map"] == pytest.approx(0.3)
    assert all(np.isnan(x) for x in coco_precision([found()], [found()]).values())


@pytest.mark.parametrize("several", [False, True])
def test_the_main_figure_is_the_mean_of_the_rows_scores_and_best_for_the_truth(several):
    rows = [[cat(0, 0, 10, 20)], [dog(2, 3, 6, 6)], [dog(10, 20, 10, 20)], [cat(0, 20, 5, 5)]]
    frame, task = fitted([*rows, []] if several else rows, several)
    true = task.own_unit(task.encode(frame))
    rng = np.random.default_rng(0)
    moved = true.copy()
    moved[..., 1:5] += 0.3 * rng.random(true[..., 1:5].shape) * true[..., :1]
    swapped = true[..., [0, 1, 2, 3, 4, 6, 5]]
    for said in (true, moved, swapped, np.zeros_like(true), true[::-1]):
        figures = task.figures(true, said)
        scores = task.row_scores(true, said)
        assert scores.shape == (len(true),) and ((scores >= 0) & (scores <= 1)).all()
        assert figures[task.main.key] == pytest.approx(scores.mean())
        assert set(task.headline) <= set(figures) <= set(task.all_figures(true, said))
        assert all(FIGURES[key].key == key for key in figures)
    assert task.main is BoxesTask.main_of(task.target) is FIGURES[task.headline[0]]
    assert task.main_score(true, true) == 1
    assert task.main_score(true, swapped) == (0.2 if several else 0)
    best = task.constant_score(true)
    for constant in [true.mean(axis=0), *true, np.zeros_like(true[0])]:
        assert task.main_score(true, np.stack([constant] * len(true))) <= best < 1


def test_boxes_below_the_threshold_count_for_coco_s_figures_alone():
    frame, task = fitted([[[0, 0, 10, 10], [10, 10, 10, 10]]], score_threshold=0.3)
    true = task.encode(frame)
    said = true.copy()
    said[0, :2, 0] = 0.4, 0.2
    figures = task.figures(true, said)
    assert figures["box_f1"] == pytest.approx(2 / 3) and figures["map50"] == 1
    assert figures["mean_iou"] == 0.5
    assert len(json.loads(task.prediction_columns(frame, said)["predicted"][0])) == 1


def test_one_box_is_pointed_at_found_or_missed():
    frame, task = fitted([[0, 0, 10, 20]] * 3, several=False)
    true = task.encode(frame)
    said = true.copy()
    said[1, 0, 1:5] = 0.2, 0.2, 0.1, 0.1  # inside, and far too small
    said[2, 0, 1:5] = 0.4, 0.4, 0.5, 0.5  # beside it
    figures = task.figures(true, said)
    assert figures["box_accuracy"] == pytest.approx(1 / 3)
    assert figures["pointing"] == pytest.approx(2 / 3)
    assert figures["mean_iou"] == pytest.approx((1 + 0.01 / 0.25 + 0.01 / 0.49) / 3)
    right, wrong = task.right_and_wrong(true, said)
    assert right.tolist() == [0] and wrong.tolist() == [2, 1]
    assert task.answer_in_words(true[0], said[0]) == "overlap 1.00"
    place = "0 % from the left, 0 % from the top, 50 % × 50 %"
    assert task.answer_in_words(true[1], said[1]) == f"overlap 0.04 (true: {place})"
    # The answer that agrees with most others.
    assert task.consensus([said[[0]], said[[2]], true[[0]]]).tolist() == true[[0]].tolist()


def test_answers_are_told_in_words_and_drawn():
    frame, task = fitted([[cat(0, 0, 10, 20), cat(1, 1, 5, 5), dog(2, 3, 6, 6)], []])
    true = task.encode(frame)
    assert task.texts(true) == ["2 cat, 1 dog", "nothing"]
    assert task.answer_in_words(true[1], true[0]).endswith("(true: nothing)")
    black = {"photo": np.zeros((2, 40, 20, 1), np.uint8), "other": np.zeros((2, 9, 9, 1), np.uint8)}
    drawn = task.drawn_on(black, true, true[::-1])
    assert drawn["other"] is black["other"] and not black["photo"].any()
    (first, second), colours = drawn["photo"], {"green": (26, 127, 55), "red": (179, 38, 30)}
    assert tuple(first[0, 0]) == tuple(first[19, 9]) == colours["green"] and not first[30].any()
    assert tuple(second[0, 0]) == colours["red"]
    for figure, caption in task.pictures(true, true).values():
        assert figure.axes and len(caption) > 20


def test_the_schema_says_which_picture_the_boxes_are_in():
    schema = Schema([Image("a", column="x"), Image("b", column="y"), Text("t")], Boxes("p", "b"))
    assert schema.target.image_column == "y"
    assert Schema.from_json(schema.to_json()) == schema
    assert "image_column" not in schema.to_json()
    with pytest.raises(ValueError, match="one of the schema's images"):
        Schema([Image("a"), Image("b")], Boxes("p"))

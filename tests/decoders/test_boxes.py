"""The decoder of boxes: which cell answers for a box, the loss, the answer, and that it learns."""

import keras
import numpy as np
import pytest

from mmkeras.decoders import BoxesDecoder
from mmkeras.decoders.parts.box_losses import BoxAccuracy, BoxF1, BoxLoss
from mmkeras.decoders.parts.box_ops import assign, best_box, cell_middles, overlaps, top_boxes
from mmkeras.schema import Boxes
from mmkeras.tasks.box_figures import iou
from mmkeras.tasks.boxes import BoxesTask
from tests.layer_checks import to_numpy

GRID = (2, 4)  # cells of 0.25 × 0.5


def targets(*rows, slots=3, classes=0):
    """Rows of boxes `(left, top, width, height)` or `(..., class)` as arrays."""
    arrays = np.zeros((len(rows), slots, 5 + classes), np.float32)
    for array, boxes in zip(arrays, rows, strict=True):
        for place, box in enumerate(boxes):
            array[place, :5] = 1, *box[:4]
            if classes:
                array[place, 5 + box[4]] = 1
    return arrays


def cells(*said, classes=0, logit=-9.0):
    """What cells say: nothing, but for `{cell: (logit, box, class logits)}` of each row."""
    outputs = np.zeros((len(said), GRID[0] * GRID[1], 5 + classes), np.float32)
    outputs[..., 0], outputs[..., 3:5] = logit, 0.01
    for array, claims in zip(outputs, said, strict=True):
        for cell, numbers in claims.items():
            array[cell] = numbers
    return outputs


def test_overlaps_are_those_of_the_figures():
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 50, 4)).astype("float32")
    found, general = map(to_numpy, overlaps(one, other))
    np.testing.assert_allclose(found, iou(one, other), atol=1e-5)
    assert (general <= found + 1e-6).all() and (general > -1).all()


def test_each_box_belongs_to_the_cells_around_its_middle():
    # Middles at (0.3, 0.2): cell 1; and at (1, 1), on the edge: the last cell.
    true = targets([(0.2, 0.1, 0.2, 0.2, 0), (1, 1, 0, 0, 1)], [], classes=2)
    wanted = assign(true, GRID)
    middle, near = to_numpy(wanted.middle), to_numpy(wanted.near)
    assert middle[0].tolist() == [0, 1, 0, 0, 0, 0, 0, 1] and not middle[1].any()
    assert near[0, 1] == near[0, 7] == 1 and not near[1].any()
    # Cell 0 is 0.7 cells to the left of the middle, and 0.1 below.
    assert near[0, 0] == pytest.approx(np.exp(-(0.7**2 + 0.1**2) / (2 * 0.75**2)), rel=1e-4)
    np.testing.assert_allclose(to_numpy(wanted.box)[0, [0, 1, 7]], true[0, [0, 0, 1], 1:5])
    assert to_numpy(wanted.classes)[0, [1, 7]].tolist() == [[1, 0], [0, 1]]


def test_the_loss_by_hand():
    true = targets([(0.25, 0, 0.25, 0.5)], slots=1)  # just cell 1
    right = cells({1: (5, 0.25, 0, 0.25, 0.5)}, logit=0.0)
    near = to_numpy(assign(true, GRID).near)[0]
    near[near <= 0.1] = 0
    others = np.where(np.arange(8) == 1, 0, near)
    small = np.array([0, 0, 0.01, 0.01])
    area, hull = 0.25 * 0.5, (0.5 * 0.5)  # around a point at the origin and the box
    giou = -(hull - area - small[2] * small[3]) / hull
    apart = np.abs((small - true[0, 0, 1:5]) * [4, 2, 4, 2]).mean()
    wanted = others.sum() * (1 - giou + apart / 2) / near.sum() + np.log(np.exp(5) + 7) - 5
    assert float(BoxLoss(GRID)(true, right)) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("classes", [0, 2])
def test_the_loss_is_finite_and_falls_with_the_error(classes):
    full = [1.0, 0.0][:classes]
    box = (0.25, 0, 0.25, 0.5)
    true = targets([(*box, 0)], [], classes=classes)
    good = cells({1: (9, *box, *(9 * np.array(full)))}, {}, classes=classes)
    shifted = cells({1: (9, 0.4, 0, 0.25, 0.5, *full)}, {}, classes=classes)
    false = cells({1: (9, *box, *full)}, {6: (9, *box, *full)}, classes=classes)
    losses = [float(BoxLoss(GRID, several=True)(true, x)) for x in (good, shifted, false)]
    assert np.isfinite(losses).all() and losses[0] < min(losses[1:])
    # A picture without objects alone.
    nothing = BoxLoss(GRID, several=True)(true[1:], good[1:])
    assert 0 <= float(nothing) < 1e-3


def test_the_one_box_is_that_of_the_surest_cell():
    box = (0.25, 0, 0.25, 0.5)
    claims = {1: (2.0, *box, 3, 0), 2: (1.0, *box, 0, 3), 7: (1.5, 0.7, 0.5, 0.2, 0.2, 0, 9)}
    said = cells(claims, classes=2)
    answer = to_numpy(best_box(said))
    np.testing.assert_allclose(answer[0, 0, 1:5], box)
    # Cells 1 and 2 say the same box.
    shares = np.exp([2, 1, 1.5])
    assert answer[0, 0, 0] == pytest.approx(shares[:2].sum() / shares.sum(), abs=1e-3)
    assert answer[0, 0, 5] == pytest.approx(1 / (1 + np.exp(-3)))
    metric = BoxAccuracy()
    metric.update_state(targets([(*box, 0)], slots=1, classes=2), said)
    wrong = targets([(*box, 1)], [(0.5, *box[1:], 0)], slots=1, classes=2)
    metric.update_state(wrong, np.repeat(said, 2, axis=0))
    assert float(metric.result()) == pytest.approx(1 / 3)


def test_several_boxes_are_the_best_that_do_not_overlap():
    box, near, far = (0.25, 0, 0.25, 0.5), (0.26, 0, 0.25, 0.5), (0.7, 0.5, 0.2, 0.2)
    said = cells({1: (2.0, *box), 2: (1.0, *near), 7: (1.5, *far)}, {})
    answer = to_numpy(top_boxes(said, 5, 0.5))
    assert answer.shape == (2, 5, 5)
    np.testing.assert_allclose(answer[0, :2, 1:], [box, far], rtol=1e-6)
    assert answer[0, :2, 0] == pytest.approx(1 / (1 + np.exp([-2.0, -1.5])))
    # The others have next to no score; more boxes than cells are zeros.
    assert (answer[0, 2:, 0] < 1e-3).all()
    assert not to_numpy(top_boxes(said, 12, 0.5))[:, 8:].any()
    metric = BoxF1(5, 0.5, 0.5)
    true = targets([box, (0, 0, 0.1, 0.1)], [])
    metric.update_state(true, said)
    task = BoxesTask(Boxes("where", several=True), max_boxes=5)
    assert float(metric.result()) == pytest.approx(task.main_score(true, answer))
    assert float(metric.result()) == pytest.approx((0.5 + 1) / 2)


def test_what_does_not_fit_is_refused():
    tokens = [np.zeros((1, 8, 3), "float32")]
    vector = np.zeros((1, 2), "float32")
    with pytest.raises(ValueError, match=r"8 tokens lie in rows and columns.*grid=None"):
        BoxesDecoder()(vector, tokens)
    with pytest.raises(ValueError, match=r"grid=\(3, 4\)"):
        BoxesDecoder(grid=(3, 4))(vector, tokens)
    with pytest.raises(ValueError, match="one of 1 modalities"):
        BoxesDecoder(grid=GRID, place=1)(vector, tokens)
    with pytest.raises(ValueError, match="several=True"):
        BoxesDecoder(max_boxes=4)
    with pytest.raises(ValueError, match=r"'film', 'dot'.*'cosine'"):
        BoxesDecoder(matching="cosine")
    with pytest.raises(ValueError, match=r"matching='dot'.*contrast=1.0, matching='film'"):
        BoxesDecoder(contrast=1.0)
    with pytest.raises(ValueError, match="label_smoothing"):
        BoxesDecoder(grid=GRID).loss(0.1)


def test_compared_by_a_dot_product_a_phrase_changes_which_box_and_not_the_boxes():
    rng = np.random.default_rng(0)
    vector, picture = rng.random((2, 3)), rng.random((1, 8, 4)).repeat(2, axis=0)
    phrases = rng.random((2, 3, 5))
    phrases[0, 1:] = phrases[0, 0]
    decoder = BoxesDecoder(grid=GRID, dim=6, matching="dot")
    found = to_numpy(decoder(vector, [picture, phrases]))
    np.testing.assert_allclose(found[0, :, 1:], found[1, :, 1:], rtol=1e-5)
    assert (np.abs(found[0, :, 0] - found[1, :, 0]) > 1e-3).any()
    # A cosine: what is said twice as loud is the same.
    twice = to_numpy(decoder(np.zeros_like(vector), [picture, 2 * phrases]))
    np.testing.assert_allclose(twice, found, rtol=1e-4, atol=1e-5)
    # Without a phrase, or without its modality, what a cell looks like is compared with nothing.
    present = np.array([[True, False]] * 2)
    absent = to_numpy(decoder(vector, [picture, phrases], present=present))
    by_hand = to_numpy(decoder(vector, [picture, np.zeros_like(phrases)]))
    np.testing.assert_array_equal(absent, by_hand)
    # In training a phrase is told from the other pictures, here the same one: log 2.
    decoder = BoxesDecoder(grid=GRID, dim=6, matching="dot", contrast=0.5)
    decoder(vector, [picture, phrases])
    assert not decoder.losses
    decoder(vector, [picture, phrases], training=True)
    assert [float(loss) for loss in decoder.losses] == pytest.approx([0.5 * np.log(2)])
    alone = BoxesDecoder(grid=GRID, dim=6, matching="dot")
    assert alone(vector, [picture]).shape == (2, 8, 5) and not alone.compare


@pytest.mark.slow
@pytest.mark.parametrize("several, matching", [(False, "film"), (False, "dot"), (True, "film")])
def test_it_learns_to_find_what_the_words_name(several, matching):
    """Bright cells: the picture's token, its neighbours dark; the word says which of two kinds."""
    rng = np.random.default_rng(0)
    rows, grid = 256, (4, 4)
    picture = np.zeros((rows, 16, 2), "float32")
    word = np.eye(2, dtype="float32")[rng.integers(2, size=rows)][:, None]
    places = np.array([rng.choice(16, 2, replace=False) for _ in range(rows)])
    picture[np.arange(rows), places[:, 0], 0] = picture[np.arange(rows), places[:, 1], 1] = 1
    corners = cell_middles(grid)[places] - 0.125
    boxes = np.concatenate([corners, np.full_like(corners, 0.25)], axis=-1)
    if several:
        true = np.concatenate([np.ones((rows, 2, 1)), boxes, np.tile(np.eye(2), (rows, 1, 1))], -1)
    else:
        named = boxes[np.arange(rows), word[:, 0].argmax(axis=1)]
        true = np.concatenate([np.ones((rows, 1)), named], axis=-1)[:, None]
    true = true.astype("float32")
    decoder = BoxesDecoder(
        true.shape[1],
        true.shape[2] - 5,
        several=several,
        grid=grid,
        dim=16,
        depth=1,
        matching=matching,
    )
    tokens = [keras.Input((16, 2)), keras.Input((1, 2))]
    vector = keras.layers.Flatten()(tokens[1])
    keras.utils.set_random_seed(0)
    model = keras.Model(tokens, decoder(vector, tokens))
    model.compile(
        keras.optimizers.Adam(0.01),
        decoder.loss(),
        metrics=decoder.training_metrics(),
        jit_compile=False if keras.config.backend() == "tensorflow" else "auto",
    )
    history = model.fit(
        [picture, word],
        true,
        epochs=12 if (several, matching) == (False, "film") else 25,
        batch_size=32,
        verbose=0,
    ).history
    key = "box_f1" if several else "box_accuracy"
    # One of the two at random is right half of the time.
    least = 0.8 if matching == "dot" else 0.9
    assert history[key][-1] > least, history[key]
    answer = to_numpy(decoder.answer(word[:, 0], [picture, word]))
    task = BoxesTask(Boxes("where", several=several), ("a", "b") * several, true.shape[1])
    figures = task.figures(true, answer)
    assert figures[key] > least and figures["mean_iou"] > 0.7

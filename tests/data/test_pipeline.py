import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import ImageSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.schema import Image, Schema, Text

SETTINGS = {"picture": ImageSettings(size=(12, 12), flip=True, rotation=10.0, shift=0.1)}


@pytest.fixture
def fed(small_table):
    frame, schema = small_table
    return frame, fit_preprocessing(frame, schema, SETTINGS)


def batches(dataset):
    return [({k: v.numpy() for k, v in x.items()}, y.numpy()) for x, y in dataset]


def assert_same(one, other):
    assert len(one) == len(other)
    for (x1, y1), (x2, y2) in zip(one, other, strict=True):
        np.testing.assert_array_equal(y1, y2)
        for name in x1:
            np.testing.assert_array_equal(x1[name], x2[name])


def test_evaluation_gives_every_row_once_in_order(fed):
    frame, fitted = fed
    pipeline = Pipeline(frame, fitted, batch_size=16)
    rows = batches(pipeline.evaluate())
    assert [len(y) for _, y in rows] == [16, 16, 16, 12] and pipeline.steps == 4
    np.testing.assert_array_equal(np.concatenate([y for _, y in rows]), pipeline.targets)
    pictures = np.concatenate([x["picture"] for x, _ in rows])
    np.testing.assert_allclose(pictures, np.stack(frame["picture"]) / 255.0, atol=1e-6)


def test_every_epoch_shows_every_row_once_in_another_order(fed):
    frame, fitted = fed
    pipeline = Pipeline(frame, fitted, batch_size=16)
    data = batches(pipeline.train(seed=3, epochs=2, augment=False))
    assert len(data) == 8
    facts = [np.concatenate([x["facts"][:, 0] for x, _ in part]) for part in (data[:4], data[4:])]
    expected = np.sort(fitted.modalities["facts"].vectors(frame)[:, 0])
    for epoch in facts:
        np.testing.assert_array_equal(np.sort(epoch), expected)
    assert not np.array_equal(facts[0], facts[1])


def test_inputs_and_targets_of_a_row_stay_together(fed):
    frame, fitted = fed
    pipeline = Pipeline(frame, fitted, batch_size=7)
    by_warmth = dict(
        zip(fitted.modalities["facts"].vectors(frame)[:, 0], pipeline.targets[:, 0], strict=True)
    )
    for x, y in batches(pipeline.train(seed=0, epochs=1)):
        for warmth, target in zip(x["facts"][:, 0], y[:, 0], strict=True):
            assert by_warmth[warmth] == target


def test_batches_are_a_function_of_seed_and_epoch(fed):
    frame, fitted = fed
    whole = batches(Pipeline(frame, fitted, batch_size=16).train(seed=5, epochs=3))
    again = batches(Pipeline(frame, fitted, batch_size=16).train(seed=5, epochs=3))
    assert_same(whole, again)
    resumed = Pipeline(frame, fitted, batch_size=16).train(seed=5, epochs=3, first_epoch=1)
    assert_same(whole[4:], batches(resumed))
    other = batches(Pipeline(frame, fitted, batch_size=16).train(seed=6, epochs=1))
    assert not np.array_equal(whole[0][0]["picture"], other[0][0]["picture"])


def test_datasets_keep_their_order_and_end_without_waiting_for_the_tuner(fed):
    pipeline = Pipeline(*fed, batch_size=7)
    for dataset in (pipeline.train(seed=0, epochs=1), pipeline.evaluate()):
        # As `fit` takes it: a further step keeps the options.
        options = dataset.map(lambda *batch: batch).options()
        assert options.deterministic and options.autotune.enabled is False


@pytest.mark.parametrize("cache", ["file", None])
def test_caches_change_speed_only(fed, tmp_path, cache):
    frame, fitted = fed
    in_memory = batches(Pipeline(frame, fitted).train(seed=0, epochs=2))
    other = Pipeline(frame, fitted, cache=cache, cache_dir=tmp_path).train(seed=0, epochs=2)
    assert_same(in_memory, batches(other))


def test_the_file_cache_is_used_again_and_notices_a_changed_image(tmp_path, small_table):
    import PIL.Image

    frame, schema = small_table
    paths = []
    for row, picture in enumerate(frame["picture"]):
        paths.append(str(tmp_path / f"{row}.png"))
        PIL.Image.fromarray(picture).save(paths[-1])
    frame = frame.assign(picture=paths)
    fitted = fit_preprocessing(frame, schema, SETTINGS)
    cache = tmp_path / "cache"

    def first_picture():
        pipeline = Pipeline(frame, fitted, cache="file", cache_dir=cache)
        return next(iter(pipeline.evaluate()))[0]["picture"][0].numpy()

    before = first_picture()
    files = sorted(cache.iterdir())
    np.testing.assert_array_equal(first_picture(), before)
    assert sorted(cache.iterdir()) == files
    PIL.Image.fromarray(np.full((20, 20, 3), 9, np.uint8)).save(paths[0])
    np.testing.assert_allclose(first_picture(), 9 / 255, atol=1e-6)
    assert len(list(cache.iterdir())) == 2 * len(files)


def corrupt(folder, small_table):
    import PIL.Image

    frame, schema = small_table
    paths = []
    for row, picture in enumerate(frame["picture"]):
        paths.append(str(folder / f"{row}.png"))
        PIL.Image.fromarray(picture).save(paths[-1])
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[: len(whole) // 2])
    (folder / "8.png").write_text("<html>404</html>")
    (folder / "9.png").unlink()
    return frame.assign(picture=paths), schema


def test_corrupt_images_are_all_named_in_one_error(small_table, tmp_path):
    frame, schema = corrupt(tmp_path, small_table)
    fitted = fit_preprocessing(frame, schema, SETTINGS)
    with pytest.raises(ValueError) as error:
        Pipeline(frame, fitted)
    message = str(error.value)
    for name in ("3.png", "8.png", "9.png", "not found"):
        assert name in message
    for index in (3, 8, 9):
        assert f"\n  index {index}, column 'picture': " in message
    assert "3 cell(s)" in message


@pytest.mark.parametrize("cache", ["memory", "file", None])
def test_rows_with_corrupt_images_can_be_skipped(small_table, tmp_path, cache):
    frame, schema = corrupt(tmp_path, small_table)
    fitted = fit_preprocessing(frame, schema, SETTINGS)
    pipeline = Pipeline(
        frame, fitted, on_error="skip", batch_size=60, cache=cache, cache_dir=tmp_path / "c"
    )
    assert len(pipeline) == 57 and len(pipeline.skipped) == 3
    assert not {3, 8, 9} & set(pipeline.frame.index)
    x, y = next(iter(pipeline.evaluate()))
    vectors = fitted.modalities["facts"].vectors(frame.drop(index=[3, 8, 9]))
    np.testing.assert_array_equal(x["facts"], vectors)
    expected = np.stack(small_table[0]["picture"].drop(index=[3, 8, 9])) / 255.0
    np.testing.assert_allclose(x["picture"], expected, atol=1e-6)
    assert y.shape == (57, 2)


def test_holes_give_presence_and_a_pipeline_without_it_refuses_them(small_table):
    frame, schema = small_table
    whole = fit_preprocessing(frame, schema, SETTINGS)
    assert not whole.presence
    holed = frame.copy()
    holed.loc[2, "note"] = None
    holed.at[5, "picture"] = None
    with pytest.raises(ValueError, match=r"(?s)index 2: .*'note'.*presence=True"):
        Pipeline(holed, whole)
    fitted = fit_preprocessing(holed, schema, SETTINGS)
    x, _ = next(iter(Pipeline(holed, fitted, batch_size=60).evaluate()))
    expected = np.ones((60, 3), bool)
    expected[2, 1] = expected[5, 0] = False
    np.testing.assert_array_equal(x["present"], expected)
    assert x["present"].dtype == bool and np.isfinite(x["picture"]).all()


def test_messages_name_rows_of_a_shuffled_part_by_index_and_id():
    table = pd.DataFrame(
        {
            "key": [f"k{i}" for i in range(50)],
            "i": [np.zeros((4, 4), np.uint8)] * 49 + [b"no image"],
            "t": ["one"] * 48 + [None, "two"],
            "label": ["a", "b"] * 23 + ["a", "new", "a", "a"],
        }
    )
    schema = Schema([Image("i"), Text("t")], "label", id="key")
    fitted = fit_preprocessing(table[:40], schema)
    with pytest.raises(ValueError, match=r"index 49, id 'k49', column 'i': corrupt"):
        Pipeline(table.iloc[[49, 3]], fitted)
    with pytest.raises(ValueError, match=r"index 48, id 'k48': the row has no 't'"):
        Pipeline(table.iloc[[5, 48]], fitted)
    with pytest.raises(ValueError, match=r"^index 47, id 'k47', column 'label': the label 'new'"):
        Pipeline(table.iloc[[5, 4, 47]], fitted)


def test_wrong_arguments_are_refused(fed):
    frame, fitted = fed
    with pytest.raises(ValueError, match="on_error"):
        Pipeline(frame, fitted, on_error="ignore")
    with pytest.raises(ValueError, match="cache"):
        Pipeline(frame, fitted, cache="disk")
    with pytest.raises(ValueError, match="cache_dir"):
        Pipeline(frame, fitted, cache="file")
    with pytest.raises(ValueError, match="batch_size"):
        Pipeline(frame, fitted, batch_size=0)
    with pytest.raises(ValueError, match="no rows"):
        Pipeline(frame[:0], fitted)
    with pytest.raises(ValueError, match="'when'"):
        Pipeline(frame.drop(columns="when"), fitted).train(seed=0, epochs=1)


def test_a_file_of_only_corrupt_images_is_an_error_even_when_skipping(tmp_path):
    frame = pd.DataFrame({"i": [np.zeros((4, 4), np.uint8)] * 2, "label": ["a", "b"]})
    fitted = fit_preprocessing(frame, Schema([Image("i")], "label"))
    broken = pd.DataFrame({"i": [b"nothing", b"at all"], "label": ["a", "b"]})
    with pytest.raises(ValueError, match="none is left"):
        Pipeline(broken, fitted, on_error="skip")

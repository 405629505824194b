"""Cells that hold several images: read, fitted, fed, corrupted, shown."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.data.kinds import KINDS, ImageSettings
from mmkeras.data.leakage.check import check_leakage
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.raw import RawModality
from mmkeras.data.tables.fingerprint import fingerprint, row_codes
from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.read import TableError, read_table
from mmkeras.data.tables.splits import Splits
from mmkeras.evaluation.corruptions import CORRUPTIONS
from mmkeras.schema import Image, Schema, Text
from tests.data.media_files import image_bytes

SCHEMA = Schema([Image("views", several=True)], "label")
SETTINGS = {"views": ImageSettings(size=(6, 6))}
RNG = np.random.default_rng(0)
# By row: 2, 1, 3, 1 pictures; the last one is black.
PICTURES = [RNG.integers(1, 256, (count, 6, 6, 3), np.uint8) for count in (2, 1, 3, 1)]
PICTURES[3][:] = 0


def table(cells=PICTURES, schema=SCHEMA, **options):
    labels = (["a", "b"] * len(cells))[: len(cells)]
    cells = [list(c) if isinstance(c, np.ndarray) and c.ndim == 4 else c for c in cells]
    cells = pd.Series(cells, dtype=object)
    return read_table(pd.DataFrame({"views": cells, "label": labels}), schema, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("views")
    for name in ("a.png", "b.png", "c, d.png", "x.png;y.png"):
        PIL.Image.new("RGB", (4, 4), (len(name), 0, 0)).save(place / name, "PNG")
    (place / "broken.png").write_bytes(b"no picture")
    return place


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("a.png;b.png", ["a.png", "b.png"]),
        ("a.png | b.png", ["a.png", "b.png"]),
        ("a.png, b.png", ["a.png", "b.png"]),
        ("a.png;", ["a.png"]),
        ("a.png;c, d.png", ["a.png", "c, d.png"]),
        ("c, d.png", ["c, d.png"]),
        ("x.png;y.png", ["x.png;y.png"]),  # there is such a file
        ("['a.png', 'b.png']", ["a.png", "b.png"]),
        ("[]", None),
        ("a.png", ["a.png"]),
        (["a.png", None, Path("b.png")], ["a.png", "b.png"]),
        (np.array(["a.png", "b.png"], dtype=object), ["a.png", "b.png"]),
        ([{"bytes": None, "path": "a.png"}], ["a.png"]),
        ([], None),
        (None, None),
    ],
)
def test_a_cell_is_read_as_its_pictures_wherever_it_comes_from(cell, names, folder):
    read = table([cell, "a.png"], base_dir=folder)["views"][0] if names else None
    if names is None:
        schema = Schema([*SCHEMA.modalities, Text("note")], "label")
        cells = pd.Series([cell, ["a.png"]], dtype=object)
        frame = pd.DataFrame({"views": cells, "note": ["u", "v"], "label": ["a", "b"]})
        assert read_table(frame, schema, base_dir=folder)["views"][0] is None
    else:
        assert read == tuple(str(folder / name) for name in names)


def test_pictures_in_memory_are_read_and_other_things_named(folder):
    array, content = PICTURES[0][0], image_bytes(PICTURES[0][0])
    (read,) = table([[array, content, PIL.Image.fromarray(array), "a.png"]], base_dir=folder)[
        "views"
    ]
    assert read[1] == content and read[3] == str(folder / "a.png")
    assert all(np.array_equal(medium, array) for medium in (read[0], read[2]))
    (clip,) = table([np.stack([array, array])], schema=SCHEMA)["views"]
    assert [medium.shape for medium in clip] == [array.shape] * 2
    with pytest.raises(TableError, match=r"row 2, column 'views': number 2 of 3: file not found: "):
        table(["a.png", "a.png;gone.png;b.png"], base_dir=folder)
    with pytest.raises(TableError, match=r"number 2 of 2: 7 is not an image; give a path"):
        table([["a.png", 7]], base_dir=folder)
    skipped = table(["a.png", "gone.png|b.png"], base_dir=folder, on_error="skip")
    assert len(skipped) == 1 and "row 2" in skipped.attrs["skipped"][0]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_lists_mean_the_same_from_every_file(suffix, folder):
    lists = [["a.png", "b.png"], ["b.png"], ["a.png"]]
    frame = pd.DataFrame({"views": lists, "label": ["x", "y", "x"]})
    path = folder / f"table.{suffix}"
    if suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        getattr(frame, f"to_{suffix}")(path, index=False)
    expected = [tuple(str(folder / name) for name in names) for names in lists]
    assert read_table(path, SCHEMA)["views"].tolist() == expected
    inferred = infer_schema(path, "label")
    assert inferred.schema.modalities == SCHEMA.modalities
    assert "all 3 cells looked at are images, up to 2 in one cell" in str(inferred)


def test_a_schema_that_speaks_of_one_picture_says_what_to_write(folder):
    one = Schema([Image("views")], "label")
    for cell in ("a.png;b.png", ["a.png", "b.png"], np.array(["a.png"], dtype=object)):
        with pytest.raises(TableError, match=r"files in one cell.*Image\(\.\.\., several=True\)"):
            table([cell], schema=one, base_dir=folder)
    assert "several" not in json.dumps(one.to_dict())
    assert Schema.from_json(SCHEMA.to_json()) == SCHEMA


@pytest.mark.parametrize("cache", ["memory", "file", None])
def test_batches_are_padded_with_zeros_and_a_black_picture_is_none(cache, tmp_path):
    fitted = fit_preprocessing(table(), SCHEMA, SETTINGS)
    assert fitted.inputs["views"].shape == (3, 6, 6, 3) and fitted.inputs["views"].several
    saved = json.loads(json.dumps(fitted.to_dict()))
    assert Preprocessing.from_dict(saved) == fitted
    pipeline = Pipeline(table(), fitted, batch_size=4, cache=cache, cache_dir=tmp_path)
    ((inputs, _),) = pipeline.evaluate().as_numpy_iterator()
    views = inputs["views"]
    assert views.shape == (4, 3, 6, 6, 3) and views.dtype == np.float32
    for row, pictures in enumerate(PICTURES[:3]):
        np.testing.assert_allclose(views[row, : len(pictures)], pictures / 255, atol=1e-6)
    there = (views != 0).any(axis=(2, 3, 4))
    assert there.sum(axis=1).tolist() == [2, 1, 3, 1] and views[3].max() < 0.001
    raw = RawModality(pipeline, "views") if cache else None
    if raw is not None:
        np.testing.assert_array_equal(raw.inputs(), views)


def test_what_was_saved_before_cells_could_hold_several_is_of_one_image():
    one = Schema([Image("views")], "label")
    fitted = fit_preprocessing(table([p[0] for p in PICTURES], schema=one), one, SETTINGS)
    saved = fitted.to_dict()
    state = saved["modalities"]["views"]
    del state["images"], state["settings"]["max_images"]
    assert Preprocessing.from_dict(saved) == fitted
    assert fitted.inputs["views"].shape == (6, 6, 3) and not fitted.inputs["views"].several


def test_pictures_beyond_those_of_the_training_rows_are_counted():
    fitted = fit_preprocessing(table(), SCHEMA, {"views": ImageSettings(size=(6, 6), max_images=2)})
    with pytest.warns(UserWarning, match=r"1 of 4 cells have more than 2 images.*longest has 3"):
        pipeline = Pipeline(table(), fitted)
    assert next(iter(pipeline.evaluate()))[0]["views"].shape == (4, 2, 6, 6, 3)
    assert fit_preprocessing(table([PICTURES[1]] * 2), SCHEMA).modalities["views"].images == 1
    with pytest.raises(ValueError, match="`max_images` must be at least 1"):
        ImageSettings(max_images=0)


def test_standardized_pictures_have_mean_zero_whatever_the_padding():
    settings = {"views": ImageSettings(size=(6, 6), scaling="standardize")}
    fitted = fit_preprocessing(table(), SCHEMA, settings)
    inputs, _ = next(iter(Pipeline(table(), fitted).evaluate()))
    real = inputs["views"].numpy()[(inputs["views"].numpy() != 0).any(axis=(2, 3, 4))]
    np.testing.assert_allclose(real.mean(axis=(0, 1, 2)), 0, atol=1e-4)


def test_each_picture_moves_by_itself_and_by_the_seed():
    same = [np.repeat(PICTURES[0][:1], 3, axis=0)] * 4
    settings = {"views": ImageSettings(size=(6, 6), rotation=40.0)}
    pipeline = Pipeline(table(same), fit_preprocessing(table(same), SCHEMA, settings))
    first, again, other = (
        next(iter(pipeline.train(seed=seed, epochs=1)))[0]["views"].numpy() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    moved = first.reshape(12, -1)
    assert len(np.unique(moved, axis=0)) == 12


def test_an_unreadable_picture_is_named_with_its_row(folder):
    frame = table(["a.png", "b.png;broken.png", "a.png;b.png"], base_dir=folder)
    fitted = fit_preprocessing(frame, SCHEMA, SETTINGS)
    expected = r"index 1, column 'views': number 2 of 2: corrupt, .*broken\.png"
    with pytest.raises(ValueError, match=expected):
        Pipeline(frame, fitted)
    pipeline = Pipeline(frame, fitted, on_error="skip", cache="memory")
    assert pipeline.frame.index.tolist() == [0, 2]
    assert [len(pictures) for pictures in RawModality(pipeline, "views").values] == [1, 2]


def test_a_row_without_pictures_lacks_the_modality():
    schema = Schema([*SCHEMA.modalities, Text("note")], "label")
    frame = pd.DataFrame(
        {
            "views": pd.Series([list(PICTURES[0]), []], dtype=object),
            "note": ["u v", "u w"],
            "label": ["a", "b"],
        }
    )
    frame = read_table(frame, schema)
    fitted = fit_preprocessing(frame, schema, SETTINGS)
    ((inputs, _),) = Pipeline(frame, fitted, cache="memory").evaluate().as_numpy_iterator()
    assert inputs["present"].tolist() == [[True, True], [False, True]]
    assert not inputs["views"][1].any()
    only = Pipeline(frame[1:], fitted, cache="memory")
    assert not next(only.evaluate().as_numpy_iterator())[0]["views"].any()


@pytest.mark.parametrize("name", CORRUPTIONS["image"])
def test_corruptions_change_every_picture_and_no_padding(name):
    fitted = fit_preprocessing(table(), SCHEMA, SETTINGS)
    raw = RawModality(Pipeline(table(), fitted, cache="memory"), "views")
    worse = CORRUPTIONS["image"][name](raw.values, 5, fitted=raw.fitted, seed=0)
    assert [pictures.shape for pictures in worse] == [pictures.shape for pictures in PICTURES]
    of_one_each = CORRUPTIONS["image"][name](
        np.concatenate(raw.values), 5, fitted=raw.fitted, seed=0
    )
    np.testing.assert_array_equal(np.concatenate(worse), of_one_each)
    assert not raw.inputs(worse)[1, 1:].any()


def test_people_see_the_pictures_of_a_row_in_a_square():
    fitted = fit_preprocessing(table(), SCHEMA, SETTINGS).modalities["views"]
    kind = KINDS["image"]
    shown = kind.pictures(table()["views"], fitted)
    assert shown.shape == (4, 96, 96, 3)
    assert (shown[1, :48, 48:] == 255).all() and (shown[1, :48, :48] != 255).any()
    alone = kind.pictures(table()["views"][:2], fitted)
    np.testing.assert_array_equal(alone, shown[:2])
    heat = np.arange(3)[:, None, None] * np.ones((3, 2, 2))
    np.testing.assert_array_equal(kind.upright(heat)[::2, ::2], [[0, 1], [2, 0]])


def test_a_picture_on_both_sides_of_a_split_is_found(folder):
    train = table(["a.png;b.png", "b.png"], base_dir=folder)
    test = table(["c, d.png;a.png", "c, d.png"], base_dir=folder)
    test.index = pd.Index([2, 3])
    (finding,) = check_leakage(Splits(train, train[:0], test), SCHEMA)
    assert (finding.check, finding.rows) == ("same image on both sides", 1)
    assert "test index 2 and train index 0" in finding.message


def test_equal_lists_are_equal_rows(folder):
    frame = table(["a.png;b.png", ["a.png", "b.png"], "b.png;a.png", "a.png"], base_dir=folder)
    assert row_codes(frame, SCHEMA, target=False).tolist() == [0, 0, 1, 2]
    copied = [fingerprint(frame[rows], SCHEMA) for rows in (slice(0, 1), slice(2, 3))]
    assert copied[0] != copied[1]
    assert fingerprint(frame, SCHEMA) == fingerprint(frame.copy(), SCHEMA)

"""Each kind of bad input that a table can bring, the error that names it, and the skip."""

import io
import resource
import time

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.data.kinds import (
    KINDS,
    AudioSettings,
    ImageSettings,
    SequenceSettings,
    VideoSettings,
)
from mmkeras.data.media.stores import MediaStore
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import TableError, read_table
from mmkeras.schema import TARGETS, Audio, Image, Schema, Sequence, Tabular, Text, Video
from tests.data.media_files import (
    bmp_claiming,
    gif_claiming,
    image_bytes,
    make_clip,
    png_claiming,
    tone,
    wav_bytes,
)

FILES = {
    "image": (Image, ImageSettings(size=(8, 8)), ".png"),
    "audio": (Audio, AudioSettings(rate=8000, seconds=0.1, mel_bands=8), ".wav"),
    "video": (Video, VideoSettings(frames=2, size=(8, 8)), ".mp4"),
    "sequence": (Sequence, SequenceSettings(), ".npy"),
}
COMPLAINTS = {
    "image": "corrupt, or not PNG, JPEG, GIF, BMP, WebP, TIFF or AVIF",
    "audio": "not a sound that can be read",
    "video": "not a video that can be read",
    "sequence": "not a feature sequence",
}
RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.integers(0, 256, (12, 12, 3), np.uint8)


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    """The bytes of one good file of each suffix."""
    folder = tmp_path_factory.mktemp("good")
    np.save(folder / "a.npy", np.arange(12.0).reshape(4, 3))
    return {
        ".png": image_bytes(PICTURE),
        ".jpg": image_bytes(PICTURE, "JPEG"),
        ".gif": image_bytes(PICTURE, "GIF"),
        ".bmp": image_bytes(PICTURE, "BMP"),
        ".wav": wav_bytes(0.5 * tone()),
        ".mp4": make_clip(folder / "a.mp4", frames=6, sound=True).read_bytes(),
        ".npy": (folder / "a.npy").read_bytes(),
    }


def bad_table(kind, good, bad, folder, suffix=None):
    """Rows 0 and 2 hold good files, row 1 the bad one; read, and fitted on the good rows."""
    cls, settings, usual = FILES[kind]
    suffix = suffix or usual
    names = [f"good{suffix}", f"bad{suffix}", f"good{suffix}"]
    (folder / names[0]).write_bytes(good)
    (folder / names[1]).write_bytes(bad)
    schema = Schema([cls("cell")], "label", id="name")
    table = pd.DataFrame({"cell": names, "label": list("aab"), "name": list("xyz")})
    frame = read_table(table, schema, base_dir=folder)
    return frame, fit_preprocessing(frame.iloc[[0, 2]], schema, {"cell": settings})


def check_named_and_skipped(kind, good, bad, folder, reason="", suffix=None):
    frame, fitted = bad_table(kind, good, bad, folder, suffix)
    place = r"index 1, id 'y', column 'cell': "
    pattern = f"(?s)1 cell.*{place}{COMPLAINTS[kind]}.*bad{suffix or FILES[kind][2]}.*{reason}"
    with pytest.raises(ValueError, match=pattern):
        Pipeline(frame, fitted)
    pipeline = Pipeline(frame, fitted, on_error="skip")
    assert pipeline.frame["name"].tolist() == ["x", "z"]
    (message,) = pipeline.skipped
    assert COMPLAINTS[kind] in message and "index 1, id 'y'" in message
    ((inputs, targets),) = pipeline.evaluate()
    assert len(inputs["cell"]) == len(targets) == 2
    assert np.isfinite(inputs["cell"]).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp"])
def test_a_truncated_image(suffix, good_files, tmp_path):
    good = good_files[suffix]
    check_named_and_skipped("image", good, good[: len(good) // 2], tmp_path, suffix=suffix)


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
def test_a_truncated_wav(kept, good_files, tmp_path):
    good = good_files[".wav"]
    bad = good[: int(len(good) * kept)]
    check_named_and_skipped("audio", good, bad, tmp_path, "cut off")


@pytest.mark.filterwarnings("ignore:The model does not take some cells")
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
def test_a_truncated_mp4(kept, good_files, tmp_path):
    good = good_files[".mp4"]
    bad = good[: int(len(good) * kept)]
    check_named_and_skipped("video", good, bad, tmp_path)
    check_named_and_skipped("audio", good, bad, tmp_path, suffix=".mp4")


def test_a_truncated_array(good_files, tmp_path):
    good = good_files[".npy"]
    check_named_and_skipped("sequence", good, good[:-20], tmp_path)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_zero_bytes(kind, good_files, tmp_path):
    check_named_and_skipped(kind, good_files[FILES[kind][2]], b"", tmp_path)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("text", ["a", "<html>404 not found</html>\n" * 40], ids=["short", "page"])
def test_a_text_in_a_file_of_another_kind(kind, text, good_files, tmp_path):
    check_named_and_skipped(kind, good_files[FILES[kind][2]], text.encode(), tmp_path)


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
def test_bytes_that_are_no_medium(kind, good_files):
    cls, settings, suffix = FILES[kind]
    schema = Schema([cls("cell")], "label")
    cells = [good_files[suffix], b"no such thing", good_files[suffix]]
    frame = read_table(pd.DataFrame({"cell": cells, "label": list("aab")}), schema)
    fitted = fit_preprocessing(frame, schema, {"cell": settings})
    pattern = f"index 1, column 'cell': {COMPLAINTS[kind]}: the encoded bytes"
    with pytest.raises(ValueError, match=pattern):
        Pipeline(frame, fitted)
    assert len(Pipeline(frame, fitted, on_error="skip")) == 2
    with pytest.raises(ValueError, match=r"Repair or remove them\.$"):
        Pipeline(frame.iloc[[1]], fitted)  # skipping would leave nothing


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_a_sound_of_0_seconds(subtype, good_files, tmp_path):
    empty = wav_bytes(np.zeros(0, np.float32), subtype=subtype)
    check_named_and_skipped("audio", good_files[".wav"], empty, tmp_path, "lasts 0 seconds")


def test_a_sound_with_samples_that_are_no_numbers(good_files, tmp_path):
    samples = tone()
    samples[7] = np.nan
    bad = wav_bytes(samples, subtype="FLOAT")
    check_named_and_skipped("audio", good_files[".wav"], bad, tmp_path, "not finite numbers")


@pytest.mark.parametrize(
    ("suffix", "make"), [(".png", png_claiming), (".gif", gif_claiming), (".bmp", bmp_claiming)]
)
def test_a_header_that_claims_a_huge_image_is_refused_before_decoding(
    suffix, make, good_files, tmp_path
):
    bad = make(60_000, 60_000)
    assert len(bad) < 1000
    good = good_files[suffix]
    frame, fitted = bad_table("image", good, bad, tmp_path, suffix)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    pipeline = Pipeline(frame, fitted, on_error="skip")
    taken = time.perf_counter() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    (message,) = pipeline.skipped
    assert "its header claims too much" in message and "3600000000 pixels" in message
    assert f"bad{suffix}" in message
    assert taken < 20 and grown < 500_000  # kilobytes; decoded it would be 10 gigabytes
    with pytest.raises(ValueError, match="3600000000 pixels"):
        Pipeline(frame, fitted)


def test_a_gif_whose_frames_are_larger_than_its_screen_is_refused(good_files):
    huge = bytearray(gif_claiming(60_000, 60_000))
    huge[6:10] = (10).to_bytes(2, "little") * 2
    cells = pd.Series([bytes(huge), good_files[".gif"]], dtype=object)
    store = MediaStore(KINDS["image"], cells, ImageSettings(size=(8, 8)), "memory")
    assert store.readable.tolist() == [False, True]
    assert "3600000000 pixels" in store.reason(0)


def test_the_first_frame_of_an_animation_is_read():
    frames = [PIL.Image.fromarray(np.full((6, 6), grey, np.uint8)) for grey in (200, 0, 90)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], comment=b"a film")
    column = pd.Series([file.getvalue()], dtype=object)
    store = MediaStore(KINDS["image"], column, ImageSettings(size=(6, 6)), "memory")
    assert store.readable.all() and (store.values == 200).all()


def test_a_huge_frame_of_a_video_is_refused(tmp_path):
    (tmp_path / "1.png").write_bytes(png_claiming(60_000, 60_000))
    store = MediaStore(
        KINDS["video"], pd.Series([str(tmp_path)]), VideoSettings(frames=1, size=(8, 8)), "memory"
    )
    assert not store.readable[0]
    assert "1.png" in store.reason(0) and "3600000000 pixels" in store.reason(0)


def test_a_bmp_whose_rows_run_from_top_to_bottom_is_read():
    upward = image_bytes(PICTURE, "BMP")
    downward = bmp_claiming(12, -12)[:54] + b"".join(
        upward[54 + 36 * row : 90 + 36 * row] for row in reversed(range(12))
    )
    downward = upward[:2] + len(upward).to_bytes(4, "little") + downward[6:]
    column = pd.Series([upward, downward], dtype=object)
    store = MediaStore(KINDS["image"], column, ImageSettings(size=(12, 12)), "memory")
    assert store.readable.all()
    np.testing.assert_array_equal(store.values[0], PICTURE)
    np.testing.assert_array_equal(store.values[1], PICTURE)


@pytest.mark.parametrize("kind", ["image", "audio", "sequence"])
def test_a_folder_in_the_place_of_a_file(kind, tmp_path):
    cls, _, suffix = FILES[kind]
    (tmp_path / f"photos{suffix}").mkdir()
    frame = pd.DataFrame({"cell": [f"photos{suffix}"], "label": ["a"]})
    with pytest.raises(TableError, match=rf"row 1, column 'cell': .*photos\{suffix}"):
        read_table(frame, Schema([cls("cell")], "label"), base_dir=tmp_path)


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
def test_a_file_that_has_become_a_folder_since(kind, good_files, tmp_path):
    frame, fitted = bad_table(kind, good_files[FILES[kind][2]], b"x", tmp_path)
    path = tmp_path / f"bad{FILES[kind][2]}"
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=rf"(?s)index 1, id 'y'.*bad\{path.suffix}"):
        Pipeline(frame, fitted)
    path.rmdir()
    with pytest.raises(
        ValueError, match=rf"(?s)index 1, id 'y'.*file not found.*bad\{path.suffix}"
    ):
        Pipeline(frame, fitted)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("gone", "file not found"),
        ("https://example.org/a", "a web address; download the file"),
        ("x" * 5000, "file not found"),
        ("a\0b", "file not found"),
    ],
    ids=["gone", "web", "long", "null"],
)
def test_paths_that_lead_nowhere(kind, cell, reason, tmp_path):
    cls, _, suffix = FILES[kind]
    frame = pd.DataFrame({"cell": [cell + suffix], "label": ["a"]})
    with pytest.raises(TableError, match=f"row 1, column 'cell': {reason}"):
        read_table(frame, Schema([cls("cell")], "label"), base_dir=tmp_path)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("cell", [7, 2.5, {"file": "a"}, object()], ids=lambda x: type(x).__name__)
def test_things_that_are_no_medium(kind, cell):
    cls, _, _ = FILES[kind]
    frame = pd.DataFrame({"cell": pd.Series([cell], dtype=object), "label": ["a"]})
    with pytest.raises(TableError, match=r"row 1, column 'cell': .* is not a"):
        read_table(frame, Schema([cls("cell")], "label"))


@pytest.mark.parametrize(
    ("kind", "array"),
    [
        ("image", np.full((4, 4, 3), np.nan)),
        ("image", np.full((4, 4, 3), np.inf)),
        ("audio", np.full(800, np.nan)),
        ("audio", np.full(800, -np.inf)),
        ("video", np.full((2, 4, 4, 3), np.nan, np.float32)),
        ("video", np.full((2, 4, 4, 3), np.inf, np.float16)),
        ("sequence", np.full((2, 4), np.nan)),
        ("sequence", np.full(4, np.inf)),
    ],
)
def test_nan_and_infinity_in_arrays(kind, array):
    cls, _, _ = FILES[kind]
    cells = pd.Series([np.zeros_like(array), array], dtype=object)
    frame = pd.DataFrame({"cell": cells, "label": ["a", "b"]})
    with pytest.raises(TableError, match=r"row 2, column 'cell': .*NaN or infinite"):
        read_table(frame, Schema([cls("cell")], "label"))


def test_infinity_among_numbers_is_refused_and_nan_is_a_hole():
    schema = Schema([Tabular("facts", ["age"])], "label")
    frame = pd.DataFrame({"age": [1.0, np.inf], "label": ["a", "b"]})
    with pytest.raises(TableError, match=r"row 2, column 'age': inf is infinite"):
        read_table(frame, schema)
    schema = Schema([Tabular("facts", ["age", "size"])], "label")
    frame = pd.DataFrame({"age": [1.0, np.nan, 3.0], "size": [1.0, 2.0, 3.0], "label": list("aba")})
    frame = read_table(frame, schema)
    ((inputs, _),) = Pipeline(frame, fit_preprocessing(frame, schema)).evaluate()
    assert np.isfinite(inputs["facts"]).all()


def test_a_category_never_seen_in_training():
    schema = Schema([Tabular("facts", categorical=["city"])], "label")
    train = pd.DataFrame({"city": ["Rome", "Oslo", "Rome"], "label": list("aba")})
    fitted = fit_preprocessing(train, schema)
    new = read_table(pd.DataFrame({"city": ["Lima", "Oslo"], "label": ["a", "b"]}), schema)
    with pytest.warns(UserWarning, match="'city': 1 of 2 cells were in no training row"):
        pipeline = Pipeline(new, fitted)
    ((inputs, _),) = pipeline.evaluate()
    np.testing.assert_array_equal(inputs["facts"], [[1, 0, 0], [0, 0, 1]])


def test_a_label_never_seen_in_training():
    schema = Schema([Tabular("facts", ["x"])], "label")
    train = pd.DataFrame({"x": [1.0, 2.0], "label": ["a", "b"]})
    fitted = fit_preprocessing(train, schema)
    with pytest.raises(ValueError, match=r"index 0, column 'label': the label 'c' is not in any"):
        Pipeline(train.assign(label="c"), fitted)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-32"])
def test_a_csv_that_is_not_utf_8(encoding, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes("city,label\nKöln,a\nMünchen,b\n".encode(encoding))
    with pytest.raises(TableError, match=r"table\.csv: .*Save it as UTF-8"):
        read_table(path, Schema([Tabular("facts", categorical=["city"])], "label"))


@pytest.mark.parametrize("content", ["", "\n", "note,label\n"])
def test_an_empty_table(content, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(TableError, match=r"table\.csv: .*(empty|no rows)"):
        read_table(path, Schema([Text("note")], "label"))


def test_an_empty_frame():
    schema = Schema([Text("note")], "label")
    empty = pd.DataFrame({"note": [], "label": []})
    with pytest.raises(TableError, match="DataFrame: the table has no rows"):
        read_table(empty, schema)
    with pytest.raises(ValueError, match="no training rows"):
        fit_preprocessing(empty, schema)
    full = pd.DataFrame({"note": ["x y", "z"], "label": ["a", "b"]})
    with pytest.raises(ValueError, match="no rows to feed"):
        Pipeline(empty, fit_preprocessing(full, schema))


@pytest.mark.parametrize(
    ("task", "labels"),
    [("label", ["a", "a"]), ("labels", ["a", "a"]), ("label", [1, 1.0])],
)
def test_a_table_with_one_class(task, labels):
    schema = Schema([Text("note")], TARGETS[task]("label"))
    frame = read_table(pd.DataFrame({"note": ["x", "y"], "label": labels}), schema)
    with pytest.raises(ValueError, match=r"column 'label' have 1 class.*nothing to tell apart"):
        fit_preprocessing(frame, schema)


def test_a_table_whose_every_file_is_bad(good_files, tmp_path):
    frame, fitted = bad_table("image", good_files[".png"], b"no image", tmp_path)
    with pytest.raises(ValueError, match="none is left"):
        Pipeline(frame.iloc[[1]], fitted, on_error="skip")


def test_reading_a_table_changes_nothing_of_the_users(good_files):
    frame = pd.DataFrame({"cell": [good_files[".png"], None], "note": ["a", "b"], "label": [1, 2]})
    before = frame.copy(deep=True)
    read_table(frame, Schema([Image("cell"), Text("note")], "label"))
    pd.testing.assert_frame_equal(frame, before)

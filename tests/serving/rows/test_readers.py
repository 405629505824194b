"""What each kind's reader makes of cells inside a graph is what the pipeline makes of them."""

import io
import wave

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from mmkeras.data.kinds import AudioSettings, ImageSettings, TabularSettings, TextSettings
from mmkeras.data.media.images.image_file import encode_png
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.schema import Audio, Image, Schema, Sequence, Tabular, Text
from mmkeras.serving.rows import READERS, CannotServe
from tests.layer_checks import some_always

pytestmark = pytest.mark.filterwarnings("ignore:The model does not take some cells")

ROWS = 24


def wav(samples, rate):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def fitted(modality, frame, settings=None):
    """A schema of the modality alone, its preprocessing, and the pipeline's inputs."""
    frame = frame.assign(spare=np.arange(len(frame)) % 2, label=np.arange(len(frame)) % 2)
    schema = Schema([modality, Tabular("other", ["spare"])], "label")
    table = read_table(frame, schema)
    given = {} if settings is None else {modality.name: settings}
    preprocessing = fit_preprocessing(table, schema, given)
    pipeline = Pipeline(table, preprocessing, batch_size=len(frame))
    (batch,) = list(pipeline.evaluate())
    return preprocessing, batch[0][modality.name].numpy()


def read(preprocessing, modality, cells):
    """The reader's inputs, made inside of a graph, and which rows lack the modality."""
    reader = READERS[modality.kind](modality, preprocessing.modalities[modality.name])
    specs = reader.specs()
    cells = {column: tf.constant(value, specs[column].dtype) for column, value in cells.items()}
    for column, spec in specs.items():
        assert spec.is_compatible_with(cells[column]), column
    call = tf.function(lambda: (reader.inputs(cells), reader.absent(cells)), autograph=False)
    inputs, absent = call()
    return inputs.numpy(), absent.numpy()


TEXTS = [
    "Red apples, green PEARS",
    "the pear’s 多模态",
    "",
    None,
    "  ",
    "e\u0301te\u0301 été",
    "unknown!",
]


@pytest.mark.parametrize(
    "settings",
    [
        TextSettings(characters=3, ngrams=2, stop_words="english", stemmer="english"),
        pytest.param(
            TextSettings(representation="tokens", max_length=3, min_count=2),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            TextSettings(representation="binary", lowercase=False), marks=pytest.mark.slow
        ),
        pytest.param(
            TextSettings(representation="counts", stop_words=("red",)), marks=pytest.mark.slow
        ),
    ],
)
def test_texts(settings):
    texts = (TEXTS * ROWS)[:ROWS]
    frame = pd.DataFrame({"note": pd.Series(texts, dtype=object)})
    preprocessing, expected = fitted(Text("note"), frame, settings)
    given = [text or "" for text in texts]
    inputs, absent = read(preprocessing, Text("note"), {"note": given})
    np.testing.assert_allclose(inputs, expected, atol=1e-6)
    assert absent.tolist() == [not text.strip() for text in given]


def test_several_images_of_a_cell():
    random = np.random.default_rng(0)
    pictures = [encode_png(random.integers(0, 255, (9, 8, 3), np.uint8)) for _ in range(4)]
    black = encode_png(np.zeros((9, 8, 3), np.uint8))
    cells = [[pictures[0], black], None, pictures[1:4], [black]] * 6
    frame = pd.DataFrame({"views": pd.Series(cells, dtype=object)})
    modality = Image("views", several=True)
    settings = ImageSettings(size=(6, 6), scaling="standardize", max_images=2)
    preprocessing, expected = fitted(modality, frame, settings)
    given = [[*(cell or []), b"", b"", b""][:3] for cell in cells]
    inputs, absent = read(preprocessing, modality, {"views": given})
    np.testing.assert_allclose(inputs, expected, atol=1e-6)
    assert absent.tolist() == [cell is None for cell in cells]


def test_sounds():
    random = np.random.default_rng(0)
    lengths = [800, 400, 1300, 801] * 6
    sounds = [wav(random.integers(-32768, 32768, n), 8000) for n in lengths]
    sounds[4] = wav(random.integers(-32768, 32768, (900, 2)), 8000)
    frame = pd.DataFrame({"voice": pd.Series([None, *sounds[1:]], dtype=object)})
    settings = AudioSettings(rate=8000, seconds=0.1, features="mfcc", mel_bands=20, coefficients=8)
    preprocessing, expected = fitted(Audio("voice"), frame, settings)
    inputs, absent = read(preprocessing, Audio("voice"), {"voice": [b"", *sounds[1:]]})
    np.testing.assert_allclose(inputs, expected, atol=1e-4)  # of decibels around 100
    assert absent.tolist() == [True] + [False] * 23
    for sound, words in ((wav(np.zeros(80), 16000), "8000 samples"), (b"RIFF", "too short")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            read(preprocessing, Audio("voice"), {"voice": [sound]})


def test_sequences():
    random = np.random.default_rng(0)
    cells = [random.normal(size=(length, 3)).astype(np.float32) for length in [1, 5, 2, 7] * 6]
    frame = pd.DataFrame({"pose": pd.Series([None, *cells[1:]], dtype=object)})
    preprocessing, expected = fitted(Sequence("pose"), frame)
    given = np.full((24, 7, 3), np.nan, np.float32)
    for row, cell in enumerate(cells[1:], start=1):
        given[row, : len(cell)] = cell
    inputs, absent = read(preprocessing, Sequence("pose"), {"pose": given})
    np.testing.assert_allclose(inputs, expected, atol=1e-6)
    assert absent.tolist() == [True] + [False] * 23
    given[3, 1, 1] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match="NaN or infinite features"):
        read(preprocessing, Sequence("pose"), {"pose": given})


@pytest.mark.parametrize(
    "scaling", some_always(["auto", "robust", "log", "quantile"], ["quantile"])
)
def test_tables(scaling):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "price": np.round(np.exp(3 * random.normal(size=ROWS)), 1),
            "age": random.integers(1, 5, ROWS).astype(float),
            "code": ["01234", "20095", "7", None] * 6,
            "day": ["2020-12-31", "2021-02-28T10:30", None, "1999-01-01"] * 6,
        }
    )
    frame.loc[3, "price"] = np.nan
    modality = Tabular("facts", ["price", "age"], ["code"], dates=["day"])
    preprocessing, expected = fitted(modality, frame, TabularSettings(scaling=scaling))
    texts = {name: frame[name].fillna("").tolist() for name in ("code", "day")}
    numbers = {name: frame[name].to_numpy() for name in ("price", "age")}
    inputs, absent = read(preprocessing, modality, {**numbers, **texts})
    np.testing.assert_allclose(inputs, expected, atol=1e-5)
    assert not absent.any()
    # New rows: another way to write a category, an unknown one, numbers far outside.
    new = frame[:4].assign(price=[1e300, -1e300, np.nan, 3.3], code=["1234", "x", "7.0", " "])
    pipeline = Pipeline(
        read_table(new.assign(spare=0), preprocessing.schema, require_target=False), preprocessing
    )
    cells = {"price": new["price"], "age": new["age"], "code": new["code"], "day": texts["day"][:4]}
    inputs, _ = read(preprocessing, modality, cells)
    expected = next(iter(pipeline.evaluate()))[0]["facts"]
    np.testing.assert_allclose(inputs, expected, atol=1e-5)


def test_a_step_that_no_graph_can_do_is_refused_by_name():
    frame = pd.DataFrame({"note": ["running dogs", "a cat"] * 12})
    preprocessing, _ = fitted(Text("note"), frame, TextSettings(stemmer="german"))
    with pytest.raises(CannotServe, match=r"text modality 'note'.*stemmer 'german'"):
        READERS["text"](Text("note"), preprocessing.modalities["note"])

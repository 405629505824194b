"""Where each written word looked: words, shares and maps are those of the decoder's attention."""

import keras
import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import KINDS, AudioSettings, ImageSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import make_model
from mmkeras.inspection.attention import inputs_of_rows
from mmkeras.inspection.written_attention import written_attention
from mmkeras.models.parts import decoder_inputs, decoder_layer, encoder_layers
from mmkeras.reports.plots import plot_written
from mmkeras.schema import Audio, Image, Schema, Text

pytestmark = pytest.mark.eager


def made(words, pieces="characters"):
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (len(words), 12, 16, 3), dtype=np.uint8)
    frame = pd.DataFrame({"picture": list(pictures), "note": "some words", "said": words})
    frame.loc[1, "note"] = "one"
    schema = Schema([Text("note"), Image("picture")], Text("said"))
    settings = Settings(
        model=ModelSettings(decoder_options={"dim": 8, "num_heads": 2}),
        encoders={
            "image": Encoder("cnn", {"filters": (4,), "convs_per_block": 1}),
            "text": Encoder("lstm", {"units": 4}),
        },
        image=ImageSettings(size=(12, 16)),
        target={"pieces": pieces},
    )
    prepared = fit_preprocessing(
        frame, schema, settings.preprocessing(schema), target=settings.target
    )
    return Pipeline(frame, prepared, batch_size=4), make_model(prepared, settings)


def test_words_look_where_the_decoder_says():
    pipeline, model = made(["two words", "one", "and more of them"])
    outputs = pipeline.targets  # as if it had answered with the truth
    rows = [2, 0]
    found = written_attention(model, pipeline, rows, outputs)
    assert list(found) == ["picture"]
    assert [[each.word for each in row] for row in found["picture"]] == [
        ["and", "more", "of", "them"],
        ["two", "words"],
    ]
    # By hand, from what reaches the decoder.
    vector, tokens, arguments = decoder_inputs(model)
    inputs = {n: x for n, x in inputs_of_rows(pipeline, rows).items() if n in ("note", "picture")}
    masks = [mask for mask in arguments.get("masks", []) if mask is not None]
    reads = keras.Model({n: model.input[n] for n in ("note", "picture")}, [vector, *tokens, *masks])
    vector, note, picture, mask = reads.predict_on_batch(inputs)
    ids = outputs[rows]
    previous = np.concatenate([np.ones((2, 1), "int32"), ids[:, :-1]], axis=1)
    weights = keras.ops.convert_to_numpy(
        decoder_layer(model).attention(vector, [note, picture], [mask, None], previous=previous)
    ).mean(axis=1)
    words = found["picture"][1][1]
    # The space before a word is the first of its pieces.
    regions = weights[1, 3:9, 1 + note.shape[1] :].mean(axis=0)
    np.testing.assert_allclose(words.map.ravel(), regions, rtol=1e-4)
    assert words.share == pytest.approx(regions.sum(), rel=1e-4) and 0 < words.share < 1
    images = np.zeros((2, 12, 16, 3), np.uint8)
    figure = plot_written(images, found["picture"], most_words=3)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[1].startswith("and\n") and titles[0] == "" and len(titles) == 8


def test_a_script_without_spaces_has_a_map_for_each_piece():
    pipeline, model = made(["笑脸", "蓝心", "雷阵雨"])
    found = written_attention(model, pipeline, [2], pipeline.targets)
    assert [each.word for each in found["picture"][0]] == ["雷", "阵", "雨"]


def test_words_of_a_sound_look_at_stretches_of_time():
    words = ["two words", "one"]
    waves = np.random.default_rng(0).uniform(-1, 1, (2, 800)).astype(np.float32)
    frame = pd.DataFrame({"sound": list(waves), "said": words})
    sounds = AudioSettings(rate=8000, seconds=0.1, window=0.02, hop=0.01, mel_bands=8)
    for encoder in (Encoder("recurrent", {"units": 3}), Encoder("cnn", {"filters": (3, 4)})):
        settings = Settings(
            model=ModelSettings(decoder_options={"dim": 8, "num_heads": 2}),
            encoders={"audio": encoder},
            audio=sounds,
        )
        schema = Schema([Audio("sound")], Text("said"))
        prepared = fit_preprocessing(frame, schema, settings.preprocessing(schema))
        pipeline, model = Pipeline(frame, prepared, batch_size=2), make_model(prepared, settings)
        found = written_attention(model, pipeline, [0, 1], pipeline.targets)["sound"]
        assert [[each.word for each in row] for row in found] == [["two", "words"], ["one"]]
        times, bands = prepared.inputs["sound"].shape[:2]
        shape = (1, times)
        if encoder.name == "cnn":  # frequencies from the bottom, time to the right
            shape = encoder_layers(model)["sound"].token_grid((times, bands))[::-1]
        first = found[0][0]
        assert first.map.shape == shape
        assert first.share == pytest.approx(first.map.sum(), rel=1e-5) and 0 < first.share < 1
    column = KINDS["audio"].pictures(frame["sound"], prepared.modalities["sound"])
    assert len(plot_written(column, found).axes) == 6


def test_without_an_image_there_is_nothing_to_look_at():
    pipeline, model = made(["two words", "one", "and more of them"])
    schema = pipeline.preprocessing.schema.select(["note"])
    prepared = fit_preprocessing(pipeline.frame, schema, {})
    alone = Pipeline(pipeline.frame, prepared, batch_size=4)
    assert written_attention(model, alone, [0], alone.targets) == {}

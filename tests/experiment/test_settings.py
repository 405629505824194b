import dataclasses
import json

import pandas as pd
import pytest

from mmkeras.experiment.assignments import assign
from mmkeras.experiment.presets import PRESETS
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.fusion import FUSIONS, fusion_class, fusion_options
from mmkeras.schema import Audio, Image, Label, Schema, Text
from mmkeras.tasks import task_class

SCHEMA = Schema([Image("photo"), Image("xray"), Text("title"), Text("story")], Label("kind"))
SETTINGS = assign(
    Settings(),
    ["image.size=32,32", "xray.size=96,96", "xray.encoder=patches", "xray.encoder.dim=128"]
    + [
        "story.encoder=lstm",
        "text.encoder=bag_of_words",
        "text.encoder.units=16",
        "fusion.pooling=max",
        "image.encoder=cnn",
    ],
)


def test_a_kind_gives_defaults_and_a_modality_has_its_own():
    photo, xray, title, story = SCHEMA.modalities
    assert SETTINGS.of(photo).size == (32, 32) and SETTINGS.of(xray).size == (96, 96)
    assert SETTINGS.encoder_of(photo).name == "cnn"
    assert SETTINGS.encoder_of(xray) == Encoder("patches", {"dim": 128})
    assert SETTINGS.encoder_of(title).options["units"] == (16,)
    # An encoder that reads words in order gets them in order.
    assert SETTINGS.of(title).representation == "tfidf"
    assert SETTINGS.of(story).representation == "tokens"
    assert SETTINGS.encoder_of(story).options == {"dropout": 0.3}


def test_settings_survive_json_and_a_part_of_them_is_enough():
    for settings in (SETTINGS, *PRESETS.values()):
        written = json.loads(json.dumps(settings.to_dict()))
        assert Settings.from_dict(written) == dataclasses.replace(settings, given=())
    given = {"modalities": {"xray": {"size": [96, 96], "encoder": "patches"}}, "seed": 3}
    settings = Settings.from_dict(given)
    assert settings.seed == 3 and settings.of(Image("xray")).size == (96, 96)


def test_what_is_recorded_is_what_acts():
    recorded = json.loads(json.dumps(SETTINGS.to_dict(SCHEMA)))
    assert set(recorded["encoders"]) == {"image", "text"}
    assert not {"audio", "video", "sequence", "tabular"} & set(recorded)
    assert recorded["encoders"]["image"]["options"]["filters"] == [32, 64, 128]
    again = Settings.from_dict(recorded)
    assert json.loads(json.dumps(again.to_dict(SCHEMA))) == recorded
    for modality in SCHEMA.modalities:
        assert again.of(modality) == SETTINGS.of(modality)
        assert again.encoder_of(modality) == SETTINGS.encoder_of(modality)
    alone = SETTINGS.select(SCHEMA.select(["photo"]))
    assert alone.modalities == {} and alone.model.fusion == "concat"


def test_a_model_without_the_modality_that_is_written_along_takes_another():
    schema = Schema([Image("strip"), Audio("sound")], Text("words"))
    settings = assign(
        Settings(model=ModelSettings(decoder="ctc")), ["decoder.modality=strip", "decoder.dim=32"]
    )
    assert settings.select(schema).model.decoder_options == {"modality": "strip", "dim": 32}
    alone = settings.select(schema.select(["strip"])).model.decoder_options
    assert alone == {"modality": "strip", "dim": 32}
    assert settings.select(schema.select(["sound"])).model.decoder_options == {"dim": 32}
    with pytest.raises(ValueError, match=r"settings for \['strip'\], which would have no effect"):
        settings.preprocessing(schema.select(["sound"]))


@pytest.mark.parametrize("name", list(FUSIONS))
def test_any_fusion_can_take_the_place_of_any_other(name):
    start = ModelSettings("late", pooling="flatten", fusion_dropout=0.4)
    model = start.with_fusion(name)
    assert set(model.constructor_options()) <= fusion_options(name)
    assert (model.hidden is None) == fusion_class(name).gives_logits
    assert model.with_sizes(8, 0.1).fusion_dropout == 0.1
    if "pooling" in fusion_options(name):
        assert model.pooling == "flatten"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelSettings("self_attention", pooling="max"), r"no option \['pooling'\]"),
        (lambda: ModelSettings("concat", fusion_options={"dim": 8}), r"no option \['dim'\]"),
        (lambda: ModelSettings("late", hidden=(8,)), r"`hidden`.*\(8,\).*Leave it out"),
        (lambda: ModelSettings("late", dropout=0.1), r"`dropout`.*0\.1"),
        (lambda: ModelSettings("late", fusion_options={"dropout": 0.1}), "`fusion_dropout`"),
        (lambda: ModelSettings("late", fusion_options={"num_outputs": 3}), "follows from the"),
        (lambda: ModelSettings("lat"), "'lat'"),
        (lambda: Settings(encoders={"image": Encoder("lstm")}), "'lstm'"),
        (lambda: Settings(encoders={"xray": Encoder("cnn")}), "by kind"),
        (lambda: Settings.from_dict({"epochs": 3}), r"\['epochs'\]"),
        (lambda: Settings.from_dict({"model": {"filters": [3]}}), r"`model`.*\['filters'\]"),
        (lambda: assign(Settings(), ["size=3"]), "WHERE.NAME=VALUE"),
        (lambda: assign(Settings(), ["image.sise=3"]), r"no setting 'sise'.*'size'"),
        (lambda: assign(Settings(), ["image.encoder.filter=3"]), r"no option \['filter'\]"),
        (lambda: assign(Settings(), ["fusion.heads=3"]), r"no option \['heads'\]"),
        (lambda: assign(Settings(), ["audio.encoder.filters=3"]), "need its name"),
        (
            lambda: assign(Settings(), ["xray.sise=3"]).preprocessing(SCHEMA),
            r"'xray' has no setting \['sise'\]",
        ),
        (
            lambda: assign(Settings(), ["scan.size=3,3"]).preprocessing(SCHEMA),
            r"\['scan'\].*no effect.*xray \(image\)",
        ),
        (
            lambda: ModelSettings(decoder="text", decoder_options={"beam": 3}),
            r"no option \['beam'\]",
        ),
        (lambda: assign(Settings(), ["audio.rate=8000"]).preprocessing(SCHEMA), r"\['audio'\]"),
    ],
)
def test_settings_without_effect_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_decoder_and_a_target_are_set_by_words():
    words = ["decoder.beams=4", "target.pieces=words", "target.max_length=7"]
    settings = assign(Settings(model=ModelSettings(decoder="text")), words)
    assert settings.model.decoder_options == {"beams": 4}
    assert settings.target == {"pieces": "words", "max_length": 7}
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    schema = Schema([Text("note")], Text("french"))
    recorded = settings.to_dict(schema)
    assert recorded["model"]["hidden"] is None and recorded["target"]["pieces"] == "words"
    assert "decoder" not in Settings().to_dict()["model"] and "target" not in Settings().to_dict()


def test_a_decoder_is_refused_where_a_dense_layer_answers():
    frame = pd.DataFrame({"kind": ["a", "b"], "says": ["b c", "c"]})
    label, text = (task_class(t).fit(frame, t) for t in (Label("kind"), Text("says")))
    assert ModelSettings().decoder_of(label) is None and ModelSettings().decoder_of(text) == "text"
    with pytest.raises(ValueError, match="would have no effect"):
        ModelSettings(decoder="text").decoder_of(label)
    with pytest.raises(ValueError, match=r"no option \['beam'\]"):
        ModelSettings(decoder_options={"beam": 3}).decoder_of(text)
    with pytest.raises(ValueError, match=r"no setting \['piece'\]"):
        task_class("text").settings_of({"piece": "words"})


def test_values_are_written_as_in_json():
    words = ["text.lowercase=false", "text.stop_words=none", "image.encoder.filters=8"]
    settings = assign(Settings(), words)
    assert settings.text.lowercase is False and settings.text.stop_words is None
    assert settings.encoders["image"].options == {"filters": (8,)}

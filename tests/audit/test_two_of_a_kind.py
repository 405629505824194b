"""Two images of different sizes and two texts with different settings, from training to cards."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mmkeras.audit import AuditSettings, audit
from mmkeras.audit.model_inputs import Rows
from mmkeras.audit.sections import explanations
from mmkeras.data.kinds import AudioSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import train_run
from mmkeras.schema import Audio, Image, Schema, Tabular, Text
from mmkeras.training.settings import TrainingSettings

pytestmark = [
    pytest.mark.eager,
    pytest.mark.filterwarnings("ignore:The model does not take some cells"),
]

OWN = {
    "front": {"size": (12, 12)},
    "back": {"size": (8, 16), "channels": 1, "encoder": "patches", "encoder_options": {"dim": 8}},
    "title": {"representation": "binary", "vocabulary_size": 5},
    "story": {"vocabulary_size": 20, "encoder": "lstm", "encoder_options": {"units": 6}},
}


@pytest.fixture(scope="module")
def audited(shared_table, tmp_path_factory):
    frame, _ = shared_table
    frame = frame.assign(
        front=frame["picture"],
        back=[np.roll(picture, 3) for picture in frame["picture"]],
        title=[note.split()[0] for note in frame["note"]],
        story=frame["note"],
    )
    frame["back"] = frame["back"].where(np.arange(len(frame)) % 10 != 0, None)
    schema = Schema([Image("front"), Image("back"), Text("title"), Text("story")], "when")
    settings = Settings(
        model=ModelSettings(fusion="attention", dropout=0.0),
        encoders={
            "image": Encoder("cnn", {"filters": (4, 8), "convs_per_block": 1}),
            "text": Encoder("bag_of_words", {"units": (8,)}),
        },
        modalities=OWN,
        training=TrainingSettings(epochs=1, batch_size=15, patience=0),
    )
    splits = Splits(frame[:30], frame[30:42], frame[42:])
    run = train_run(splits, schema, tmp_path_factory.mktemp("two") / "run", settings)
    wanted = tuple(str(label) for label in (50, 51))
    options = AuditSettings(
        train="none", noise=False, explain=0, explain_rows=wanted, draws=5, swaps=1
    )
    return run, splits, audit(run, splits=splits, settings=options)


@pytest.mark.slow
def test_each_modality_has_its_own_input(audited):
    run, _, _ = audited
    shapes = {name: spec.shape for name, spec in run.preprocessing.inputs.items()}
    assert shapes["front"] == (12, 12, 3) and shapes["back"] == (8, 16, 1)
    assert shapes["title"] == (5,) and shapes["story"] == (None,)


@pytest.mark.slow
def test_the_report_shows_where_the_fusion_looks_in_either_image(audited):
    run, _, _ = audited
    written = {path.stem for path in (run.path / "pictures").iterdir()}
    assert {"attention_front", "attention_back", "examples"} <= written
    report = (run.path / "report.md").read_text()
    assert "in the image 'front'" in report and "in the image 'back'" in report


@pytest.mark.slow
def test_cards_show_every_image_and_text_of_a_row(audited):
    _, splits, report = audited
    explained = next(s for s in report.sections if s.name == "explanations")
    without_back, whole = explained.parts[1].cards
    row = splits.test.loc[51]
    shown = dict(whole.pictures)
    assert list(shown)[:2] == ["front", "back"]
    assert shown["front"].shape == (96, 96, 3) and shown["back"].shape == (96, 96, 1)
    for name in ("front", "back"):
        for what in ("Grad-CAM", "integrated gradients"):
            assert shown[f"{what} ({name})"].shape == (192, 192, 3)
    # Either map lies over its own image.
    assert not np.array_equal(shown["Grad-CAM (front)"], shown["Grad-CAM (back)"])
    assert [name for name, _ in whole.texts] == ["title", "story"]
    for name, words in whole.texts:
        assert " ".join(word for word, _ in words) == row[name]
    labels = [label for label, _ in without_back.pictures]
    assert "front" in labels and "back" not in labels and "Grad-CAM (back)" not in labels


@pytest.mark.slow
def test_new_rows_are_predicted_with_the_settings_of_each(audited):
    run, splits, _ = audited
    predicted = run.predict(splits.test)
    assert len(predicted) == len(splits.test)


def test_every_sound_and_table_of_a_row_goes_into_its_card():
    waves = np.random.default_rng(0).integers(-9000, 9000, (2, 4, 200)).astype(np.int16)
    frame = pd.DataFrame(
        {
            "left": list(waves[0]),
            "right": [*waves[1][:3], None],
            "warmth": [20.5, 8.0, 7.25, 3.0],
            "place": list("nsns"),
            "when": ["day", "night"] * 2,
        }
    )
    schema = Schema(
        [
            *(Audio("left"), Audio("right")),
            *(Tabular("climate", ("warmth",)), Tabular("land", (), ("place",))),
        ],
        "when",
    )
    own = {
        "left": AudioSettings(rate=1000, seconds=0.2, mel_bands=8),
        "right": AudioSettings(rate=2000, seconds=0.1, mel_bands=8),
    }
    pipeline = Pipeline(frame, fit_preprocessing(frame, schema, own), cache="memory")
    subject = SimpleNamespace(rows=Rows(None, pipeline), schema=schema)
    heard = explanations.sounds(subject, 1)
    assert [(name, rate) for name, _, rate in heard] == [("left", 1000), ("right", 2000)]
    for name, samples, _ in heard:
        np.testing.assert_array_equal(samples, frame[name][1])
    assert [name for name, _, _ in explanations.sounds(subject, 3)] == ["left"]
    assert explanations.table_cells(subject, 2) == {"warmth": "7.25", "place": "n"}

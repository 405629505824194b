"""Runs whose answer is more than classes and numbers: trained, judged, predicted, audited."""

import json

import numpy as np
import pandas as pd
import PIL.Image
import pytest

import mmkeras
from mmkeras.audit import audit
from mmkeras.audit.audit_config import AuditSettings
from mmkeras.data.tables.read import read_table
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import train_run
from mmkeras.schema import Boxes, Image, Label, Labels, Number, Schema, Sequence, Tabular, Text
from mmkeras.training.settings import TrainingSettings

RANDOM = np.random.default_rng(0)
ROWS = 24
COLORS = RANDOM.integers(0, 3, ROWS)
NAMES = np.array(["red", "green", "blue"])
PICTURES = np.zeros((ROWS, 16, 16, 3), np.uint8)
PICTURES[np.arange(ROWS), 4:12, 4:12, COLORS] = 255
FRAME = pd.DataFrame(
    {
        "picture": list(PICTURES),
        "size": RANDOM.normal(size=ROWS),
        "name": NAMES[COLORS],
        "says": [f"a {name} square" for name in NAMES[COLORS]],
        "smaller": list(PICTURES[:, ::2, ::2]),
        "pose": [RANDOM.normal(size=(steps, 2)) for steps in RANDOM.integers(1, 5, ROWS)],
        "features": list(RANDOM.normal(size=(ROWS, 5))),
        "place": ["[[4, 4, 8, 8]]"] * ROWS,
        "price": RANDOM.normal(size=ROWS),
    }
)
TARGETS = {
    "text": (Text("says"), {"dim": 8, "num_heads": 2, "num_layers": 1, "ff_dim": 8}),
    "image": (Image("smaller"), {"filters": 4}),
    "sequence": (Sequence("pose"), {"dim": 8, "num_heads": 2, "num_layers": 1, "ff_dim": 8}),
    "vector": (Sequence("features"), {}),
    "boxes": (Boxes("place"), {"dim": 8}),
    "several": ([Label("name"), Number("price")], {}),
}
INPUTS = (Image("picture"), Tabular("facts", numeric=("size",)))


def run_of(name, folder):
    target, options = TARGETS[name]
    schema = Schema(INPUTS, target=target)
    frame = read_table(FRAME, schema)
    settings = Settings(
        model=ModelSettings(decoder_options=options),
        encoders={"image": Encoder("cnn", {"filters": (4,), "convs_per_block": 1})},
        training=TrainingSettings(epochs=1, batch_size=8, monitor="main"),
        target={"size": (8, 8)} if name == "image" else {},
    )
    splits = Splits(frame[:12], frame[12:18], frame[18:])
    return train_run(splits, schema, folder, settings), splits


# The loop over pieces of text is slow step by step.
MARKS = {name: [pytest.mark.eager] for name in TARGETS} | {"text": []}
for other in ("image", "sequence", "several"):
    MARKS[other].append(pytest.mark.slow)
EACH = [pytest.param(name, marks=marks) for name, marks in MARKS.items()]


@pytest.mark.parametrize("name", EACH)
def test_a_run_trains_judges_and_predicts(name, tmp_path):
    run, _ = run_of(name, tmp_path / "run")
    task = run.preprocessing.task
    assert np.isfinite(run.metrics["test"][task.main.key])
    assert len(run.predictions) == 6 and (run.path / "report.md").is_file()
    recorded = json.loads((run.path / "config.json").read_text())
    assert Schema.from_dict(recorded["schema"]) == run.preprocessing.schema
    rows = FRAME.iloc[:2].drop(columns=list(run.preprocessing.schema.target_columns))
    predicted = run.predict(rows, files=tmp_path / "files")
    assert len(predicted) == 2
    if name == "image":
        with PIL.Image.open(tmp_path / "files" / predicted["file"].iloc[1]) as picture:
            assert picture.size == (8, 8)
        assert (run.path / "answers" / run.predictions["file"].iloc[0]).is_file()
    elif name in ("sequence", "vector"):
        assert np.load(tmp_path / "files" / predicted["file"].iloc[0]).ndim == 2
    elif name == "boxes":
        assert isinstance(json.loads(predicted["predicted"].iloc[0]), list)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["text", "vector"])
def test_an_audit_asks_what_has_an_answer(name, tmp_path):
    run, splits = run_of(name, tmp_path / "run")
    settings = AuditSettings(draws=20, swaps=2, train="none")
    report = audit(run, splits=splits, settings=settings, out=tmp_path / "audit")
    found = {section.name for section in report.sections}
    assert {"performance", "contribution", "missing", "noise", "data"} <= found
    assert "explanations" not in found and "calibration" not in found


def test_thresholds_of_labels_are_fitted_on_validation_rows_and_kept_with_the_run(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=90)})
    # One row in five has the label, and no row surely.
    frame["tags"] = np.where((frame["x"] > 0.5) & (rng.random(90) < 0.6), "rare", "")
    schema = Schema([Tabular("facts", ("x",))], Labels("tags"))
    settings = Settings(training=TrainingSettings(epochs=3, learning_rate=0.01, keep_best=2))
    whole = Splits(frame[:40], frame[40:70], frame[70:])
    run = train_run(whole, schema, tmp_path / "tuned", settings)
    task = mmkeras.Run(run.path).preprocessing.task
    (threshold,) = task.thresholds
    said = run.predict(frame[70:])
    assert ((said["p(rare)"] >= threshold) == (said["predicted"] == "rare")).all()
    assert (said["predicted"] == run.predictions["predicted"]).all()
    judged = run.predictions
    expected = task.figures(
        (judged[["true"]] == "rare").to_numpy(float), judged[["p(rare)"]].to_numpy()
    )
    assert run.metrics["test"] == pytest.approx(expected)
    # The two best epochs are kept, too.
    assert len(run.kept_epochs) == 2 and run.metrics["best_epoch"] in run.kept_epochs
    best = run.model_of_epoch(run.metrics["best_epoch"])
    for one, other in zip(best.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="epochs kept"):
        run.model_of_epoch(99)
    # Without validation rows: one half, and the report says so.
    splits = Splits(frame[:70], frame[:0], frame[70:])
    run = train_run(splits, schema, tmp_path / "plain", settings)
    assert run.preprocessing.task.thresholds == ()
    assert "labels apply from a probability of one half" in (run.path / "report.md").read_text()

"""Several images a cell, from a CSV file to a run, its audit and the answers for new rows."""

import dataclasses
import json

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.audit import AuditSettings, audit
from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.read import read_table
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.train import train_run
from mmkeras.training.settings import TrainingSettings
from tests.audit.small import SETTINGS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The model does not take some cells"),
]


@pytest.fixture(scope="module")
def listings(tmp_path_factory):
    """A file of 60 rows of 1 to 3 pictures, one of which is bright by day; one row has none."""
    folder, rng = tmp_path_factory.mktemp("listings"), np.random.default_rng(0)
    rows = []
    for row in range(60):
        count, names = int(rng.integers(1, 4)), []
        telling = rng.integers(count)
        for place in range(count):
            bright = 190 if row % 2 and place == telling else 60
            pixels = np.clip(rng.normal(bright, 30, (12, 12, 3)), 0, 255).astype(np.uint8)
            names.append(f"{row}-{place}.png")
            PIL.Image.fromarray(pixels).save(folder / names[-1])
        views = "" if row == 50 else ";".join(names)
        rows.append((views, f"note {rng.integers(90)}", "day" if row % 2 else "night"))
    path = folder / "listings.csv"
    pd.DataFrame(rows, columns=["views", "note", "when"]).to_csv(path, index=False)
    return path


def test_a_run_learns_from_several_images_and_is_audited(listings, tmp_path):
    schema = infer_schema(listings, "when").schema
    frame = read_table(listings, schema)
    splits = Splits(frame[:30], frame[30:45], frame[45:])
    settings = dataclasses.replace(SETTINGS, training=TrainingSettings(epochs=8, batch_size=10))
    run = train_run(splits, schema, tmp_path / "run", settings)
    assert run.model.input["views"].shape == (None, 3, 12, 12, 3)
    assert run.metrics["test"]["accuracy"] > 0.8
    out = tmp_path / "audit"
    audit(run, splits=splits, settings=AuditSettings(train="none", explain=2, draws=5), out=out)
    found = json.loads((out / "audit.json").read_text("utf-8"))
    assert "views: brightness" in found["values"]["noise"]["figures"]
    assert "pictures/explanations-1.png" in found["files"]

    new = pd.DataFrame(
        {
            "views": ["0-0.png;2-0.png;4-0.png;1-0.png", "gone.png;1-0.png", "2-0.png", "[]"],
            "note": "note 5",
        }
    )
    with pytest.warns(UserWarning, match="1 of 3 cells have more than 3 images"):
        answers = run.predict(new, base_dir=listings.parent, on_error="skip")
    assert answers.index.tolist() == [0, 2, 3]
    assert "row 2, column 'views': number 1 of 2: file not found" in answers.attrs["skipped"][0]
    cut = new.assign(views=["0-0.png;2-0.png;4-0.png", "1-0.png", "2-0.png", "3-0.png"])
    same = run.predict(cut, base_dir=listings.parent)
    np.testing.assert_allclose(same["p(day)"][0], answers["p(day)"][0], atol=1e-6)

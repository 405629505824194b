"""The audit says how good a model is where a missing modality is made of the others."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mmkeras.audit import AuditSettings, audit
from mmkeras.audit.sections.missing import FILLED
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import train_run
from mmkeras.schema import Label, Schema, Sequence
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

SETTINGS = Settings(
    model=ModelSettings(hidden=(8,), dropout=0.0),
    encoders={"sequence": Encoder("mlp", {"units": (8,)})},
    training=TrainingSettings(epochs=12, batch_size=16, learning_rate=0.03, patience=0),
)
QUICK = AuditSettings(train="none", floor="off", noise=False, explain=0, draws=5, swaps=2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A classifier of left and right, and a run that makes right of left, which says it all."""
    random = np.random.default_rng(0)
    left = random.normal(size=(120, 1, 2)).astype(np.float32)
    frame = pd.DataFrame({"left": list(left), "right": list(-2 * left[:, :, ::-1])})
    frame["side"] = np.where(left[:, 0, 0] > 0, "a", "b")
    splits = Splits(frame[:80], frame[80:80], frame[80:])
    folder = tmp_path_factory.mktemp("runs")
    both = Schema([Sequence("left"), Sequence("right")], Label("side"))
    conversion = Schema([Sequence("left")], Sequence("right"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmkeras.experiment.train.results.write_report", lambda *args, **more: None)
        runs = [
            train_run(splits, schema, folder / name, SETTINGS)
            for name, schema in (("both", both), ("right", conversion))
        ]
    return *runs, splits


def test_filled_by_conversion_stands_beside_left_out(trained, tmp_path):
    run, conversion, splits = trained
    settings = dataclasses.replace(QUICK, conversions=(conversion.path,))
    report = audit(run, splits=splits, settings=settings, out=tmp_path)
    (section,) = [each for each in report.sections if each.name == "missing"]
    subsets = section.values["subsets"]
    assert subsets["left"][FILLED] > subsets["left"]["this model, others hidden"] + 0.05
    assert subsets["left"][FILLED] > 0.8
    assert np.isnan(subsets["right"][FILLED])
    assert "filled by conversion" in (tmp_path / "audit.html").read_text()


def test_a_run_that_makes_no_modality_of_the_model_is_refused(trained, tmp_path):
    run, _, splits = trained
    settings = dataclasses.replace(QUICK, conversions=(run.path,))
    with pytest.raises(ValueError, match=r"makes \['side'\] of.*Give a run that makes"):
        audit(run, splits=splits, settings=settings, out=tmp_path)
    with pytest.raises(ValueError, match="`conversions` must be a list"):
        AuditSettings(conversions=run.path)

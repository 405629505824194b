"""The comparison of a table, a text and both, on a small set of the same form."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from mmkeras.audit.source import splits_of
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.listing import list_runs
from mmkeras.experiment.settings import Encoder, Settings
from mmkeras.studies import multabench
from mmkeras.studies.multabench import FLOOR, MulTaBenchConfig, findings, run_multabench
from mmkeras.training.settings import TrainingSettings
from tests.encoders.tiny_networks import WORDS, write_bert

pytestmark = pytest.mark.eager


@pytest.fixture
def config(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    rows = 60
    names = [" ".join(rng.choice(WORDS, 3)) for _ in range(rows)]
    table = pd.DataFrame(
        {
            "id": range(rows),
            "bike_name": names,
            "city_posted": rng.choice(["Delhi", "Mumbai"], rows),
            "km_driven": rng.integers(100, 90_000, rows),
            "color": rng.choice(["red", "blue"], rows),
            "fuel_type": "Petrol",
            "price": [20_000 + 900 * len(name) for name in names],
            "model_year": rng.integers(2001, 2015, rows),
            "owner_type": "First",
            "url": "http://a",
        }
    )
    (tmp_path / "multabench").mkdir()
    table.to_csv(tmp_path / "multabench" / "bikewale.csv", index=False)
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    monkeypatch.setattr(multabench, "FOLDS", 2)
    return MulTaBenchConfig(
        DataConfig(dataset="bikewale"),
        source=write_bert(tmp_path / "texts"),
        fusions=("concat", "late"),
        shown=1,
        tune=True,
        members=2,
        train="layer_1",
        tuned_epochs=1,
        workers=0,
        out=tmp_path / "out",
        results=tmp_path / "results",
        tags=("paper",),
        settings=Settings(
            encoders={"tabular": Encoder("mlp", {"units": (8,)})},
            training=TrainingSettings(epochs=2, batch_size=16, patience=0),
        ),
    )


def run_of(out, variant, fold, seed=0):
    name = variant.replace(" ", "_").replace(",", "")
    return multabench.Run(out / f"{name}-fold{fold}-seed{seed}")


def validation_of(out, variant, fold):
    return run_of(out, variant, fold).metrics["validation"]["r2"]


def check_the_mean(out, variant, row):
    """R² of the mean of what two runs predict for the test rows of each fold."""
    for fold in range(2):
        runs = [run_of(out, variant, fold, seed) for seed in (0, 1)]
        said = np.mean([run.predictions["predicted"] for run in runs], axis=0)
        true = runs[0].predictions["true"]
        assert row[f"fold {fold}"] == pytest.approx(r2_score(true, said), abs=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The model does not take some cells")
def test_the_comparison_trains_each_model_and_shows_the_fusion_that_validation_chose(config):
    summary = run_multabench(config)
    trained = pd.read_csv(config.out / "results.csv")
    assert trained.groupby("variant")["fold"].nunique().eq(2).all()
    assert trained["variant"].nunique() == 9
    # The best model on the validation rows has two seeds, and answers by their mean, too.
    alone = trained[trained["seed"] == 0]
    validation = alone.assign(r2=[validation_of(config.out, *row) for row in
                                  zip(alone["variant"], alone["fold"], strict=True)])  # fmt: skip
    validation = validation.groupby("variant")["r2"].mean()
    (together,) = [name for name in summary.index if name.endswith(", mean of 2 seeds")]
    assert together == f"{validation.idxmax()}, mean of 2 seeds"
    assert trained.groupby("variant")["seed"].nunique().to_dict() == {
        name: 2 if name == validation.idxmax() else 1 for name in validation.index
    }
    check_the_mean(config.out, validation.idxmax(), summary.loc[together])
    # Of two fusions of the frozen network one is shown, the better one on validation rows.
    single = summary.drop(together)
    shown = [name for name in single.index if name.startswith("table + text frozen")]
    assert len(single) == 9 and len(shown) == 1
    assert f"{shown[0].replace('frozen', 'tuned')}" in summary.index
    scores = {}
    for fusion in config.fusions:
        runs = [
            multabench.Run(path)
            for path in config.out.glob(f"table_+_text_frozen_{fusion}-fold*-seed0")
        ]
        assert len(runs) == 2
        scores[fusion] = np.mean([run.metrics["validation"]["r2"] for run in runs])
    assert shown[0].endswith(max(scores, key=scores.get))
    np.testing.assert_allclose(summary["R²"], summary[["fold 0", "fold 1"]].mean(axis=1), rtol=1e-6)
    assert FLOOR in summary.index
    tuned = multabench.Run(next(config.out.glob("table_+_text_tuned_*"))).config["settings"]
    training = tuned["training"]
    assert training["part_rates"]["name"] * training["learning_rate"] == pytest.approx(1e-4)
    page = (config.results / "bikewale.md").read_text()
    assert "- tags: paper" in page and len(list_runs(config.out, ["paper"])) == len(trained)
    assert "TabICL-2, text tuned" in page and "0.732" in page and "ach modality add" in page
    # An audit finds the rows of a fold, whichever way the text is read.
    for name in (shown[0], "table + text from scratch + text frozen, "):
        (path,) = config.out.glob(f"{name.replace(' ', '_').replace(',', '')}*-fold1-seed0")
        run = multabench.Run(path)
        assert splits_of(run).test.index.tolist() == run.predictions.index.tolist()
    # Again, nothing is trained, and nothing is encoded.
    tokens = sorted((config.out / "cache" / "features").rglob("*.npy"))
    assert tokens
    pd.testing.assert_frame_equal(run_multabench(config), summary)


def test_what_the_comparison_asks_is_answered_by_the_scores():
    middle = {
        "table": 0.4,
        "text frozen": 0.6,
        "table + text frozen, late": 0.7,
        "table + text tuned, late": 0.65,
    }
    # Folds are easier or harder for all models alike.
    easy = {"fold 0": 0.0, "fold 1": 0.1, "fold 2": -0.1}
    folds = pd.DataFrame(
        {name: {f: r + by for f, by in easy.items()} for name, r in middle.items()}
    ).T
    folds.loc["table", "fold 0"] += 0.03
    folds.loc["text frozen", "fold 1"] += 0.01
    adds, tuning = findings(folds, "late")
    assert adds.startswith("Each modality adds: the late fusion has R² 0.700, ")
    assert "+0.290 (95 % interval +0.240 to +0.340) over table alone" in adds
    assert "is worse than frozen features: R² 0.650 against 0.700, -0.050" in tuning
    folds.loc["text frozen", "fold 1"] += 0.2
    folds.loc["table + text tuned, late", "fold 1"] += 0.3
    adds, tuning = findings(folds, "late")
    assert adds.startswith("That each modality adds is not shown: the late fusion has")
    assert "is not shown to beat frozen features" in tuning
    assert findings(folds.drop("table + text frozen, late"), "late") == []

"""Conversion of one modality into another, on small made data."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.generative import GenerationSettings
from mmkeras.experiment.generative_imputation import GenerativeImputer, imputers_of
from mmkeras.experiment.imputation import Imputer, hidden
from mmkeras.experiment.listing import list_runs
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Encoder, Settings
from mmkeras.schema import Image, Label, Schema, Tabular, Text
from mmkeras.studies.conversion import ConvertConfig, convert
from mmkeras.studies.conversion.floors import KERNEL_RIDGE, NEAREST, RIDGE, floors, kernel_ridge
from mmkeras.studies.conversion.judge import Judge
from mmkeras.studies.conversion.rows import conversion_rows
from mmkeras.training.settings import TrainingSettings

pytestmark = [pytest.mark.eager, pytest.mark.slow]

ROWS = 120


def trained_for(settings, epochs):
    training = dataclasses.replace(settings.training, epochs=epochs)
    return dataclasses.replace(settings, training=training)


QUICK = Settings(
    encoders={"tabular": Encoder("mlp", {"units": (16,)})},
    training=TrainingSettings(epochs=5, learning_rate=2e-2, batch_size=16, patience=0),
)


@pytest.fixture(scope="module", autouse=True)
def no_reports():
    """Of single runs, which take longer than their training here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmkeras.experiment.train.results.write_report", lambda *args, **more: None)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A point in the plane, seen by three modalities; its class is its quarter."""
    random = np.random.default_rng(0)
    point = random.normal(size=(ROWS, 2))
    frame = pd.DataFrame(point @ random.normal(size=(2, 3)), columns=["a", "b", "c"])
    frame[["d", "e"]] = np.stack([point[:, 0] + point[:, 1], np.abs(point[:, 0])], axis=1)
    words = [["west", "east"][int(x > 0)] + " " + ["south", "north"][int(y > 0)] for x, y in point]
    frame["words"] = words
    frame["quarter"] = [text.replace(" ", "-") for text in words]
    folder = tmp_path_factory.mktemp("own")
    schema = Schema(
        [Tabular("left", ["a", "b", "c"]), Tabular("right", ["d", "e"]), Text("words")],
        Label("quarter"),
    )
    frame.to_csv(folder / "own.csv", index=False)
    schema.save(folder / "own.json")
    return DataConfig(data=folder / "own.csv", schema=folder / "own.json")


def config(data, **more):
    return ConvertConfig(data, **{"settings": QUICK, "seeds": (0,), **more})


@pytest.fixture(scope="module")
def imputed(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    chosen = config(
        data,
        sources=("left",),
        to="right",
        impute="generative",
        classifier=trained_for(QUICK, 1),
        generative=(trained_for(QUICK, 1), GenerationSettings(latent_dim=4, units=(8,))),
        out=out,
        tags=("paper",),
    )
    return convert(chosen), chosen


def test_a_view_is_made_of_another_beside_simple_models_on_the_same_rows(imputed):
    results, chosen = imputed
    assert list(results["model"]) == [NEAREST, RIDGE, KERNEL_RIDGE, "model"]
    by_model = results.groupby("model")["r2"].mean()
    # Half of it is linear in the source, the other half is an absolute value.
    assert by_model["model"] > 0.2 and by_model[KERNEL_RIDGE] > by_model[RIDGE] + 0.05
    assert results["coherence"].between(0, 1).all()
    written = (chosen.out / "summary.md").read_text()
    assert "right made of left" in written and "true right" in written
    assert "What if right is missing?" in written
    assert pd.read_csv(chosen.out / "results.csv")["r2"].tolist() == pytest.approx(results["r2"])


def test_called_again_nothing_is_trained_anew(imputed):
    results, chosen = imputed
    written = (chosen.out / "summary.md").read_text()
    models = {p: p.stat().st_mtime_ns for p in chosen.out.glob("*/model.keras")}
    assert len(models) == len(list_runs(chosen.out, ["paper"])) == 5
    assert "- tags: paper" in written
    again = convert(dataclasses.replace(chosen, impute="no"))
    pd.testing.assert_frame_equal(again, results)
    assert models == {p: p.stat().st_mtime_ns for p in chosen.out.glob("*/model.keras")}
    # What was tried with --impute is not lost.
    assert (chosen.out / "summary.md").read_text() == written


def test_what_is_made_replaces_what_is_missing_in_a_classifier(imputed):
    _, chosen = imputed
    table = pd.read_csv(chosen.out / "impute.csv", index_col=0)
    ways = {"made of the others, T(X)", "made by a generative model of all modalities"}
    assert {"nothing missing", "trained without it", *ways} <= set(table.index)
    mask = table.loc["presence mask and modality dropout"]
    made = table.loc["made of the others, T(X)"]
    assert made["against the mask"] == pytest.approx(made["accuracy, %"] - mask["accuracy, %"])
    assert (table["low"] <= table["accuracy, %"] + 1e-6).all()


def test_an_imputer_fills_the_holes_and_nothing_else(imputed):
    _, chosen = imputed
    rows = conversion_rows(chosen)
    imputer = Imputer(Run(chosen.out / "seed0-left"), rows.made)
    test = rows.splits.test
    holes = np.arange(len(test)) % 2 == 0
    gone = test.copy()
    gone.loc[holes, ["d", "e"]] = np.nan
    filled = imputer.fill(gone)
    assert filled.loc[~holes, "d"].tolist() == test.loc[~holes, "d"].tolist()
    assert filled[["d", "e"]].notna().all().all() and gone.loc[holes, "d"].isna().all()
    assert np.corrcoef(filled.loc[holes, "d"], test.loc[holes, "d"])[0, 1] > 0.8
    nothing = gone.assign(a=np.nan, b=np.nan, c=np.nan)
    with pytest.warns(UserWarning, match="lack 'right', and of"):
        kept = imputer.fill(nothing)
    assert kept.loc[holes, "d"].isna().all()


def test_an_imputer_refuses_what_its_run_does_not_make(imputed):
    _, chosen = imputed
    run = Run(chosen.out / "seed0-left")
    with pytest.raises(ValueError, match="no cell of"):
        Imputer(run, Image("photo"))
    with pytest.raises(ValueError, match=r"2 numbers.*3 columns"):
        Imputer(run, Tabular("wider", ["a", "b", "c"]))


def test_texts_that_simple_models_make_are_judged_as_texts_and_by_their_features(data):
    chosen = config(data, sources=("left",), to="words")
    rows = conversion_rows(chosen)
    judge = Judge(chosen, rows)
    for floor in floors(rows.splits, rows.schema, judge.task):
        figures = judge.figures(floor.outputs, floor.cells)
        assert figures["chrf"] > 0.7 and figures["recall@10"] > 0.5
        assert figures["chrf"] == pytest.approx(judge.row_scores(floor.outputs).mean())
    true = rows.splits.test["words"].to_numpy(object)
    right = judge.figures(true, true)
    assert right["chrf"] == right["recall@1"] == 1 and right["coherence"] > 0.9
    wrong = np.array([""] * len(true), object)
    with pytest.warns(UserWarning, match="30 of 30 cells have no word"):
        assert judge.figures(wrong, wrong)["chrf"] == 0


def test_features_of_a_text_are_made_of_every_subset_of_the_sources(data, tmp_path):
    settings = trained_for(QUICK, 1)
    chosen = config(
        data, to="words", as_features=True, subsets=True, settings=settings, out=tmp_path / "out"
    )
    results = convert(chosen)
    assert list(results["sources"].unique()) == ["left", "right", "left + right"]
    assert (results["model"] == "model").sum() == 3 and len(results) == 3 * 4
    assert (results[results["model"] != "model"].groupby("sources")["r2"].max() > 0.3).all()
    target = Run(tmp_path / "out" / "seed0-left").preprocessing.schema.target
    assert target.kind == "sequence"


def test_kernel_ridge_is_scikit_learns():
    from sklearn.kernel_ridge import KernelRidge

    random = np.random.default_rng(0)
    X, y, new = (random.normal(size=shape) for shape in ((30, 3), (30, 2), (5, 3)))
    made = kernel_ridge(lambda a, b: a @ b.T, X, y, new, (0.1, 2.0))
    for alpha, values in made.items():
        other = KernelRidge(alpha=alpha).fit(X, y - y.mean(axis=0)).predict(new) + y.mean(axis=0)
        np.testing.assert_allclose(values, other, atol=1e-8)


def test_what_cannot_be_converted_is_refused(data):
    for wrong, match in (
        ({"to": "colour"}, "name modalities"),
        ({}, "name modalities"),
        ({"to": "left", "sources": ("left",)}, "of itself"),
        ({"to": "left", "label": "d"}, "is converted"),
        ({"to": "left", "label": "none"}, "is not one of"),
    ):
        with pytest.raises(ValueError, match=match):
            conversion_rows(config(data, **wrong))
    with pytest.raises(ValueError, match="Leave one out"):
        config(data, to="left", impute="conversion", as_features=True)


def test_a_generative_run_fills_each_of_its_modalities(imputed):
    _, chosen = imputed
    rows = conversion_rows(chosen)
    schema = Schema((*rows.schema.modalities, rows.made_as_input))
    left, right = imputers_of(chosen.out / "seed0-generative", schema)
    assert isinstance(left, GenerativeImputer)
    assert (left.modality.name, right.modality.name) == ("left", "right")
    test = rows.splits.test
    filled = right.fill(hidden(test, rows.made))
    columns = list(rows.made.columns)
    assert np.isfinite(filled[columns].to_numpy()).all()
    pd.testing.assert_frame_equal(filled.drop(columns=columns), test.drop(columns=columns))
    with pytest.raises(ValueError, match=r"makes.*left.*sound"):
        imputers_of(chosen.out / "seed0-generative", Schema([Text("sound")]))

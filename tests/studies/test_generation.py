"""Measures, reports and comparisons of generative models."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import ImageSettings
from mmkeras.data.media.images.image_file import encode_png
from mmkeras.data.pipeline import Pipeline
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.generative import GenerationSettings, GenerativeRun
from mmkeras.experiment.listing import list_runs
from mmkeras.experiment.presets import preset
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.generation import MixtureSampler
from mmkeras.studies.generation import (
    CompareConfig,
    GenerateConfig,
    MeasureSettings,
    compare_generation,
    generate,
)
from mmkeras.studies.generation.compare import sentences
from mmkeras.studies.generation.generation_config import PRESETS, generation_preset
from mmkeras.studies.generation.measures import conditional_coherence, whole_rows
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

SETTINGS = Settings(
    encoders={
        "image": Encoder("cnn", {"filters": (4,), "convs_per_block": 1}),
        "text": Encoder("bag_of_words", {"units": (8,)}),
    },
    image=ImageSettings(size=(8, 8)),
    training=TrainingSettings(epochs=2, batch_size=16, learning_rate=3e-3),
)
GENERATION = GenerationSettings(latent_dim=3, filters=4, units=(8,))
MEASURES = MeasureSettings(rows=10, components=2, likelihood_rows=3, likelihood_samples=5)


@pytest.fixture(scope="module", autouse=True)
def no_reports_of_judges():
    """They take longer than their training here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmkeras.experiment.train.results.write_report", lambda *args, **more: None)
        yield


@pytest.fixture(scope="module")
def data(shared_table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    frame, schema = shared_table
    schema.save(folder / "schema.json")
    pictures = [encode_png(picture) for picture in frame["picture"]]
    frame.assign(picture=pictures).to_parquet(folder / "table.parquet")
    return DataConfig(data=folder / "table.parquet", schema=folder / "schema.json")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    config = GenerateConfig(
        data,
        GENERATION,
        MEASURES,
        test=0.3,
        out=tmp_path_factory.mktemp("runs") / "run",
        name="three modalities",
        tags=("paper",),
        settings=SETTINGS,
        judging=SETTINGS,
    )
    return generate(config)


def test_a_run_is_measured_and_drawn(run):
    test = run.metrics["test"]
    assert set(test["coherence"]) == {"1", "2"}
    assert set(test["judges"]) == {"picture", "note", "facts"}
    assert set(test["joint_coherence"]) == {"prior", "mixture"}
    assert set(test["log_likelihood"]) == {
        "all",
        *(name for name in ("picture", "note", "facts")),
        *(f"{name} given the others" for name in ("picture", "note", "facts")),
    }
    assert all(0 <= value <= 1 for value in test["latent"].values())
    table = pd.read_csv(run.path / "coherence.csv")
    assert len(table) == 3 * 2 + 3  # one given: two made of it; two given: one
    text = (run.path / "report.md").read_text()
    for name in ("given_picture", "samples_prior", "samples_mixture", "interpolation", "coherence"):
        assert f"pictures/{name}.png" in text
        assert (run.path / "pictures" / f"{name}.png").stat().st_size > 1000
    assert (run.path / "embedding.tsv").exists()
    MixtureSampler.load(run.path / "sampler.npz")
    assert "- name: three modalities\n- tags: paper\n" in text
    assert b"three modalities" in next(run.path.glob("events*")).read_bytes()
    judges = [f"judges/{name}" for name in ("picture", "note", "facts")]
    assert list(list_runs(run.path, ["paper"]).index) == [*judges, "."]


def test_called_again_nothing_is_trained_or_measured(run, data, capsys):
    options = {"test": 0.3, "out": run.path, "settings": SETTINGS, "judging": SETTINGS}
    config = GenerateConfig(data, GENERATION, MEASURES, **options)
    before = (run.path / "metrics.json").read_text()
    generate(config)
    assert (run.path / "metrics.json").read_text() == before
    assert "epoch" not in capsys.readouterr().err


def test_coherence_is_what_judges_say_of_what_is_made(run, shared_table):
    """A judge that always says 1 is right as often as classes are 1."""

    class Constant:
        def classify(self, values):
            return np.ones(len(values), int)

    frame, _ = shared_table
    inputs, places = whole_rows(Pipeline(frame, run.preprocessing), 60)
    classes = (np.arange(60) % 4 == 0).astype(int)[places]
    judges = dict.fromkeys(run.vae.names, Constant())
    table = conditional_coherence(run.vae, inputs, judges, classes)
    assert (table["accuracy"] == 0.25).all()
    assert table["number"].tolist() == [1] * 6 + [2] * 3


def test_rows_with_holes_are_not_compared(run, shared_table):
    frame, _ = shared_table
    frame = frame.assign(
        note=[None if row % 3 == 0 else note for row, note in enumerate(frame["note"])]
    )
    inputs, places = whole_rows(Pipeline(frame, run.preprocessing), 60)
    assert (places % 3 != 0).all() and len(places) == 40
    assert len(inputs["picture"]) == 40 and "present" not in inputs
    with pytest.raises(ValueError, match="No row has all"):
        whole_rows(Pipeline(frame[::3], run.preprocessing), 60)


@pytest.mark.slow
def test_models_are_compared_and_only_what_is_missing_is_trained(data, tmp_path, capsys):
    config = CompareConfig(
        data,
        ("mopoe", "mmvae"),
        (0,),
        GENERATION,
        dataclasses.replace(MEASURES, likelihood_rows=0),
        test=0.3,
        workers=0,
        out=tmp_path / "out",
        tags=("paper",),
        settings=SETTINGS,
        judging=SETTINGS,
    )
    results = compare_generation(dataclasses.replace(config, compared=("mopoe",)))
    assert results["model"].tolist() == ["mopoe"]
    results = compare_generation(config)
    assert "1 of 2 models are to be trained" in capsys.readouterr().out
    assert results["model"].tolist() == ["mopoe", "mmvae"]
    assert {"coherence, 1 given", "coherence, 2 given", "Fréchet distance, prior"} <= set(results)
    text = (tmp_path / "out" / "summary.md").read_text()
    assert "samples_mmvae.png" in text and "coherence.png" in text
    assert GenerativeRun(tmp_path / "out" / "seed0-mmvae").config["generation"]["model"] == "mmvae"
    assert "- tags: paper" in text and len(list_runs(tmp_path / "out", ["paper"])) == 2 + 3


def test_sentences_name_who_rises_and_who_is_best():
    results = pd.DataFrame(
        {
            "model": ["flat", "rising"],
            "seed": 0,
            "coherence, 1 given": [0.8, 0.6],
            "coherence, 2 given": [0.8, 0.9],
            "joint coherence, prior": [0.5, 0.2],
            "Fréchet distance, prior": [10.0, 30.0],
        }
    )
    assert sentences(results) == [
        "From one modality given to all but one, coherence changes by +0.0 points (flat), +30.0 "
        "points (rising).",
        "The most coherent of all but one modality is rising, 90.0 %.",
        "Best joint coherence, prior: flat, 50.0 %.",
        "Best Fréchet distance, prior: flat, 10.0.",
    ]


@pytest.mark.parametrize("dataset", sorted(PRESETS))
def test_presets_fit_their_data_sets_and_have_judges(dataset):
    settings, generation = generation_preset(dataset, "mmvae")
    assert generation.model == "mmvae"
    assert preset(dataset) != Settings() and settings.training.epochs > 1


def test_what_has_no_effect_is_refused_before_judges_are_trained(data, tmp_path):
    fused = dataclasses.replace(SETTINGS, model=ModelSettings("late"))
    sounds = dataclasses.replace(GENERATION, densities={"sound": "laplace"})
    for config, words in (
        (GenerateConfig(data, GENERATION, settings=fused, out=tmp_path), "no fusion"),
        (GenerateConfig(data, sounds, settings=SETTINGS, out=tmp_path), "by modality or kind"),
    ):
        with pytest.raises(ValueError, match=words):
            generate(config)
    assert not list(tmp_path.iterdir())

"""Speech to text on made sequences whose steps say which letter they are."""

import dataclasses
import os

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import SequenceSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.presets import preset
from mmkeras.experiment.rows import experiment_rows
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import fitted_pipelines, make_model
from mmkeras.models.parts import decoder_layer
from mmkeras.schema import Schema, Sequence, Text
from mmkeras.studies.speech import Answers, SpeechConfig, recognize, speech_table
from mmkeras.studies.text_searches import languages, searched, step_logits
from mmkeras.training.settings import TrainingSettings
from mmkeras.training.step_check import refuse_too_few_steps

WORDS = ("ab", "cab", "bad", "a")
ROWS = 60


def spoken(text, random):
    """Three to five steps for each character, each with the character's own feature."""
    steps = [np.eye(5)[" abcd".index(c)] for c in text for _ in range(random.integers(3, 6))]
    return (np.array(steps) + random.normal(0, 0.05, (len(steps), 5))).astype("float32")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("speech"), np.random.default_rng(0)
    lines = []
    for row in range(ROWS):
        text = " ".join(random.choice(WORDS, random.integers(1, 4)))
        np.save(folder / f"{row}.npy", spoken(text, random))
        part = "test" if row % 5 == 0 else "train"
        lines.append({"speech": f"{row}.npy", "said": text, "part": part, "speaker": f"s{row % 6}"})
    pd.DataFrame(lines).to_csv(folder / "said.csv", index=False)
    schema = Schema([Sequence("speech")], Text("said", judged_by="wer"), group="speaker")
    schema.save(folder / "schema.json")
    return SpeechConfig(
        data=DataConfig(
            data=folder / "said.csv", schema=folder / "schema.json", split_column="part"
        ),
        seeds=(0,),
        validation=0.2,
        beams=4,
        weights=(0.0, 0.5),
        bonuses=(0.0,),
        workers=0,
        out=folder / "runs",
        settings=Settings(
            model=ModelSettings(decoder="ctc", decoder_options={"dim": 16, "num_heads": 1}),
            encoders={"sequence": Encoder("tcn", {"filters": (16,), "kernel_size": 3})},
            training=TrainingSettings(epochs=12, batch_size=8, learning_rate=0.02, patience=0),
            sequence=SequenceSettings(noise=0.1),
        ),
    )


@pytest.fixture(scope="module")
def result(config):
    return recognize(config)


@pytest.mark.slow
def test_each_search_is_a_row_and_the_sounds_are_understood(config, result):
    assert list(result["search"]) == [
        "greedy",
        "beam",
        "beam, characters by 4 before",
        "beam, words by frequency",
        "beam, words by the one before",
    ]
    assert (result["character errors"] < 0.2).all()
    assert result["weight"].isna().tolist() == [True, True, False, False, False]
    stored = pd.read_csv(config.out / "searches.csv")
    pd.testing.assert_frame_equal(stored, result, check_dtype=False)
    summary = (config.out / "summary.md").read_text()
    assert "beam, words by frequency" in summary
    assert (config.out / "pictures" / "edits.png").is_file()


@pytest.mark.slow
def test_greedy_search_is_what_the_run_reports(config, result):
    run = Run(config.out / "seed0-fused")
    assert result["word errors"][0] == pytest.approx(run.metrics["test"]["wer"])


@pytest.mark.slow
def test_weights_are_the_best_on_validation_rows_and_no_test_row_takes_part(config, result):
    run, splits = Run(config.out / "seed0-fused"), experiment_rows(config).splits
    pipelines = {n: Pipeline(p, run.preprocessing, batch_size=7) for n, p in splits.items()}
    task = run.preprocessing.task
    for name, language in languages(task, pipelines["train"].targets).items():
        shares = np.exp(language.following(language.start))
        assert shares.sum() == pytest.approx(1.0), name
    # Whatever the test rows are, the choice is the same.
    other = {**pipelines, "test": pipelines["validation"]}
    options = {"beams": 4, "weights": (0.0, 0.5), "bonuses": (0.0,)}
    chosen = [each.weight for each in searched(run.model, other, **options)]
    stored = result["weight"].tolist()
    assert [w for w in chosen if w is not None] == [w for w in stored if not np.isnan(w)]
    # Without a language's weight, the beam search's own answers.
    found = {
        each.search: each for each in searched(run.model, other, **{**options, "weights": (0.0,)})
    }
    plain = found.pop("beam").said
    del found["greedy"]
    for name, each in found.items():
        assert each.said.tolist() == plain.tolist(), name
    assert each.validation == task.main_score(
        task.own_unit(pipelines["validation"].targets), each.said
    )


@pytest.mark.slow
def test_steps_of_batches_of_other_lengths_say_the_same(config, result):
    run, splits = Run(config.out / "seed0-fused"), experiment_rows(config).splits
    one, several = (
        step_logits(run.model, Pipeline(splits.test, run.preprocessing, batch_size=n))
        for n in (64, 3)
    )
    assert one.shape == several.shape
    np.testing.assert_allclose(one, several, atol=1e-3)


def test_table_has_means_over_seeds_and_intervals_over_sentences():
    true = np.array(["a b c d", "a b", "c d"], object)
    said = [true, np.array(["a x c d", "a b", "c d"], object)]
    table = speech_table(
        [Answers("sound", seed, "greedy", true, each, 1.0) for seed, each in enumerate(said)]
    )
    line = table.loc["sound: greedy"]
    assert line["word errors, %"] == pytest.approx(100 * (0 + 1 / 8) / 2, abs=0.05)
    assert line["± (word errors)"] == pytest.approx(100 * np.std([0, 1 / 8], ddof=1))
    assert line["wrong sentences, %"] == pytest.approx(100 / 6, abs=0.05)
    low, high = map(float, line["95 % (word errors)"].split(" to "))
    assert low == 0.0 and 6 < high <= 25 and line["seeds"] == 2


def test_what_cannot_be_done_is_said_before_any_training(config, tmp_path):
    with pytest.raises(ValueError, match="validation=0"):
        recognize(dataclasses.replace(config, validation=0.0, out=tmp_path / "none"))
    with pytest.raises(ValueError, match="target is"):
        recognize(SpeechConfig(data=DataConfig(dataset="synthetic"), out=tmp_path / "label"))


@pytest.mark.slow
@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs the real data sets")
@pytest.mark.parametrize("dataset", ["an4", "digit_strings"])
def test_presets_leave_steps_for_every_text_and_hold_out_whole_speakers(dataset, tmp_path):
    settings = preset(dataset)
    config = SpeechConfig(data=DataConfig(dataset=dataset), validation=0.2, settings=settings)
    rows = experiment_rows(config)
    speakers = [set(part["speaker"]) for part in rows.splits]
    assert all(speakers) and not any(a & b for a in speakers for b in speakers if a is not b)
    fitted, pipelines = fitted_pipelines(rows.splits, rows.schema, settings, tmp_path)
    model = make_model(fitted, settings)
    for pipeline in pipelines.values():
        refuse_too_few_steps(model, decoder_layer(model), pipeline)


@pytest.mark.slow
def test_no_weights_no_languages(config, result):
    again = recognize(dataclasses.replace(config, weights=()))
    assert again["search"].tolist() == ["greedy", "beam"]
    assert again["word errors"].tolist() == result["word errors"][:2].tolist()

"""The search for settings: what it may try, that it resumes, and that test rows stay unseen."""

import dataclasses
import json

import numpy as np
import optuna
import pandas as pd
import pytest

from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.schema import Schema, Tabular, Text
from mmkeras.studies.jobs import JobDied, JobsMissing
from mmkeras.studies.tuning import search as search_module
from mmkeras.studies.tuning import space as space_module
from mmkeras.studies.tuning.results import best_trials, importances, trials_table
from mmkeras.studies.tuning.search import search
from mmkeras.studies.tuning.space import SearchSpace, distributions, first_values, with_values
from mmkeras.studies.tuning.trial import StopHopeless
from mmkeras.studies.tuning.tuning_config import TuneConfig, load_rows
from mmkeras.studies.tuning.worker import open_study
from mmkeras.tasks import FIGURES
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

SMALL = Settings(
    model=ModelSettings(hidden=(4,)),
    encoders={"text": Encoder("bag_of_words", {"units": (4,)})},
    training=TrainingSettings(epochs=2, batch_size=16),
)
CHOICES = {
    "fusion": ["concat", "late"],
    "text_encoder": ["bag_of_words", "lstm"],
    "batch_size": [16, 32],
    "fusion_dim": [None, 8],
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """60 rows with a split of their own; the test rows' label is one that training lacks."""
    folder = tmp_path_factory.mktemp("rows")
    random = np.random.default_rng(0)
    day = np.arange(60) % 2 == 0
    frame = pd.DataFrame(
        {
            "note": np.where(day, "sun over the hill", "moon over the hill"),
            "warmth": np.where(day, 20.0, 8.0) + random.normal(0, 8, 60),
            "when": np.where(day, "day", "night"),
            "part": ["test" if row % 5 == 0 else "train" for row in range(60)],
        }
    )
    frame.loc[frame["part"] == "test", "when"] = "poison"
    frame.to_csv(folder / "rows.csv", index=False)
    schema = Schema([Text("note"), Tabular("facts", ("warmth",))], "when")
    schema.save(folder / "schema.json")
    return TuneConfig(
        data=DataConfig(
            data=folder / "rows.csv", schema=folder / "schema.json", split_column="part"
        ),
        space=SearchSpace(
            fusions=("concat", "late"), encoders=("text=bag_of_words", "tabular=mlp")
        ),
        trials=4,
        workers=0,
        validation=0.25,
        out=folder / "out",
        settings=SMALL,
    )


@pytest.fixture(scope="module")
def finished(config):
    """Three trials, of which the last is interrupted after an epoch; then four."""
    with pytest.MonkeyPatch.context() as patch:
        original = StopHopeless.on_epoch_end

        def interrupted(self, epoch, logs=None):
            original(self, epoch, logs)
            if (config.folder / "trial002").exists():
                raise KeyboardInterrupt

        patch.setattr(StopHopeless, "on_epoch_end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search(dataclasses.replace(config, trials=3))
        before = trials_table(open_study(config.folder, FIGURES["accuracy"]))
        patch.setattr(StopHopeless, "on_epoch_end", original)
        study, figure = search(config)
    assert figure.key == "accuracy"
    return before, study


def test_an_interrupted_search_ends_like_an_uninterrupted_one(finished, config, tmp_path):
    before, study = finished
    table = trials_table(study)
    assert before["state"].tolist() == ["complete", "complete", "running"]
    assert len(table) == 4 and "running" not in set(table["state"])
    assert table.loc[2, "learning_rate"] == before.loc[2, "learning_rate"]
    whole, _ = search(dataclasses.replace(config, out=tmp_path / "out"))
    pd.testing.assert_frame_equal(
        table.drop(columns="seconds"), trials_table(whole).drop(columns="seconds")
    )


def test_a_finished_search_trains_nothing(finished, config, monkeypatch):
    monkeypatch.setattr(search_module, "run_trial", None)
    # What it is called is no part of what it is.
    again, _ = search(dataclasses.replace(config, name="another", tags=("paper",)))
    pd.testing.assert_frame_equal(trials_table(again), trials_table(finished[1]))


def test_the_best_settings_are_settings(finished, config):
    table = pd.read_csv(config.folder / "trials.csv", index_col="trial")
    best = json.loads((config.folder / "best.json").read_text())
    done = table[table["state"] == "complete"]
    assert best["validation"]["accuracy"] == pytest.approx(done["accuracy"].max())
    settings = Settings.from_dict(best["settings"])
    row = table.loc[best["trial"]]
    assert settings.training.learning_rate == pytest.approx(row["learning_rate"])
    assert settings.model.fusion == row["fusion"] and settings.model.hidden == (4,)
    shown = best_trials(finished[1], "accuracy", count=2)
    assert len(shown) == 2 and shown.index[0] == best["trial"]


def test_the_first_trial_has_the_settings_given(finished):
    first = finished[1].trials[0].params
    assert first["fusion"] == "concat" and first["fusion_dim"] is None
    assert (first["learning_rate"], first["batch_size"]) == (1e-3, 16)
    assert (first["weight_decay"], first["dropout"]) == (1e-6, 0.5)


def test_trials_know_no_test_rows(finished, config):
    # A pipeline refuses labels that no training row has: the search would have failed.
    splits = load_rows(config).splits
    assert not len(splits.test) and len(splits.train) + len(splits.validation) == 48
    assert "poison" not in set(splits.train["when"]) | set(splits.validation["when"])


def test_each_trial_leaves_its_settings_for_tensorboard_and_no_checkpoint(finished, config):
    for number in range(4):
        folder = config.folder / f"trial{number:03d}"
        assert not (folder / "checkpoint").exists()
        assert list((folder / "validation").glob("events*"))
    assert list((config.folder / "trial000").glob("events*"))


def test_another_search_does_not_go_on_in_the_same_folder(finished, config):
    other = dataclasses.replace(config, settings=dataclasses.replace(SMALL, seed=7))
    with pytest.raises(ValueError, match=r"another search.*settings\.seed: 0, now 7"):
        search(other)


def test_a_search_in_which_every_trial_fails_ends(config, tmp_path, monkeypatch):
    calls = []

    def broken(*job):
        calls.append(job)
        return {"error": "ValueError: loss became nan"}

    monkeypatch.setattr(search_module, "run_trial", broken)
    with pytest.raises(ValueError, match=r"All 3 trials failed.*became nan"):
        search(dataclasses.replace(config, out=tmp_path / "out"))
    assert len(calls) == 3


def test_a_trial_whose_process_dies_is_reported_and_resumed_by_the_next_call(
    config, tmp_path, monkeypatch
):
    numbers = []

    def run(config, task, trial_id, number, values):
        numbers.append(number)
        if numbers == [0, 1]:
            raise JobDied("its process was killed by signal 9 (SIGKILL)")
        figures = {"accuracy": 0.5 + number / 10}
        return {"stopped": False, "metrics": figures, "seconds": 1.0, "epochs": 2}

    monkeypatch.setattr(search_module, "run_trial", run)
    own = dataclasses.replace(config, trials=3, out=tmp_path / "out")
    with pytest.raises(
        JobsMissing, match=r"1 of 3 .*\n- trial 1: its process was killed by signal"
    ):
        search(own)
    assert numbers == [0, 1, 2]
    study, _ = search(own)
    assert numbers == [0, 1, 2, 1]
    assert trials_table(study)["state"].tolist() == ["complete"] * 3


def test_a_search_without_validation_rows_is_refused(config, tmp_path):
    with pytest.raises(ValueError, match="--validation above 0"):
        search(dataclasses.replace(config, validation=0.0, out=tmp_path / "out"))


def test_a_trial_behind_the_median_of_the_others_is_hopeless(tmp_path):
    study = open_study(tmp_path, FIGURES["accuracy"])
    for _ in range(5):
        trial = study.ask()
        for epoch in (1, 2, 3):
            trial.report(0.8, step=epoch)
        study.tell(trial, 0.8)

    def judged(value):
        trial = study.ask()
        trial.report(value, step=2)
        return trial.should_prune()

    assert judged(0.1) and not judged(0.9)


def test_a_loss_is_judged_the_other_way_round_than_what_is_better_when_more():
    heard = []
    for name, main in (("val_loss", "chrf"), ("val_accuracy", "accuracy"), ("val_mae", "mae")):
        stopper = StopHopeless(name, FIGURES[main], lambda _, value: heard.append(value))
        stopper.on_epoch_end(0, {name: 0.25})
    assert heard == [-0.25, 0.25, 0.25]


@pytest.mark.slow
def test_texts_as_targets_are_searched_by_their_own_figure(config, tmp_path):
    rows = pd.read_csv(config.data.data)
    rows["when"] = np.where(rows["warmth"] > 14, "warm day", "cold")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    schema = Schema([Tabular("facts", ("warmth",))], Text("when", judged_by="chrf"))
    schema.save(tmp_path / "schema.json")
    own = dataclasses.replace(
        config,
        data=dataclasses.replace(
            config.data, data=tmp_path / "rows.csv", schema=tmp_path / "schema.json"
        ),
        space=SearchSpace(),
        trials=1,
        out=tmp_path / "out",
        settings=dataclasses.replace(
            SMALL, model=ModelSettings(decoder_options={"dim": 8, "num_heads": 1, "ff_dim": 8})
        ),
    )
    study, figure = search(own)
    assert figure.key == "chrf" and study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.best_value == study.best_trial.user_attrs["metrics"]["chrf"]


def test_values_become_settings():
    values = {
        "learning_rate": 0.01,
        "dropout": 0.1,
        "batch_size": 8,
        "fusion": "concat",
        "text_encoder": "lstm",
    }
    settings = with_values(SMALL, values)
    assert (settings.training.learning_rate, settings.training.batch_size) == (0.01, 8)
    assert (settings.model.dropout, settings.encoders["text"].name) == (0.1, "lstm")
    assert settings.model.hidden == SMALL.model.hidden and settings.training.epochs == 2
    # Late fusion has no head; its dropout is that of each modality's vector.
    late = with_values(SMALL, {**values, "fusion": "late"}).model
    assert (late.fusion_dropout, late.dropout) == (0.1, None)


def test_what_is_drawn_lies_in_the_space():
    space = SearchSpace(learning_rates=(1e-3, 1e-2))
    schema = Schema([Text("note"), Tabular("facts", ("warmth",))], "when")
    drawn_from = distributions(space, CHOICES)
    first = first_values(space, CHOICES, SMALL, schema)
    assert set(first) == set(drawn_from) | {"tabular_encoder"}
    study = optuna.create_study()
    for _ in range(20):
        values = study.ask(drawn_from).params
        assert 1e-3 <= values["learning_rate"] <= 1e-2
        assert all(values[name] in options for name, options in CHOICES.items())
        with_values(SMALL, values)


def test_fusions_and_encoders_that_do_not_fit_are_left_out(small_table, monkeypatch, capsys):
    frame, schema = small_table
    schema = schema.select(["note", "facts"])

    def make_model(preprocessing, settings):
        if settings.model.fusion == "attention" or settings.encoders["text"].name == "lstm":
            raise ValueError("It is too long.")

    monkeypatch.setattr(space_module, "make_model", make_model)
    space = SearchSpace(fusions=("concat", "attention", "late"))
    choices = space_module.fitting_choices(space, SMALL, schema, frame)
    assert choices["fusion"] == ["concat", "late"]
    assert choices["text_encoder"] == ["bag_of_words", "self_attention"]
    assert choices["tabular_encoder"] == ["mlp", "ft_transformer", "piecewise"]
    assert "image_encoder" not in choices
    assert "text_encoder lstm: It is too long." in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"No fusion.*too long"):
        space_module.fitting_choices(SearchSpace(fusions=("attention",)), SMALL, schema, frame)


def test_mistakes_in_the_space_are_named():
    with pytest.raises(ValueError, match=r"'text=cnn'.*text=lstm"):
        SearchSpace(encoders=("text=cnn",))
    with pytest.raises(ValueError, match="smallest and the largest"):
        SearchSpace(weight_decays=(0.0, 0.1))
    with pytest.raises(ValueError, match=r"`dropouts`.*from 0 to below 1"):
        SearchSpace(dropouts=(0.0, 1.0))


def test_importances_find_the_value_that_matters():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    assert importances(study) == {}
    study.optimize(
        lambda trial: trial.suggest_float("a", 0, 1) + 0 * trial.suggest_float("b", 0, 1),
        n_trials=20,
    )
    shares = importances(study)
    assert shares["a"] > 0.8 and sum(shares.values()) == pytest.approx(1)

"""Whether each modality adds to the others, and whether tuning pays, where the truth is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mmkeras.audit import AuditSettings, audit
from mmkeras.data.kinds import ImageSettings
from mmkeras.data.tables.splits import Splits, split_table
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import train_run
from mmkeras.schema import Label, Schema, Tabular, Text
from mmkeras.training.settings import TrainingSettings
from tests.audit.small import SETTINGS
from tests.encoders.tiny_networks import sources

pytestmark = [pytest.mark.eager, pytest.mark.slow]

QUICK = AuditSettings(train="alone", noise=False, explain=0, draws=20, swaps=2, floor="off")


@pytest.fixture(scope="module")
def beside_a_note(tmp_path_factory):
    """A note that says it all, and two tables of noise: the audit and the folder of its models."""
    random = np.random.default_rng(0)
    mood = random.choice(["good", "bad"], 200)
    noise = {name: random.normal(size=200) for name in ("a", "b", "c", "d")}
    table = pd.DataFrame({"note": [f"it was {word}" for word in mood], "mood": mood, **noise})
    tables = (Tabular("first", ("a", "b")), Tabular("second", ("c", "d")))
    schema = Schema((*tables, Text("note")), Label("mood"))
    splits = split_table(table, schema, validation=0.1, test=0.4, seed=0)
    settings = Settings(
        model=ModelSettings(hidden=(16,), dropout=0.0),
        encoders={"text": Encoder("bag_of_words", {"units": (16,)})},
        training=TrainingSettings(epochs=5, learning_rate=0.05, patience=0),
    )
    folder = tmp_path_factory.mktemp("adding") / "run"
    run = train_run(splits, schema, folder, settings)
    return audit(run, splits=splits, settings=QUICK), folder / "audit" / "models"


def test_a_group_that_adds_nothing_is_named_with_its_interval(beside_a_note):
    report, models = beside_a_note
    section = report.section("adding")
    group = section.values["parts"]["first + second"]
    assert group["trained"] and group["says"] in ("no use", "unclear", "hurts")
    assert group["low"] <= group["difference"] <= group["high"] < 0.05
    (sentence,) = [s for s in report.verdict if s.startswith("Together, the 2 tabular modalities")]
    assert "(first and second)" in sentence and "to note" in sentence
    assert "95 % interval" in sentence and " add to" not in sentence
    # What is left of the group is one modality, which has a model of its own anyway.
    assert {path.name for path in models.iterdir()} == {"first", "second", "note"}


def test_each_modality_is_judged_and_it_is_said_by_what(beside_a_note):
    report, _ = beside_a_note
    parts = report.section("adding").values["parts"]
    assert parts["note"]["says"] == "helps" and parts["note"]["low"] > 0.2
    assert not parts["note"]["trained"]
    (sentence,) = [s for s in report.verdict if s.startswith("That each modality adds")]
    assert "note adds (" in sentence and "--train without" in sentence
    assert not any("Tuning" in each for each in report.verdict)


@pytest.fixture(scope="module")
def frozen(shared_table, tmp_path_factory):
    """A picture and a note read by frozen networks; the run and its splits."""
    frame, schema = shared_table
    schema = schema.select(schema.names[:2])
    splits = Splits(frame[:30], frame[30:42], frame[42:])
    settings = dataclasses.replace(
        SETTINGS,
        encoders={
            kind: Encoder("pretrained", {"source": sources()[kind]}) for kind in ("image", "text")
        },
        image=ImageSettings(size=(16, 16)),
        model=ModelSettings(dropout=0.0),
    )
    return train_run(splits, schema, tmp_path_factory.mktemp("tuned") / "run", settings), splits


def test_frozen_and_tuned_encoders_are_compared_from_both_sides(frozen, tmp_path):
    run, splits = frozen
    names = run.preprocessing.schema.names
    explained = dataclasses.replace(QUICK, explain=2)
    alone = audit(run, splits=splits, settings=explained, out=tmp_path / "unknown")
    # Words and pieces of the note are explained through the network.
    assert all(card.texts for card in alone.section("explanations").parts[1].cards)
    assert alone.section("adding").values["tuning"] == {"says": None}
    assert any("`--tuning` trains one" in sentence for sentence in alone.verdict)

    both = dataclasses.replace(QUICK, tuning=True)
    report = audit(run, splits=splits, settings=both, out=tmp_path / "audit")
    told = report.section("adding").values["tuning"]
    assert told["run"] == "tuned" and told["low"] <= told["difference"] <= told["high"]
    said = next(
        s
        for s in report.verdict
        if s.startswith(f"Tuning the pre-trained encoder of {' and '.join(names)}")
    )
    assert "its frozen features" in said
    tuned = Run(tmp_path / "audit" / "models" / "tuned")
    assert tuned.config["settings"]["training"]["part_rates"] == dict.fromkeys(names, 0.01)
    assert told["all"] == pytest.approx(tuned.metrics["test"]["accuracy"])
    assert told["without"] == pytest.approx(run.metrics["test"]["accuracy"])

    # Seen from the tuned run, a frozen one next to it is the other side of the same comparison.
    (tmp_path / "audit" / "models" / "frozen").symlink_to(run.path.resolve())
    again = audit(tuned, splits=splits, settings=QUICK, out=tmp_path / "again")
    found = again.section("adding").values["tuning"]
    same = ("without", "all", "difference", "low", "high")
    assert {key: found[key] for key in same} == pytest.approx({key: told[key] for key in same})

"""Which columns of a table carry it: what the audit says of a table whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from mmkeras.audit import AuditSettings, audit
from mmkeras.data.leakage.predictor import single_columns
from mmkeras.data.tables.splits import split_table
from mmkeras.experiment.settings import ModelSettings, Settings
from mmkeras.experiment.train import train_run
from mmkeras.schema import Label, Number, Schema, Tabular
from mmkeras.training.settings import TrainingSettings

RANDOM = np.random.default_rng(0)
SPEAKER = RANDOM.choice(["ann", "bob", "cyd", "dan"], 240)
NUMBER = RANDOM.normal(size=240)
TABLE = pd.DataFrame(
    {
        "speaker": SPEAKER,
        "length": RANDOM.normal(size=240),
        "pitch": NUMBER,
        # Nearly the speaker alone.
        "mood": np.where(
            RANDOM.random(240) < 0.85, np.isin(SPEAKER, ["ann", "bob"]), RANDOM.random(240) < 0.5
        ).astype(str),
        "loudness": 3 * NUMBER + RANDOM.normal(0, 0.3, 240),
    }
)
COLUMNS = Tabular("facts", ("length", "pitch"), ("speaker",))


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    found = {}
    for target in (Label("mood"), Number("loudness")):
        schema = Schema((COLUMNS,), target)
        splits = split_table(TABLE, schema, validation=0.1, test=0.4, seed=0)
        folder = tmp_path_factory.mktemp(target.column if hasattr(target, "column") else "number")
        settings = Settings(
            model=ModelSettings(hidden=(16,), dropout=0.0),
            training=TrainingSettings(epochs=15, learning_rate=0.01, patience=0),
        )
        run = train_run(splits, schema, folder / "run", settings)
        quick = AuditSettings(train="none", noise=False, explain=0, draws=20, swaps=3)
        found[target.kind] = audit(run, splits=splits, settings=quick, out=folder / "audit")
    return found


def test_the_column_that_carries_the_table_is_named_and_so_is_a_speaker(audited):
    section = audited["label"].section("columns")
    columns = section.values["columns"]
    assert next(iter(columns)) == "speaker" and columns["speaker"]["low"] > 0.1
    assert columns["length"]["low"] < 0.05
    assert "'speaker' carries most" in section.conclusion
    assert "Of 2 of 3 columns no loss is clear" in section.conclusion
    assert columns["speaker"]["left out: low"] > 0.1 > abs(columns["pitch"]["lost when left out"])
    assert columns["speaker"]["moves the answer"] > 3 * columns["length"]["moves the answer"]
    hint = section.values["hints"][0]
    assert (
        hint.startswith("'speaker' alone, with 4 values, reaches 9") and "group='speaker'" in hint
    )
    assert any(hint in sentence for sentence in audited["label"].verdict)


def test_of_a_number_it_is_said_in_its_own_figure(audited):
    section = audited["number"].section("columns")
    columns = section.values["columns"]
    assert next(iter(columns)) == "pitch" and columns["pitch"]["lost when shuffled"] > 0.5
    assert columns["pitch"]["alone"] > 0.9 and columns["pitch"]["best constant"] == 0
    assert columns["pitch"]["lost when left out"] > 0.5
    # Loudness is thrice the pitch, whose size is 0.8 on average.
    assert columns["pitch"]["moves the answer"] == pytest.approx(2.4, abs=0.6)
    assert section.values["hints"] == []  # a number is no speaker


def test_single_columns_say_what_they_would_alone():
    schema = Schema((COLUMNS,), Label("mood"))
    found = {each.column: each for each in single_columns(TABLE, TABLE["mood"].to_numpy(), schema)}
    assert found["speaker"].score > 0.85 and found["speaker"].values == 4
    assert found["length"].score < 0.65 and found["length"].values == 0
    assert found["speaker"].said(0.731) == "73 %"

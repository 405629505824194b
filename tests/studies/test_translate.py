"""Translation from a text, a picture, or both: rows, floor, models and what is said of them."""

import dataclasses

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.listing import list_runs
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.schema import Image, Label, Schema, Text
from mmkeras.studies.consensus_texts import consensus_texts
from mmkeras.studies.nearest_texts import Likeness, likeness_of_rows, nearest_texts
from mmkeras.studies.translate import (
    CONSENSUS,
    FLOOR,
    TranslateConfig,
    translate,
    translation_rows,
)
from mmkeras.tasks import task_class
from mmkeras.tasks.text_figures import sentence_chrf
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

COLOURS = {"red": ("rot", (255, 0, 0)), "green": ("grün", (0, 255, 0)), "blue": ("blau", (0, 0, 9))}
THINGS = {"cat": "katze", "house": "haus", "tree": "baum", "car": "auto"}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    rows = []
    for number in range(48):
        colour, thing = list(COLOURS)[number % 3], list(THINGS)[number // 3 % 4]
        said, shade = COLOURS[colour]
        path = folder / f"{number}.png"
        PIL.Image.new("RGB", (12, 12), tuple(min(255, part + number) for part in shade)).save(path)
        rows.append([path, f"{colour} {thing}", f"{said} {THINGS[thing]}", said, f"g{number // 2}"])
    columns = ["picture", "english", "german", "colour", "base"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "own.csv", index=False)
    target = Text("german", judged_by="chrf")
    schema = Schema([Image("picture"), Text("english")], target, group="base")
    schema.save(folder / "own.json")
    return TranslateConfig(
        data=DataConfig(data=folder / "own.csv", schema=folder / "own.json"),
        targets=("german",),
        hide=(0.0, 0.5),
        seeds=(0,),
        validation=0.2,
        test=0.25,
        workers=0,
        out=folder / "out",
        tags=("paper",),
        settings=Settings(
            model=ModelSettings(decoder_options={"dim": 8, "num_heads": 2, "num_layers": 1}),
            encoders={
                "text": Encoder("lstm", {"units": 4}),
                "image": Encoder("cnn", {"filters": (4,), "convs_per_block": 1}),
            },
            training=TrainingSettings(epochs=1, batch_size=16),
        ),
    )


def test_all_targets_and_shares_are_split_alike_and_words_are_hidden(config):
    plain = translation_rows(config, "german", 0.0)
    hidden = translation_rows(config, "colour", 0.5)
    assert hidden.schema.target == Text("colour", judged_by="chrf")
    for one, other in zip(plain.splits, hidden.splits, strict=True):
        assert one.index.tolist() == other.index.tolist() and len(one)
    train, test = plain.splits.train, plain.splits.test
    assert not set(train["base"]) & set(test["base"])
    words = " ".join(hidden.table["english"]).split()
    assert 0.3 < words.count("[v]") / len(words) < 0.7
    assert not plain.table["english"].str.contains("[v]", regex=False).any()


@pytest.fixture(scope="module")
def known(config):
    """Rows without hidden words, their task and likeness."""
    rows = translation_rows(config, "german", 0.0)
    task = task_class(rows.schema.target).fit(rows.splits.train, rows.schema.target)
    return rows, task, likeness_of_rows(rows.splits, rows.schema)


@pytest.mark.parametrize("answered", [nearest_texts, consensus_texts])
def test_without_training_the_texts_of_similar_training_rows_answer(known, answered):
    rows, task, likeness = known
    test = rows.splits.test["german"]
    found = answered(rows.splits, likeness, task)
    assert list(found) == ["picture", "english", "all"]
    # Every name of the test rows is a training row's too.
    assert found["english"].said.tolist() == test.tolist()
    # Equal names: whatever the picture's weight, small ones come first.
    assert found["all"].weight == 0.0
    colours = [text.split()[0] for text in found["picture"].said]
    assert colours == [text.split()[0] for text in test]
    without = dataclasses.replace(rows.splits, validation=rows.splits.validation.iloc[:0])
    assert answered(without, likeness, task)["all"].weight == 0.5


def test_rows_are_like_training_rows_whatever_their_target(known):
    rows, _, likeness = known
    splits = rows.splits
    unknown = splits.test.assign(german="unbekannt")
    other = likeness_of_rows(dataclasses.replace(splits, test=unknown), rows.schema)
    for name, each in likeness.items():
        np.testing.assert_array_equal(each.test, other[name].test)
        np.testing.assert_allclose(each.train.diagonal(), 1, atol=1e-6)


def test_the_consensus_is_the_training_text_of_the_highest_expected_chrf(known):
    rows, task, _ = known
    names = ["rote katze", "rote kuh", "rote tatze", "blaues auto"]
    train = rows.splits.train.iloc[:4].assign(german=names)
    splits = Splits(train, train.iloc[:0], train.iloc[:1])
    cosines = 0.7 * np.eye(4) + 0.3
    test = np.array([[0.65, 0.65, 0.65, 0.7]])
    likeness = {"english": Likeness(True, cosines, cosines[:0], test)}
    # The nearest is alone; the other three agree.
    assert nearest_texts(splits, likeness, task)["english"].said.tolist() == ["blaues auto"]
    kernel, near = (np.exp((each - 1) / 0.4) for each in (cosines, test))
    chrf = np.array([sentence_chrf(names, [name] * 4) for name in names])
    expected = chrf @ np.linalg.inv(kernel + 0.5 * np.eye(4)) @ near[0]
    said = consensus_texts(splits, likeness, task)["english"].said
    assert said.tolist() == [names[expected.argmax()]] == ["rote katze"]


def test_without_a_seed_nothing_is_trained(config, tmp_path):
    none = dataclasses.replace(config, seeds=(), hide=(0.5,), out=tmp_path / "out")
    assert translate(none).empty
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert len(table) == 6 and table["model"].str.startswith((FLOOR, CONSENSUS)).all()
    summary = (tmp_path / "out" / "summary.md").read_text()
    assert "against consensus by english alone" in summary and "fused" not in summary
    assert not (tmp_path / "out" / "results.csv").exists()


@pytest.mark.slow
def test_each_share_is_judged_on_the_same_rows(config, capsys):
    results = translate(config)
    # Hidden words change nothing for the picture, which is trained once.
    assert results[["target", "hidden", "model"]].to_numpy().tolist() == [
        ["german", share, model]
        for share, models in (
            (0.0, ["picture", "english", "fused"]),
            (0.5, ["english", "fused"]),
        )
        for model in models
    ]
    assert len(list_runs(config.out, ["paper"])) == len(results)
    assert "- tags: paper" in (config.out / "summary.md").read_text()
    table = pd.read_csv(config.out / "comparison.csv")
    models = {"picture", "english", "fused"}
    models |= {way + name for way in (FLOOR, CONSENSUS) for name in ("picture", "english")}
    for _, each in table.groupby(["target", "hidden"]):
        assert models < set(each["model"]) and len(each) == 9
        assert (each["low"] <= each["chrf"]).all() and (each["chrf"] <= each["high"]).all()
    plain = table[table["hidden"] == 0].set_index(["target", "model"])["chrf"]
    assert plain["german", FLOOR + "english"] == pytest.approx(1.0)
    stored = results[results["hidden"] == 0].set_index(["target", "model"])["chrf"]
    np.testing.assert_allclose(plain[stored.index], stored)
    picture = table[table["model"] == "picture"].set_index(["target", "hidden"])["chrf"]
    assert picture["german", 0.0] == picture["german", 0.5]
    summary = (config.out / "summary.md").read_text()
    assert "fused against english alone" in summary and "nrefs:1" in summary
    assert "german, 50 % of the words hidden: fused against the nearest neighbour" in summary
    assert "against consensus by english alone" in summary
    assert "german, no word hidden: fused against english alone" in capsys.readouterr().out

    kept = config.out / "german-hidden0-seed0-fused" / "model.keras"
    before = kept.stat().st_mtime_ns
    assert "nrefs:1" in Run(kept.parent).metrics["signatures"]["corpus_chrf"]
    again = translate(config)
    assert kept.stat().st_mtime_ns == before and len(again) == len(results)


def test_what_cannot_be_translated_is_refused(config, tmp_path):
    with pytest.raises(ValueError, match="latin"):
        translation_rows(config, "latin", 0.0)
    label = Schema([Image("picture"), Text("english")], Label("german"))
    label.save(tmp_path / "label.json")
    data = dataclasses.replace(config.data, schema=tmp_path / "label.json")
    with pytest.raises(ValueError, match="needs a text among the modalities"):
        translation_rows(dataclasses.replace(config, data=data), "german", 0.0)

"""Clustering of tables without labels, which only judge where there are any."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.settings import Settings
from mmkeras.schema import Image, Schema, Tabular, Text
from mmkeras.studies.cluster import DEEP, MAIN, ClusterConfig, cluster, table_and_labels
from mmkeras.studies.cluster_features import cell_words, make_features, row_pictures
from mmkeras.training.pretraining.pretrain import ContrastiveSettings

pytestmark = pytest.mark.eager

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
WORDS = ["red ripe apple tree", "fast blue car road", "old stone house door"]


@pytest.fixture(scope="module")
def table():
    """Three kinds of things; numbers tell the first from the others, words all."""
    random = np.random.default_rng(0)
    kind = np.arange(60) % 3
    numbers = np.where(kind == 0, 6.0, 0.0)[:, None] + random.normal(size=(60, 2))
    frame = pd.DataFrame(numbers, columns=["width", "height"])
    frame["note"] = [
        " ".join([*random.permutation(WORDS[each].split())[:3], random.choice(["it", "so", "and"])])
        for each in kind
    ]
    return frame.assign(kind=np.array(["fruit", "car", "house"])[kind])


def config(path, out, **arguments):
    return ClusterConfig(DataConfig(data=path), out=out, neighbors=8, most=5, **arguments)


def test_a_table_without_a_target_is_clustered(table, tmp_path, capsys):
    table.drop(columns="kind").to_csv(tmp_path / "own.csv", index=False)
    deep = {"deep": True, "contrastive": ContrastiveSettings(dim=8, epochs=1)}
    results = cluster(config(tmp_path / "own.csv", tmp_path / "out", seeds=(0, 1), **deep))
    assert set(results) == {"method", "seed", "silhouette"} and set(results["seed"]) == {0, 1}
    assert {"k-means, note alone", "k-means, table alone", MAIN, DEEP} < set(results["method"])
    found = pd.read_csv(tmp_path / "out/clusters.csv")
    truth = table["kind"].to_numpy()
    assert found["row"].tolist() == list(range(60))
    assert (pd.crosstab(truth, found["cluster"]) > 0).sum().sum() == 3 == found["cluster"].nunique()
    said = (tmp_path / "out/summary.md").read_text()
    assert "3 is taken: of the numbers" in said and "one cluster" not in said
    assert (tmp_path / "out/pictures/som.png").is_file()
    points = (tmp_path / "out/tensorboard/embedding.tsv").read_text().splitlines()
    assert len(points) == 60 and "modalities: note" in said
    assert "60 rows; note (" in capsys.readouterr().out


def test_a_column_judges_and_is_no_input(table, tmp_path, monkeypatch):
    table.loc[:4, "kind"] = None
    table.to_csv(tmp_path / "own.csv", index=False)
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    arguments = ["--data", f"{tmp_path}/own.csv", "--judge", "kind", "--out", f"{tmp_path}/out"]
    arguments += ["--clusters", "3", "--seeds", "0", "--neighbors", "8"]
    results = importlib.import_module("cluster").main(arguments).set_index("method")
    assert results.loc[MAIN, "acc"] == 1 and results.loc["k-means, table alone", "acc"] < 0.9
    said = (tmp_path / "out/summary.md").read_text()
    assert "55 known values of kind, of 3 kinds" in said and "| one cluster" in said
    assert "How many clusters?" not in said and "table (2 features)" in said
    with pytest.raises(ValueError, match="No column 'sort'"):
        cluster(config(tmp_path / "own.csv", tmp_path / "o", judge="sort"))


def test_numbers_and_rows_without_a_class_do_not_judge(table, tmp_path):
    table.to_csv(tmp_path / "own.csv", index=False)
    data = DataConfig(data=tmp_path / "own.csv", target="width")
    _, schema, labels = table_and_labels(ClusterConfig(data))
    assert labels is None and schema.target_columns == ("width",)
    data = DataConfig(data=tmp_path / "own.csv", target="kind", ignore=("note",))
    table.assign(kind=table["kind"].where(table["width"] > 0)).to_csv(data.data, index=False)
    frame, _, labels = table_and_labels(ClusterConfig(data))
    assert len(frame) == 60 and 0 < labels.isna().sum() < 60
    table.assign(width=table["width"].where(table.index > 3), height=None).to_csv(
        data.data, index=False
    )
    with pytest.raises(ValueError, match="4 rows have no input at all, the first is 0"):
        table_and_labels(ClusterConfig(data))


def test_a_judge_that_is_an_input_is_refused(table, tmp_path):
    table.to_csv(tmp_path / "own.csv", index=False)
    Schema([Text("note"), Tabular("size", ["width", "height"])], None).save(tmp_path / "own.json")
    data = DataConfig(data=tmp_path / "own.csv", schema=tmp_path / "own.json")
    with pytest.raises(ValueError, match="--judge note: this column is an input"):
        cluster(ClusterConfig(data, judge="note", out=tmp_path / "out"))


def test_cells_are_described_by_words_and_pictures(table):
    pictures = [np.full((8, 8, 3), 80 * (row % 3), np.uint8) for row in range(60)]
    table = table.assign(photo=pictures)
    schema = Schema([Text("note"), Image("photo")], None)
    features = make_features(table, schema, Settings())
    assert features.standardise == ["photo"] and features.X.shape[1] == features.views["photo"].stop
    cells = np.arange(60) % 3
    words = cell_words(features, cells, 4)
    assert all(word in text for word, text in zip(words, WORDS, strict=False)) and words[3] == ""
    shown = row_pictures(features, table, schema, np.array([3, -1, 5, 1]))
    assert sorted(shown) == [0, 2, 3] and shown[2].mean() == 160 and shown[2].ndim == 3
    numbers = make_features(table, Schema([Tabular("size", ["width", "height"])], None), Settings())
    assert cell_words(numbers, (cells == 0).astype(int), 2)[1] in ("width", "height")

"""The audit finds what was put into data of which the truth is known."""

import dataclasses

import pytest

from mmkeras.audit import AuditSettings, audit
from mmkeras.data.datasets import load_dataset
from mmkeras.data.datasets.synthetic_truth import truth
from mmkeras.data.tables.read import read_table
from mmkeras.data.tables.splits import split_officially
from mmkeras.experiment.presets import preset
from mmkeras.experiment.settings import Encoder
from mmkeras.experiment.train import train_run

pytestmark = pytest.mark.slow

SETTINGS = AuditSettings(noise=False, explain=0, draws=50)


def splits_with(amounts, rows=2400):
    table, schema = load_dataset("synthetic", **amounts, rows=rows, features=6)
    return split_officially(read_table(table, schema), schema, "split", seed=0), schema


def trained(splits, schema, folder, fusion="concat"):
    settings = preset("synthetic")
    model = dataclasses.replace(settings.model, hidden=(32,)).with_fusion(fusion)
    settings = dataclasses.replace(
        settings, encoders={"sequence": Encoder("mlp", {"units": (32,)})}
    )
    training = dataclasses.replace(settings.training, epochs=20)
    return train_run(
        splits, schema, folder, dataclasses.replace(settings, model=model, training=training)
    )


def of(report, section):
    return next(s.values for s in report.sections if s.name == section)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    amounts = {"redundant": 0.2, "unique": (0.4, 0.1), "synergy": 0.3}
    splits, schema = splits_with(amounts)
    run = trained(splits, schema, tmp_path_factory.mktemp("truth") / "mixed")
    return audit(run, splits=splits, settings=SETTINGS), truth(**amounts), amounts


@pytest.fixture(scope="module")
def xor(tmp_path_factory):
    amounts = {"redundant": 0.0, "unique": (0.0, 0.0), "synergy": 1.0}
    splits, schema = splits_with(amounts, rows=1600)
    folder = tmp_path_factory.mktemp("truth")
    run = trained(splits, schema, folder / "xor", fusion="product")
    late = trained(splits, schema, folder / "late", fusion="late_mean")
    return audit(run, splits=splits, settings=SETTINGS), run, late


@pytest.mark.parametrize("whose", ["the data", "this model"])
def test_shapley_shares_are_within_five_points_of_the_truth(mixed, whose):
    report, known, _ = mixed
    found = of(report, "contribution")["modalities"]
    for name, share in known.shares.items():
        assert found[name][f"share ({whose})"] == pytest.approx(share, abs=0.05)


def test_accuracies_of_all_subsets_are_about_the_best_there_can_be(mixed):
    report, known, _ = mixed
    told = of(report, "contribution")
    for subset in (("m1",), ("m2",), ("m1", "m2")):
        best = known.accuracy(subset)
        # 600 test rows: a standard deviation is 2 points at most.
        assert told["trained"][" + ".join(subset)] == pytest.approx(best, abs=0.06)
        assert told["hidden"][" + ".join(subset)] == pytest.approx(best, abs=0.06)


def test_redundant_unique_and_synergistic_bits_are_found(mixed):
    report, _, amounts = mixed
    parts = of(report, "contribution")["information"]["pairs"]["m1 + m2"]
    assert parts["redundant"] == pytest.approx(amounts["redundant"], abs=0.08)
    assert parts["first"] == pytest.approx(amounts["unique"][0], abs=0.08)
    assert parts["second"] == pytest.approx(amounts["unique"][1], abs=0.08)
    assert parts["synergy"] == pytest.approx(amounts["synergy"], abs=0.08)


def test_pure_synergy_leaves_each_modality_alone_at_chance(xor):
    report, _, _ = xor
    told = of(report, "contribution")
    assert told["trained"]["m1"] == pytest.approx(0.5, abs=0.08)
    assert told["trained"]["m2"] == pytest.approx(0.5, abs=0.08)
    assert told["trained"]["m1 + m2"] > 0.95
    assert told["interactions"]["m1 + m2"] == pytest.approx(0.5, abs=0.15)
    assert told["information"]["pairs"]["m1 + m2"]["synergy"] > 0.8
    assert report.verdict[1].startswith("Yes, the modalities help each other")


def test_late_averaging_fails_where_a_product_succeeds(xor):
    _, product, late = xor
    assert product.metrics["test"]["accuracy"] > 0.95
    assert late.metrics["test"]["accuracy"] < 0.6

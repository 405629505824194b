import itertools

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mmkeras.data.datasets import load_dataset, synthetic
from mmkeras.data.leakage.check import check_leakage
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.data.tables.splits import split_officially
from mmkeras.experiment.presets import preset
from mmkeras.models import build_model, compile_model
from mmkeras.schema import Sequence

THREE = {"redundant": 0.2, "unique": (0.3, 0.1, 0.0), "synergy": 0.25}


def decode(table, name):
    """The mechanism and the bit that a modality shows, up to a flip of the bit in each mechanism.

    What a mechanism looks like is taken from the first row that has it.
    """
    vectors = np.stack(table[name]).astype(np.float64)
    first = table.drop_duplicates("mechanism")
    products = vectors @ vectors[first.index].T
    places = np.abs(products).argmax(axis=1)
    mechanisms = first["mechanism"].to_numpy()[places]
    return mechanisms, products[np.arange(len(table)), places] > 0


def information(label, *shown):
    """Mutual information in bits, of counts."""
    counts = pd.crosstab(label, list(shown)).to_numpy() / len(label)
    independent = counts.sum(axis=0) * counts.sum(axis=1, keepdims=True)
    here = counts > 0
    return float((counts[here] * np.log2(counts[here] / independent[here])).sum())


def minimum_redundancy(label, sources):
    """I_min of Williams and Beer (2010), equation 4, in bits, of counts."""
    total = 0.0
    for value in np.unique(label):
        mine = label == value
        specific = []
        for source in sources:
            table = pd.crosstab(source, mine).to_numpy()
            given = table[:, 1] / mine.sum()
            here = given > 0
            surprise = np.log2(table[here, 1] / table[here].sum(axis=1) / mine.mean())
            specific.append((given[here] * surprise).sum())
        total += mine.mean() * min(specific)
    return total


def test_every_modality_shows_the_mechanism_drawn_with_the_chosen_probability():
    table, schema = synthetic.load(**THREE, rows=8000)
    for name in schema.names:
        assert (decode(table, name)[0] == table["mechanism"]).all()
    shares = table["mechanism"].value_counts(normalize=True)
    expected = {"redundant": 0.2, "unique_m1": 0.3, "unique_m2": 0.1, "synergy": 0.25, "none": 0.15}
    # Four deviations of a share of 8,000 rows are at most 0.022.
    assert shares.to_dict() == pytest.approx(expected, abs=0.022)
    label = table["label"].to_numpy()
    assert (label == "yes").mean() == pytest.approx(0.5, abs=0.022)
    assert information(label, table["mechanism"]) < 0.002


def test_what_each_subset_of_modalities_says_of_the_label_is_what_was_asked_for():
    table, schema = synthetic.load(**THREE, rows=8000)
    label = table["label"].to_numpy()
    bits = {name: decode(table, name)[1] for name in schema.names}
    expected = {
        ("m1",): 0.2 + 0.3,
        ("m2",): 0.2 + 0.1,
        ("m3",): 0.2,
        ("m1", "m2"): 0.2 + 0.3 + 0.1,
        ("m1", "m3"): 0.2 + 0.3,
        ("m2", "m3"): 0.2 + 0.1,
        ("m1", "m2", "m3"): 0.2 + 0.3 + 0.1 + 0.25,
    }
    known = synthetic.truth(**THREE)
    for subset, amount in expected.items():
        found = information(label, table["mechanism"], *(bits[name] for name in subset))
        assert found == pytest.approx(amount, abs=0.03), subset
        assert known.information(subset) == pytest.approx(amount, abs=1e-12)


def test_each_mechanism_is_one_bit_of_one_kind():
    table, _ = synthetic.load(0.2, (0.3, 0.1), 0.2, rows=8000)
    found = {}
    for mechanism, rows in table.groupby("mechanism"):
        label = rows["label"].to_numpy()
        first, second = (decode(rows.reset_index(drop=True), name)[1] for name in ("m1", "m2"))
        found[mechanism] = [
            minimum_redundancy(label, [first, second]),
            information(label, first),
            information(label, second),
            information(label, first, second),
        ]
    expected = {
        "redundant": [1, 1, 1, 1],
        "unique_m1": [0, 1, 0, 1],
        "unique_m2": [0, 0, 1, 1],
        "synergy": [0, 0, 0, 1],
        "none": [0, 0, 0, 0],
    }
    assert found.keys() == expected.keys()
    for mechanism, bits in expected.items():
        assert found[mechanism] == pytest.approx(bits, abs=0.02), mechanism


def test_the_minimum_over_whole_modalities_calls_equal_unique_parts_redundant():
    table, _ = synthetic.load(0.2, (0.3, 0.1), 0.2, rows=8000)
    sources = [
        np.char.add(mechanism.astype(str), bit.astype(str))
        for mechanism, bit in (decode(table, name) for name in ("m1", "m2"))
    ]
    found = minimum_redundancy(table["label"].to_numpy(), sources)
    assert found == pytest.approx(0.2 + min(0.3, 0.1), abs=0.03)


def test_redundant_rows_can_be_told_from_either_modality_alone():
    splits = split_officially(*load_dataset("synthetic-redundant"))
    for name in ("m1", "m2"):
        model = LogisticRegression().fit(np.stack(splits.train[name]), splits.train["label"])
        assert model.score(np.stack(splits.test[name]), splits.test["label"]) == 1.0


def test_synergistic_rows_cannot_be_told_from_one_modality_and_can_from_both():
    splits = split_officially(*load_dataset("synthetic-synergy"))
    for name in ("m1", "m2"):
        for model in (LogisticRegression(), DecisionTreeClassifier(random_state=0)):
            model.fit(np.stack(splits.train[name]), splits.train["label"])
            score = model.score(np.stack(splits.test[name]), splits.test["label"])
            # Four deviations of a share of 1,000 rows.
            assert score == pytest.approx(0.5, abs=0.064)
    table, _ = load_dataset("synthetic-synergy")
    both = np.logical_xor(decode(table, "m1")[1], decode(table, "m2")[1])
    assert information(table["label"], both) == pytest.approx(1.0, abs=0.01)


def test_unique_rows_can_be_told_from_their_own_modality_only():
    table, _ = load_dataset("synthetic-unique")
    label = table["label"].to_numpy()
    for name, mechanism in itertools.product(("m1", "m2"), ("unique_m1", "unique_m2")):
        rows = (table["mechanism"] == mechanism).to_numpy()
        found = information(label[rows], decode(table, name)[1][rows])
        assert found == pytest.approx(float(mechanism == f"unique_{name}"), abs=0.01)


@pytest.mark.parametrize("unique", [(0.3, 0.1), (0.1, 0.0, 0.3), (0.05, 0.1, 0.15, 0.0, 0.1)])
def test_shapley_values_are_the_mean_gain_over_all_orders(unique):
    known = synthetic.truth(0.2, unique, 0.3)
    orders = list(itertools.permutations(known.names))
    gains = dict.fromkeys(known.names, 0.0)
    for order in orders:
        for place, name in enumerate(order):
            gains[name] += known.accuracy(order[: place + 1]) - known.accuracy(order[:place])
    expected = {name: gain / len(orders) for name, gain in gains.items()}
    assert known.shapley == pytest.approx(expected, abs=1e-12)
    assert sum(known.shapley.values()) == pytest.approx(known.ceiling - 0.5, abs=1e-12)
    total = sum(expected.values())
    assert known.shares == pytest.approx({n: x / total for n, x in expected.items()}, abs=1e-12)


def test_the_best_accuracy_is_right_where_the_label_shows_and_a_coin_elsewhere():
    known = synthetic.truth(**THREE)
    assert known.accuracy([]) == 0.5
    # m1: all of the redundant 20 % and its own 30 %, half of the other 50 %.
    assert known.accuracy(["m1"]) == pytest.approx(0.75)
    assert known.accuracy([0]) == known.accuracy(["m1", "m1", 0]) == known.accuracy(["m1"])
    assert known.accuracy([1, 2]) == pytest.approx(0.3 + 0.7 / 2)
    # None of the modalities shows 15 %.
    assert known.ceiling == known.accuracy([2, 0, 1]) == pytest.approx(0.85 + 0.15 / 2)
    with pytest.raises(ValueError, match=r"\['m1', 'm2', 'm3'\].*Received: \['m4'\]"):
        known.accuracy(["m1", "m4"])
    with pytest.raises(ValueError, match=r"Received: \[-1, 3\]"):
        known.information([-1, 3])


def test_nothing_to_find_has_no_shares():
    known = synthetic.truth(0, (0, 0), 0)
    assert known.ceiling == 0.5 and known.shapley == {"m1": 0.0, "m2": 0.0}
    assert np.isnan(list(known.shares.values())).all()
    table, _ = synthetic.load(0, (0, 0), 0, rows=50)
    assert set(table["mechanism"]) == {"none"}


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ((-0.1, (0.5, 0.5), 0.0), "redundant=-0.1"),
        ((0.1, (0.5, -0.5), 0.0), r"unique=\(0.5, -0.5\)"),
        ((0.5, (0.25, 0.25), 0.25), "at most 1 in all.*synergy=0.25"),
        ((0.1, (0.2, 0.2), float("nan")), "synergy=nan"),
        ((0.5, (0.25,), 0.25), r"2 to 5 modalities\. Received: \(0.25,\)"),
        ((0.0, (0.1,) * 6, 0.0), "2 to 5 modalities"),
    ],
)
def test_impossible_amounts_are_refused(amounts, message):
    with pytest.raises(ValueError, match=message):
        synthetic.load(*amounts)
    with pytest.raises(ValueError, match=message):
        synthetic.truth(*amounts)


def test_other_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"at least 10\. Received: 9"):
        synthetic.load(rows=9)
    with pytest.raises(ValueError, match=r"2 modalities have 5 mechanisms.*Received: 4"):
        synthetic.load(features=4)
    with pytest.raises(ValueError, match=r"0 or more\. Received: -0\.1"):
        synthetic.load(noise=-0.1)
    # Rounding is not a mistake.
    assert len(synthetic.load(0.1, (0.2, 0.3), 0.4, rows=10)[0]) == 10
    assert len(synthetic.load(0.7, (0.1, 0.1), 0.1, rows=10)[0]) == 10


def test_one_seed_gives_the_same_bits_and_another_seed_others():
    first, again, other = (synthetic.load(rows=100, seed=seed)[0] for seed in (3, 3, 4))
    plain = ["label", "mechanism", "split"]
    assert first[plain].equals(again[plain])
    for name in ("m1", "m2"):
        assert np.stack(first[name]).tobytes() == np.stack(again[name]).tobytes()
        assert not np.allclose(np.stack(first[name]), np.stack(other[name]))
    quiet, _ = synthetic.load(rows=100, seed=3, noise=0.0)
    assert quiet[plain].equals(first[plain])
    np.testing.assert_allclose(np.linalg.norm(np.stack(quiet["m1"]), axis=1), 1.0, rtol=1e-6)


def test_the_table_is_one_that_the_project_reads():
    table, schema = synthetic.load(unique=(0.1, 0.1, 0.1), features=12)
    assert schema.modalities == (Sequence("m1"), Sequence("m2"), Sequence("m3"))
    assert schema.target.column == "label" and set(table["label"]) == {"no", "yes"}
    assert table["split"].value_counts().to_dict() == {
        "train": 2400, "validation": 600, "test": 1000
    }  # fmt: skip
    assert read_table(table, schema).shape == table.shape
    assert {cell.shape for cell in table["m2"]} == {(12,)} and table["m2"][0].dtype == np.float32
    splits = split_officially(table, schema)
    assert [len(part) for part in splits] == [2400, 600, 1000]
    assert not check_leakage(splits, schema)


def test_the_names_stand_for_their_amounts_and_have_one_preset():
    for name, mechanisms in {
        "synthetic": {"redundant", "unique_m1", "unique_m2", "synergy"},
        "synthetic-redundant": {"redundant"},
        "synthetic-unique": {"unique_m1", "unique_m2"},
        "synthetic-synergy": {"synergy"},
    }.items():
        assert set(load_dataset(name, rows=200)[0]["mechanism"]) == mechanisms
        assert preset(name) == preset("synthetic") and preset(name) != preset(None)


def test_a_small_model_finds_all_that_there_is_in_seconds():
    keras.utils.set_random_seed(0)
    table, schema = load_dataset("synthetic")
    splits = split_officially(table, schema)
    preprocessing = fit_preprocessing(splits.train, schema)
    train, test = (
        Pipeline(part, preprocessing, batch_size=64) for part in (splits.train, splits.test)
    )
    model = build_model(
        schema,
        preprocessing.inputs,
        num_outputs=2,
        encoders=dict.fromkeys(schema.names, "mlp"),
        hidden=(64,),
        dropout=0.0,
    )
    compile_model(model, "label", learning_rate=1e-2)
    model.fit(
        train.train(seed=0, epochs=5),
        epochs=5,
        steps_per_epoch=train.steps,
        verbose=0,
        shuffle=False,
    )
    right = model.predict(test.evaluate(), verbose=0).argmax(axis=1) == test.targets.argmax(axis=1)
    assert right.mean() > 0.98  # without the synergistic rows it would be 0.875

import numpy as np
import pandas as pd
import pytest

from mmkeras.evaluation.comparison import (
    compare_models,
    difference_cell,
    differences_in_words,
    significant_differences,
)
from mmkeras.evaluation.significance import holm
from mmkeras.reports.comparison_plot import plot_comparison
from mmkeras.tasks import FIGURES

RANDOM = np.random.default_rng(0)


def scores(share, seeds=3, rows=400):
    return RANDOM.random((seeds, rows)) < share


@pytest.fixture(scope="module")
def comparison():
    models = {
        "image": scores(0.5),
        "text": scores(0.6),
        "good": scores(0.8),
        "equal": scores(0.6),
        "bad": scores(0.4),
    }
    baselines = {"the best single modality (text)": "text", "good": "good"}
    return compare_models(models, baselines, judged=["good", "equal", "bad"])


def test_the_table_is_sorted_and_has_means_and_deviations_of_seeds():
    models = {"a": np.array([[1, 1], [0, 0]]), "b": np.array([[1, 1], [1, 1]])}
    table = compare_models(models, {}, judged=[]).table
    assert table.index.tolist() == ["b", "a"] and table["rank"].tolist() == [1, 2]
    assert table.loc["a", "score"] == 0.5
    assert table.loc["a", "std"] == pytest.approx(np.std([1, 0], ddof=1))
    assert table.loc["b", ["low", "high"]].tolist() == [1, 1]


def test_p_values_are_corrected_within_each_baseline(comparison):
    for label, number in (("the best single modality (text)", 3), ("good", 2)):
        frame = comparison.differences[label]
        assert len(frame) == number, "a baseline is not held against itself"
        np.testing.assert_allclose(frame["p_holm"], holm(frame["p_value"].to_numpy()))
    single = comparison.differences["the best single modality (text)"]
    assert single.loc["good", "p_holm"] < 0.05 and single.loc["good", "difference"] > 0.1
    assert single.loc["equal", "p_holm"] > 0.05


def test_the_verdict_names_gains_and_losses_and_says_when_there_is_none(comparison):
    single, good = significant_differences(comparison, FIGURES["accuracy"])
    assert "better are 1: good (+" in single and "worse are 1: bad (-" in single
    assert "equal" not in single
    assert "no significant gain by any of them" in good
    assert "worse are 2: bad" in good


def test_few_models_are_compared_a_sentence_each():
    models = {"text": scores(0.5), "fused": scores(0.8)}
    result = compare_models(models, {"text alone": "text"}, judged=["fused"])
    row = result.differences["text alone"].loc["fused"]
    assert differences_in_words(result, FIGURES["accuracy"]) == [
        f"fused against text alone: {100 * row['difference']:+.1f} points, 95 % interval "
        f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}, p = {row['p_holm']:.2g}: "
        "more than chance."
    ]
    result = compare_models({"a": models["text"], "b": models["text"]}, {"a": "a"}, judged=["b"])
    assert differences_in_words(result, FIGURES["accuracy"])[0].endswith("it may be chance.")


def test_equal_models_give_no_significant_gain():
    same = scores(0.7)
    result = compare_models({"text": same, "fused": same}, {"text": "text"}, judged=["fused"])
    assert significant_differences(result, FIGURES["accuracy"]) == [
        "Against text, of 1 models of all modalities: no significant gain by any of them."
    ]
    assert result.differences["text"].loc["fused", "p_value"] == 1


def test_a_cell_has_the_difference_its_interval_and_a_star(comparison):
    label = "the best single modality (text)"
    assert difference_cell(comparison, "good", label, FIGURES["accuracy"]).endswith(") *")
    assert not difference_cell(comparison, "equal", label, FIGURES["accuracy"]).endswith("*")
    assert difference_cell(comparison, "text", label, FIGURES["accuracy"]) == ""


def test_rows_of_a_group_are_drawn_together():
    """Ten groups of identical rows say as much as ten rows."""
    right = np.repeat(np.arange(10)[None] < 6, 50, axis=1)
    groups = np.repeat(np.arange(10), 50)
    alone = compare_models({"a": right}, {}, judged=[]).table.loc["a"]
    grouped = compare_models({"a": right}, {}, judged=[], groups=groups).table.loc["a"]
    assert grouped["high"] - grouped["low"] > 3 * (alone["high"] - alone["low"])


def test_the_picture_has_every_model_and_names_do_not_overlap(comparison):
    kinds = dict.fromkeys(comparison.table.index, "fusion")
    kinds |= {"image": "one modality", "text": "one modality"}
    cost = pd.Series(1.0, comparison.table.index)
    figure = plot_comparison(comparison.table, cost, kinds, "accuracy")
    names, costs = figure.axes
    assert [tick.get_text().split()[0] for tick in names.get_yticklabels()] == list(
        comparison.table.index
    )
    assert len(costs.texts) == 5 and costs.get_xscale() == "log"
    # Times too short to be measured have no place on a log axis.
    assert plot_comparison(comparison.table, 0 * cost, kinds, "accuracy").axes[1].texts

import numpy as np
import pandas as pd
import pytest

from mmkeras.reports.markdown import format_table
from mmkeras.reports.run_report import _class_table, comparison_table, proportion_interval
from mmkeras.tasks import LabelTask


def test_wilson_interval_by_hand():
    # Newcombe 1998, table I: 81 of 263, method 3.
    low, high = proportion_interval(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = proportion_interval(1.0, 10)
    assert low == pytest.approx(0.7225, abs=1e-4) and high == pytest.approx(1.0)


def test_comparison_is_a_readable_table():
    metrics = {
        "test": {"accuracy": 0.91234, "macro_f1": 0.9, "roc_auc": 0.97},
        "constant": {"answer": "always 'a'", "test": {"accuracy": 0.625, "roc_auc": 0.5}},
        "parameters": 12345,
        "seconds": 61.26,
        "best_epoch": 7,
    }
    text = format_table(comparison_table({"fused": metrics}, LabelTask))
    assert text.splitlines()[0].split()[1] == "model"
    constant = next(line for line in text.splitlines() if "always 'a'" in line)
    assert "0.625" in constant and "0.500" in constant and "0.970" in text
    assert "0.912" in text and "12,345" in text and "61.3" in text
    assert len({len(line) for line in text.splitlines()}) == 1


def test_of_many_classes_the_weakest_are_shown():
    figures = {"precision": 0.5, "recall": 0.5, "F1": np.linspace(1, 0, 40), "test rows": 3}
    names = [f"class {number}" for number in range(40)]
    frame = pd.DataFrame(figures, index=pd.Index(names, name="class"))
    frame.loc["class 39", "test rows"] = 0
    table = _class_table(frame)
    assert table.is_cut and table.shown == 25 and "The weakest class is first." in table.caption
    assert table.frame.index[[0, 1, -1]].tolist() == ["class 38", "class 37", "class 39"]
    few = _class_table(frame[:25])
    assert not few.is_cut and few.frame.index.tolist() == names[:25]

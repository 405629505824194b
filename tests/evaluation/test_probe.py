import numpy as np
import pytest

from mmkeras.evaluation.probe import linear_probe


def test_the_probe_sees_all_modalities_together_and_no_order_of_names():
    random = np.random.default_rng(0)
    corners = random.integers(0, 2, (200, 2))
    labels = corners[:, 0] * 2 + corners[:, 1]
    rows = {
        "left": corners[:, :1] + 0.01 * random.normal(size=(200, 1)),
        "right": corners[:, 1:] + 0.01 * random.normal(size=(200, 1)),
    }
    train = {name: values[:150] for name, values in rows.items()}
    test = {name: rows[name][150:] for name in ("right", "left")}
    assert linear_probe(train, labels[:150], test, labels[150:], C=10.0) == 1.0
    alone = [{"left": part["left"]} for part in (train, test)]
    assert linear_probe(alone[0], labels[:150], alone[1], labels[150:], C=10.0) < 0.7


def test_other_modalities_are_refused():
    rows = np.eye(2)
    with pytest.raises(ValueError, match=r"\['a'\] and \['b'\]"):
        linear_probe({"a": rows}, [0, 1], {"b": rows}, [0, 1])

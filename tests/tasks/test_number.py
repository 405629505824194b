import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from mmkeras.schema import Number
from mmkeras.tasks import NumberTask
from mmkeras.tasks.number import NumberSettings

ONE = NumberTask(Number("price"))
TWO = NumberTask(Number(("x", "y")), (1.0, 2.0), (2.0, 4.0))


def test_figures_of_one_number():
    true, guess = np.array([[1.0], [2.0], [4.0]]), np.array([[1.5], [2.0], [3.0]])
    found = ONE.all_figures(true, guess)
    assert found["mae"] == pytest.approx(0.5)
    assert found["rmse"] == pytest.approx(np.sqrt(1.25 / 3))
    assert found["r2"] == pytest.approx(r2_score(true, guess))
    assert found["pearson"] == pytest.approx(np.corrcoef(true[:, 0], guess[:, 0])[0, 1])
    assert np.isnan(ONE.all_figures(true, np.ones((3, 1)))["pearson"])
    assert np.isnan(ONE.main_score(true[:1], guess[:1]))


def test_figures_of_several_numbers_are_their_means_and_each_ones():
    rng = np.random.default_rng(0)
    true, guess = rng.normal(size=(2, 30, 2))
    found = TWO.figures(true, guess)
    assert found["r2"] == pytest.approx(r2_score(true, guess))
    assert found["r2(y)"] == pytest.approx(r2_score(true[:, 1], guess[:, 1]))
    assert found["mae"] == pytest.approx((found["mae(x)"] + found["mae(y)"]) / 2)
    np.testing.assert_allclose(TWO.row_scores(true, guess).mean(), found["r2"])


def test_equal_targets_follow_scikit_learns_convention():
    same = np.full((3, 1), 2.0)
    assert ONE.main_score(same, same) == r2_score(same, same) == 1.0
    assert ONE.main_score(same, same + 1) == r2_score(same, same + 1) == 0.0


def test_several_numbers_have_units_of_their_own():
    frame = pd.DataFrame({"x": [1.0, 3.0], "y": [2.0, 10.0]})
    np.testing.assert_allclose(TWO.encode(frame), [[0, 0], [1, 2]])
    np.testing.assert_allclose(TWO.decode(np.array([[1.0, 2.0]])), [[3.0, 10.0]])
    columns = TWO.prediction_columns(frame, np.zeros((2, 2)))
    assert list(columns) == ["true(x)", "predicted(x)", "true(y)", "predicted(y)"]
    assert columns["predicted(y)"].tolist() == [2.0, 2.0]
    assert "'y'" in TWO.explained(np.array([0.1, 0.5])) and ONE.explained(np.ones(1)) is None


def test_state_written_for_one_number_still_loads():
    old = {"classes": [], "mean": 2.0, "deviation": 0.5}
    assert NumberTask.from_dict(Number("price"), old) == NumberTask(Number("price"), (2.0,), (0.5,))


def test_numbers_that_a_model_cannot_be_judged_by_are_refused():
    with pytest.raises(ValueError, match="have the same 'price'"):
        ONE.check_judged(pd.DataFrame({"price": [2.0, 2.0]}))
    with pytest.raises(ValueError, match="1 rows without a number in 'price', first index 1"):
        ONE.check_judged(pd.DataFrame({"price": [2.0, None]}))
    with pytest.raises(ValueError, match=r"label_smoothing.*0\.1"):
        ONE.loss(0.1)


def test_the_constant_answers_are_the_mean_and_of_absolute_errors_the_median():
    from sklearn import metrics as sk

    targets = np.array([[1.0], [2.0], [9.0]])
    task = NumberTask(Number("price"))
    figures = task.constant_figures(targets)
    mean, median = np.full((3, 1), 4.0), np.full((3, 1), 2.0)
    assert figures["r2"] == 0
    assert figures["rmse"] == pytest.approx(sk.root_mean_squared_error(targets, mean))
    assert figures["mae"] == pytest.approx(sk.mean_absolute_error(targets, median))


def test_logarithms_of_numbers_over_several_orders_of_magnitude():
    frame = pd.DataFrame({"price": [1.0, 10.0, 100.0, 1e4, 1e6]})
    task = NumberTask.fit(frame, Number("price"), NumberSettings("log"))
    encoded = task.encode(frame)
    np.testing.assert_allclose(encoded.mean(), 0, atol=1e-6)
    np.testing.assert_allclose(task.own_unit(encoded)[:, 0], frame["price"], rtol=1e-4)
    # Nothing far beyond the training rows is answered, however large the output is.
    beyond = task.own_unit(np.array([[1e6], [-1e6]]))
    assert 1e6 < beyond[0, 0] < 1e7 and beyond[1, 0] == 0
    again = NumberTask.from_dict(Number("price"), task.to_dict())
    assert again == task
    # Twice as much is as far off at any price.
    targets, outputs = np.array([[100.0], [1e6]]), np.array([[200.0], [2e6]])
    apart = task._deviations_apart(targets, outputs)
    np.testing.assert_allclose(apart[0], apart[1], rtol=0.02)
    with pytest.raises(ValueError, match="'standard' or 'log'"):
        NumberSettings("cubic")

import pytest

from mmkeras.tasks import FIGURES, better_sign


def test_shares_are_percent_and_points_and_other_figures_are_not():
    accuracy, r2 = FIGURES["accuracy"], FIGURES["r2"]
    assert (accuracy.shown(0.784), r2.shown(0.784)) == ("78.4 %", "0.784")
    assert (accuracy.difference(-0.032), r2.difference(0.032)) == ("-3.2 points", "+0.032")
    assert (accuracy.axis_label, r2.axis_label) == ("accuracy, %", "R²")
    assert (accuracy.scale, r2.scale) == (100, 1)


@pytest.mark.parametrize(
    ("monitor", "sign"),
    [
        ("val_accuracy", 1.0),
        ("val_r2", 1.0),
        ("val_token_accuracy", 1.0),
        ("accuracy(species)", 1.0),
        ("val_mae", -1.0),
        ("val_loss", -1.0),
        ("loss", -1.0),
        ("val_image_auxiliary_loss", -1.0),
    ],
)
def test_which_way_a_watched_value_is_better(monitor, sign):
    assert better_sign(monitor) == sign


def test_a_value_that_nobody_knows_how_to_judge_is_not_monitored():
    with pytest.raises(ValueError, match="whether more or less of 'val_sharpness' is better"):
        better_sign("val_sharpness")

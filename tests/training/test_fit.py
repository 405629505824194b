import keras
import numpy as np
import pytest

from mmkeras.data.kinds import ImageSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import make_model
from mmkeras.training.callbacks import Keeper
from mmkeras.training.fit import fit
from mmkeras.training.seeds import set_seed
from mmkeras.training.settings import TrainingSettings
from tests.layer_checks import run_python

MODEL = Settings(
    model=ModelSettings(fusion="attention"),
    encoders={"image": Encoder("cnn", {"filters": (4,), "convs_per_block": 1, "dropout": 0.1})},
)
TRAINING = TrainingSettings(epochs=2, batch_size=16, schedule="cosine", weight_decay=1e-3)
IMAGES = {"picture": ImageSettings(size=(12, 12), flip=True, rotation=5.0)}


def trained(table, training=TRAINING, seed=0, model=MODEL, names=("picture", "facts"), **options):
    frame, schema = table
    schema = schema.select(names)
    set_seed(seed)
    images = {name: IMAGES[name] for name in schema.names if name in IMAGES}
    fitted = fit_preprocessing(frame[:40], schema, images)
    train, validation = (
        Pipeline(part, fitted, batch_size=training.batch_size) for part in (frame[:40], frame[40:])
    )
    built = make_model(fitted, model)
    return built, fit(built, train, validation, training, seed=seed, **options)


@pytest.fixture(scope="module")
def whole(shared_table):
    return trained(shared_table)


def assert_same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def figures(result):
    return result.history.drop(columns="seconds")


def small(table, training, **options):
    """What does not depend on the model is tried with a small one."""
    return trained(table, training, model=Settings(), names=["facts"], **options)


TWICE = """
from tests.conftest import make_small_table
from tests.training.test_fit import assert_same_weights, figures, trained

(model, result), (again, repeated) = (trained(make_small_table()) for _ in range(2))
assert_same_weights(model, again)
assert figures(result).equals(figures(repeated))
"""


@pytest.mark.slow
def test_one_seed_gives_the_same_weights_bit_for_bit():
    """In a process that has done nothing else, as a run is."""
    run_python(TWICE, backend="tensorflow")


@pytest.mark.eager
def test_another_seed_gives_other_weights(shared_table):
    one, other = (small(shared_table, TrainingSettings(epochs=1), seed=s)[0] for s in (0, 1))
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])


class Interrupt(keras.callbacks.Callback):
    """Stops a run in the middle of an epoch, as a crash would."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.now = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise KeyboardInterrupt


def test_an_interrupted_run_ends_where_the_uninterrupted_one_ends(shared_table, whole, tmp_path):
    path = tmp_path / "last.npz"
    with pytest.raises(KeyboardInterrupt):
        trained(shared_table, checkpoint=path, callbacks=[Interrupt(epoch=1)])
    resumed, result = trained(shared_table, checkpoint=path)
    assert_same_weights(resumed, whole[0])
    assert figures(result).equals(figures(whole[1]))
    assert result.best_epoch == whole[1].best_epoch


def test_the_model_ends_with_the_weights_of_its_best_validation_epoch(shared_table, whole):
    model, result = whole
    best = result.history.loc[result.history["val_loss"].idxmin()]
    assert result.best_epoch == best["epoch"]
    frame, schema = shared_table
    fitted = fit_preprocessing(frame[:40], schema.select(["picture", "facts"]), IMAGES)
    loss = model.evaluate(Pipeline(frame[40:], fitted).evaluate(), verbose=0)[0]
    np.testing.assert_allclose(loss, best["val_loss"], rtol=1e-4)


@pytest.mark.eager
def test_training_stops_after_epochs_without_a_better_one(shared_table, tmp_path):
    # At this rate it soon gets worse.
    settings = TrainingSettings(epochs=50, batch_size=16, learning_rate=100.0, patience=2)
    path = tmp_path / "last.npz"
    _, result = small(shared_table, settings, checkpoint=path)
    assert len(result.history) == result.best_epoch + 2 < 50
    _, again = small(shared_table, settings, checkpoint=path)
    assert again.history.equals(result.history)


@pytest.mark.eager
def test_of_equally_good_epochs_the_last_is_kept_and_patience_counts_from_the_first(shared_table):
    # The accuracy stays what it is at the start: nothing is learnt.
    settings = TrainingSettings(
        epochs=50, batch_size=16, learning_rate=1e-30, patience=3, monitor="val_accuracy"
    )
    _, result = small(shared_table, settings)
    assert len(result.history) == 4 and result.best_epoch == 4


@pytest.mark.eager
def test_a_checkpoint_of_another_architecture_is_refused(shared_table, tmp_path):
    path = tmp_path / "last.npz"
    small(shared_table, TrainingSettings(epochs=1), checkpoint=path)
    wider = Settings(encoders={"tabular": Encoder("mlp", {"units": (5,)})})
    with pytest.raises(ValueError, match="another architecture"):
        trained(shared_table, model=wider, names=["facts"], checkpoint=path)


@pytest.mark.eager
def test_what_cannot_be_watched_is_refused_before_the_first_epoch(shared_table):
    class Never(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise AssertionError("training began")

    for options, known in (
        ({"monitor": "val_f2"}, r"'val_f2'.*val_accuracy.*val_macro_f1, "),
        ({"watch": ("r2",)}, r"'r2'.*balanced_accuracy"),
    ):
        with pytest.raises(ValueError, match=known):
            small(shared_table, TrainingSettings(**options), callbacks=[Never()])


@pytest.mark.eager
def test_figures_of_the_task_are_watched_and_are_those_of_the_weights_that_are_kept(shared_table):
    settings = TrainingSettings(epochs=3, batch_size=16, monitor="val_macro_f1", watch=("roc_auc",))
    model, result = small(shared_table, settings)
    history = result.history.set_index("epoch")
    assert not {"val_balanced_accuracy", "macro_f1"} & set(history)
    best = history["val_macro_f1"].iloc[::-1].idxmax()  # of equals the last
    assert result.best_epoch == best
    frame, schema = shared_table
    fitted = fit_preprocessing(frame[:40], schema.select(["facts"]))
    rows = Pipeline(frame[40:], fitted)
    found = fitted.task.all_figures(rows.targets, model.predict(rows.evaluate(), verbose=0))
    for name in ("macro_f1", "roc_auc", "accuracy"):
        assert history.loc[best, f"val_{name}"] == pytest.approx(found[name], abs=1e-6)


class Poison(keras.callbacks.Callback):
    """Makes a weight NaN, as an exploding gradient does."""

    def on_epoch_begin(self, epoch, logs=None):
        weight = self.model.trainable_variables[-1]
        weight.assign(weight.value * np.nan)


@pytest.mark.eager
def test_a_loss_that_is_not_a_number_stops_training(shared_table):
    with pytest.raises(ValueError, match="learning rate"):
        small(shared_table, TrainingSettings(epochs=2), callbacks=[Poison()])


def test_impossible_settings_are_refused():
    for options in ({"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"patience": -1}):
        with pytest.raises(ValueError, match=next(iter(options))):
            TrainingSettings(**options)
    with pytest.raises(ValueError, match="seed"):
        set_seed(-1)


@pytest.mark.eager
def test_another_round_follows_while_the_model_still_gets_better(shared_table, tmp_path, capsys):
    # Slow enough to get better in every epoch.
    common = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-5, "schedule": "cosine"}
    slow = TrainingSettings(**common, rounds=3)
    whole, result = small(shared_table, slow)
    assert len(result.history) == 6 and result.still_better
    assert (
        "lowest at the end of 6 epochs; more may give more (--epochs 12)" in capsys.readouterr().err
    )
    path = tmp_path / "last.npz"
    with pytest.raises(KeyboardInterrupt):
        small(shared_table, slow, checkpoint=path, callbacks=[Interrupt(epoch=3)])
    resumed, again = small(shared_table, slow, checkpoint=path)
    assert_same_weights(resumed, whole)
    assert figures(again).equals(figures(result))
    # A round ends where the uninterrupted one does, too.
    _, finished = small(shared_table, slow, checkpoint=path)
    assert finished.history.equals(again.history)


@pytest.mark.parametrize(("lowest", "finished"), [(5, True), (9, False)])
def test_a_round_is_the_last_where_the_validation_loss_was_lowest_before(lowest, finished):
    keeper = Keeper(TrainingSettings(epochs=10, rounds=2, patience=0), None, has_validation=True)
    keeper.history = [{"val_loss": abs(epoch - lowest) + 0.5} for epoch in range(10)]
    keeper.epoch = 10
    assert keeper.finished == finished
    keeper.epoch = 9
    assert not keeper.finished

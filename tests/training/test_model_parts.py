"""Parts of a model with learning rates of their own, frozen at first, and epochs that are kept."""

import keras
import numpy as np
import pytest

from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.models.optimizers import OPTIMIZERS, make_optimizer
from mmkeras.models.parts import trained_parts
from mmkeras.training.settings import TrainingSettings
from tests.training.test_fit import Interrupt, assert_same_weights, figures, trained

pytestmark = pytest.mark.eager
NAMES = ("note", "facts")
MODEL = Settings(
    ModelSettings("gmu", hidden=(4,), dropout=0.0),
    encoders={"text": Encoder("bag_of_words", {"units": (4,), "dropout": 0.0})},
)


def run(table, *, epochs=2, names=NAMES, **options):
    more = {key: options.pop(key) for key in ("checkpoint", "callbacks") if key in options}
    settings = TrainingSettings(epochs=epochs, batch_size=20, **options)
    return trained(table, settings, model=MODEL, names=names, **more)


class Seen(keras.callbacks.Callback):
    """The weights of each part at the end of each epoch, and after the first step."""

    def __init__(self):
        super().__init__()
        self.epochs, self.first = [], None

    def parts(self):
        return {
            name: np.concatenate([np.ravel(w) for layer in layers for w in layer.get_weights()])
            for name, layers in trained_parts(self.model).items()
        }

    def on_train_batch_end(self, batch, logs=None):
        self.first = self.first or self.parts()

    def on_train_begin(self, logs=None):
        self.start = self.parts()

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(self.parts())


def test_frozen_parts_stand_still_and_then_learn(shared_table):
    seen = Seen()
    model, result = run(
        shared_table, epochs=3, freeze=("note", "fusion"), freeze_epochs=1, callbacks=[seen]
    )
    first, second, third = seen.epochs
    for name in ("note", "fusion"):
        assert not np.array_equal(first[name], second[name])
        assert not np.array_equal(second[name], third[name])
    assert len(result.history) == 3
    assert all(variable.trainable for variable in model.trainable_variables)
    assert len(model.trainable_variables) == len(model.get_weights())
    # The first phase changed the others only.
    whole = Seen()
    run(shared_table, epochs=1, freeze=("note", "fusion"), callbacks=[whole])
    for name, values in whole.epochs[0].items():
        np.testing.assert_array_equal(values, first[name])
        assert np.array_equal(values, whole.start[name]) == (name in ("note", "fusion"))


def test_two_phases_resume_where_they_were_interrupted(shared_table, tmp_path):
    options = {"freeze": ("note",), "freeze_epochs": 1, "epochs": 3, "auxiliary": 0.5}
    options |= {"part_rates": {"facts": 0.3}, "schedule": "cosine"}
    whole, expected = run(shared_table, **options)
    for epoch in (1, 2):  # the first and the second epoch of the second phase
        path = tmp_path / f"{epoch}.npz"
        with pytest.raises(KeyboardInterrupt):
            run(shared_table, **options, checkpoint=path, callbacks=[Interrupt(epoch=epoch)])
        resumed, result = run(shared_table, **options, checkpoint=path)
        assert_same_weights(resumed, whole)
        assert figures(result).equals(figures(expected))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_part_moves_by_its_multiple_of_the_rate(name):
    plain, partwise = (
        make_optimizer(name, 0.1, weight_decay=0.1, multipliers=factors)
        for factors in ([], [1.0, 0.25])
    )
    moved = []
    for optimizer in (plain, partwise):
        weights = [keras.Variable([1.0, 2.0], name="kernel") for _ in range(2)]
        optimizer.build(weights)
        optimizer.apply([np.array([1.0, -1.0], np.float32)] * 2)
        moved.append([np.array(weight) - [1.0, 2.0] for weight in weights])
    (whole, same), (one, part) = moved
    np.testing.assert_array_equal(whole, same)
    np.testing.assert_allclose(one, whole, rtol=1e-5)
    np.testing.assert_allclose(part, 0.25 * whole, rtol=0.02, atol=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(partwise))
    assert again.multipliers == [1.0, 0.25]


def test_rates_of_parts_act_in_training(shared_table):
    def first_step(**options):
        seen = Seen()
        run(shared_table, epochs=1, optimizer="sgd", callbacks=[seen], **options)
        return {name: values - seen.start[name] for name, values in seen.first.items()}

    plain, slow = first_step(), first_step(part_rates={"note": 0.1, "decoder": 3.0})
    for name, factor in (("note", 0.1), ("facts", 1.0), ("fusion", 1.0), ("decoder", 3.0)):
        np.testing.assert_allclose(slow[name], factor * plain[name], rtol=1e-3, atol=1e-6)


def test_the_best_epochs_are_kept_in_files(shared_table, tmp_path):
    path = tmp_path / "last.npz"
    model, result = run(shared_table, epochs=4, keep_best=2, learning_rate=0.1, checkpoint=path)
    best = result.history.set_index("epoch")["val_loss"].nsmallest(2).index
    files = sorted(file.name for file in (tmp_path / "epochs").iterdir())
    assert files == sorted(f"epoch-{epoch:04d}.weights.h5" for epoch in best)
    weights = model.get_weights()
    model.load_weights(tmp_path / "epochs" / f"epoch-{result.best_epoch:04d}.weights.h5")
    for one, other in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_parts_that_are_not_there_are_refused(shared_table):
    for options, words in (
        ({"freeze": ("nose",)}, r"`freeze` names \['nose'\].*note.*facts.*fusion.*decoder"),
        ({"part_rates": {"head": 0.1}}, r"`part_rates` names \['head'\]"),
        ({"freeze": ("note", "facts", "fusion", "decoder")}, "nothing to train"),
        ({"keep_best": 2}, "has no folder"),
        ({"freeze_epochs": 1}, "names no part"),
        ({"freeze": ("note",), "freeze_epochs": 2}, "fewer than all 2"),
        ({"part_rates": {"note": 0.0}}, "above 0"),
    ):
        with pytest.raises(ValueError, match=words):
            run(shared_table, **options)


def test_a_model_of_one_modality_leaves_out_what_is_of_others(shared_table):
    _, schema = shared_table
    training = TrainingSettings(
        freeze=("note", "fusion"), freeze_epochs=3, part_rates={"facts": 0.1, "fusion": 2.0}
    )
    settings = Settings(training=training)
    assert settings.select(schema).training == training
    alone = settings.select(schema.select(["facts"])).training
    assert (alone.freeze, alone.freeze_epochs, alone.part_rates) == ((), 0, {"facts": 0.1})
    with pytest.raises(ValueError, match="'nose'"):
        Settings(training=TrainingSettings(freeze=("nose",))).preprocessing(schema)

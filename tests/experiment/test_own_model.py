"""Runs for models of one's own: trained, judged, resumed, audited like any other, or refused."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from keras import layers, ops

import mmkeras
from mmkeras.audit import AuditSettings, audit
from mmkeras.data.kinds import ImageSettings
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.defaults import default_settings
from mmkeras.experiment.own_model import OwnModel
from mmkeras.experiment.settings import ModelSettings, Settings
from mmkeras.schema import Schema
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

SETTINGS = Settings(
    training=TrainingSettings(epochs=2, batch_size=15, patience=0, learning_rate=0.01),
    image=ImageSettings(size=(12, 12)),
)


@keras.saving.register_keras_serializable(package="own_model_tests")
class Brightness(layers.Layer):
    """A picture's mean colour as one token, through a dense layer."""

    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units, self.dense = units, layers.Dense(units)

    def build(self, shape):
        self.dense.build((None, shape[-1]))
        super().build(shape)

    def call(self, pictures):
        return ops.expand_dims(self.dense(ops.mean(pictures, axis=(1, 2))), axis=1)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="own_model_tests")
class Sum(layers.Layer):
    """A fusion that knows nothing of ours: the sum of projected means."""

    def build(self, shapes):
        self.dense = [layers.Dense(4) for _ in shapes]
        for dense, shape in zip(self.dense, shapes, strict=True):
            dense.build((None, shape[-1]))
        super().build(shapes)

    def call(self, tokens):
        vectors = [ops.mean(each, axis=1) for each in tokens]
        return sum(dense(x) for dense, x in zip(self.dense, vectors, strict=True))

    def compute_output_shape(self, shapes):
        return (shapes[0][0], 4)


@keras.saving.register_keras_serializable(package="own_model_tests")
class Subclassed(keras.Model):
    """Not functional: nothing is known of its inputs and layers but what its call does."""

    def __init__(self, outputs, **kwargs):
        super().__init__(**kwargs)
        self.outputs_wanted = outputs
        self.picture, self.drop = Brightness(), layers.Dropout(0.2)
        self.last = layers.Dense(outputs, activation="softmax")

    def build(self, shapes):
        self.picture.build(shapes["picture"])
        self.last.build((None, 4 + shapes["note"][-1]))
        super().build(shapes)

    def call(self, inputs, training=None):
        x = ops.concatenate([self.picture(inputs["picture"])[:, 0], inputs["note"]], axis=-1)
        return self.last(self.drop(x, training=training))

    def get_config(self):
        return {**super().get_config(), "outputs": self.outputs_wanted}


def functional(preprocessing, settings, units=4, activation="softmax", middle=None):
    tensors = {
        name: keras.Input(spec.shape, dtype=spec.dtype, name=name)
        for name, spec in preprocessing.inputs.items()
    }
    x = ops.mean(Brightness(units)(tensors["picture"]), axis=1)
    x = layers.Concatenate(name="fusion")([x, layers.Dense(units)(tensors["note"])])
    x = x if middle is None else middle(x)
    output = layers.Dense(preprocessing.num_outputs, activation=activation)(x)
    return keras.Model(tensors, output)


def subclassed(preprocessing, settings):
    return Subclassed(preprocessing.num_outputs)


@pytest.fixture(scope="module")
def rows(shared_table):
    frame, schema = shared_table
    schema = Schema(schema.modalities[:2], schema.target)
    return Splits(frame[:30], frame[30:45], frame[45:]), schema


class Crash(Exception):
    pass


def crash_after(monkeypatch, epoch):
    """Training dies at the end of an epoch, after its checkpoint is written."""

    def dies(self, number, logs=None):
        if number + 1 == epoch:
            raise Crash

    monkeypatch.setattr("mmkeras.training.callbacks.EpochLine.on_epoch_end", dies)


@pytest.fixture(scope="module", params=[functional, subclassed])
def finished(request, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "run"
    return mmkeras.train_run(*rows, folder, SETTINGS, model=request.param), request.param


def test_a_run_of_ones_own_model_is_judged_and_predicts_from_its_folder(finished, rows):
    run, build = finished
    again, (splits, _) = mmkeras.Run(run.path), rows
    predicted = again.predict(splits.test.drop(columns="when"))
    assert predicted["predicted"].tolist() == run.predictions["predicted"].tolist()
    np.testing.assert_allclose(predicted["p(day)"], run.predictions["p(day)"], atol=1e-6)
    right = (run.predictions["true"] == run.predictions["predicted"]).mean()
    assert run.metrics["test"]["accuracy"] == pytest.approx(right)
    own = run.config["own_model"]
    assert own["given"] == ["model"] and own["parameters"] == run.metrics["parameters"]
    assert own["class"].endswith("Functional" if build is functional else "Subclassed")
    # What did not act is not recorded.
    assert "model" not in run.config["settings"]
    report = (run.path / "report.md").read_text()
    assert "one's own" in report and "What this report leaves out" in report
    assert {"train", "validation"} <= {path.name for path in run.path.iterdir()}


def test_it_resumes_bit_for_bit_and_refuses_another_architecture(
    finished, rows, tmp_path, monkeypatch
):
    run, build = finished
    with monkeypatch.context() as patch:
        crash_after(patch, 1)
        with pytest.raises(Crash):
            mmkeras.train_run(*rows, tmp_path / "run", SETTINGS, model=build)
    other = subclassed if build is functional else functional
    for folder in (tmp_path / "run", run.path):
        with pytest.raises(ValueError, match="another architecture"):
            mmkeras.train_run(*rows, folder, SETTINGS, model=other)
        with pytest.raises(ValueError, match=r"one's own: .'model'.*Received: nothing"):
            mmkeras.train_run(*rows, folder, SETTINGS)
    resumed = mmkeras.train_run(*rows, tmp_path / "run", SETTINGS, model=build)
    for old, new in zip(run.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    modified = (run.path / "metrics.json").stat().st_mtime
    assert mmkeras.train_run(*rows, run.path, SETTINGS, model=build).metrics == run.metrics
    assert (run.path / "metrics.json").stat().st_mtime == modified


def test_the_audit_answers_what_it_can_and_says_what_it_leaves_out(finished, rows, tmp_path):
    run, _ = finished
    settings = AuditSettings(explain=2, swaps=2, max_rows=8, draws=20)
    report = audit(run, splits=rows[0], settings=settings, out=tmp_path)
    page = (tmp_path / "audit.html").read_text()
    assert "Models of single modalities are left out" in page
    assert "Grad-CAM, integrated gradients and attention are left out" in page
    names = {section.name for section in report.sections}
    assert {"performance", "contribution", "missing", "noise", "explanations"} <= names
    assert not (tmp_path / "models").exists()


def test_a_ready_model_goes_on_from_its_weights(rows, finished, tmp_path):
    run, _ = finished
    ready = keras.saving.load_model(run.path / "model.keras")
    still = dataclasses.replace(
        SETTINGS, training=dataclasses.replace(SETTINGS.training, epochs=1, learning_rate=1e-12)
    )
    again = mmkeras.train_run(*rows, tmp_path / "ready", still, model=ready)
    np.testing.assert_allclose(again.predictions["p(day)"], run.predictions["p(day)"], atol=1e-5)


def test_layers_of_ones_own_in_a_model_that_settings_describe(rows, tmp_path):
    own = {"encoders": {"picture": Brightness()}, "fusion": Sum()}
    run = mmkeras.train_run(*rows, tmp_path / "run", SETTINGS, **own)
    assert isinstance(run.model.get_layer("picture_encoder"), Brightness)
    assert isinstance(run.model.get_layer("fusion"), Sum)
    given = [each.rpartition(" ")[0] for each in run.config["own_model"]["given"]]
    assert given == ["encoder of picture: Brightness", "fusion: Sum"]
    assert "fusion" not in run.config["settings"]["model"]
    # The model says what its parts are, so that nothing is left out.
    assert "leaves out" not in (run.path / "report.md").read_text()
    assert (run.path / "projector_config.pbtxt").exists()
    assert mmkeras.train_run(*rows, run.path, SETTINGS, **own).path == run.path
    with pytest.raises(ValueError, match="one's own"):
        wider = {**own, "encoders": {"picture": Brightness(5)}}
        mmkeras.train_run(*rows, run.path, SETTINGS, **wider)


@keras.saving.register_keras_serializable(package="own_model_tests")
class Forgetful(Brightness):
    def get_config(self):
        return {k: v for k, v in super().get_config().items() if k != "units"}


class Unregistered(layers.Layer):
    def call(self, x):
        return 2 * x


def unregistered_function(x):
    return x


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda p, s: functional(p, s, middle=layers.Lambda(lambda x: 2 * x)), "a lambda"),
        (lambda p, s: functional(p, s, middle=Unregistered()), "class 'Unregistered' is not"),
        (
            lambda p, s: functional(p, s, middle=layers.Dense(3, activation=unregistered_function)),
            "function 'unregistered_function' is not",
        ),
        (
            lambda p, s: functional(
                p, s, middle=lambda x: Forgetful(3)(layers.Reshape((1, 1, 8))(x))[:, 0]
            ),
            "cannot be saved and loaded|other answers",
        ),
        (lambda p, s: functional(p, s, activation=None), "must be probabilities"),
        (lambda p, s: keras.Sequential([layers.Dense(2)]), "does not take the pipelines' inputs"),
        (
            lambda p, s: keras.Model(
                (x := {"picture": keras.Input((12, 12, 3), name="picture")}),
                layers.Flatten()(x["picture"]),
            ),
            "inputs must be the pipelines'",
        ),
        (lambda p, s: "model", "must give a keras.Model"),
    ],
)
def test_what_cannot_be_trained_or_kept_is_refused_before_training(rows, tmp_path, build, message):
    with pytest.raises(ValueError, match=message):
        mmkeras.train_run(*rows, tmp_path / "run", SETTINGS, model=build)
    assert not list((tmp_path / "run").glob("checkpoint/*"))
    assert "architecture" not in json.loads((tmp_path / "run/config.json").read_text())["own_model"]


def test_settings_without_effect_are_refused(rows, tmp_path):
    built = dataclasses.replace(SETTINGS, model=ModelSettings("attention"))
    for own in ({"model": functional}, {"fusion": Sum()}):
        with pytest.raises(ValueError, match="no effect"):
            mmkeras.train_run(*rows, tmp_path / "a", built, **own)
    training = dataclasses.replace(SETTINGS.training, auxiliary=0.3)
    with pytest.raises(ValueError, match="`auxiliary` acts on parts"):
        mmkeras.train_run(
            *rows,
            tmp_path / "b",
            dataclasses.replace(SETTINGS, training=training),
            model=functional,
        )
    with pytest.raises(ValueError, match="Give either"):
        mmkeras.train_run(*rows, tmp_path / "c", SETTINGS, model=functional, fusion=Sum())
    with pytest.raises(ValueError, match=r"Unknown: .'pictures'"):
        mmkeras.train_run(*rows, tmp_path / "d", SETTINGS, encoders={"pictures": Brightness()})


@pytest.fixture(scope="module")
def created(rows, tmp_path_factory):
    splits, schema = rows
    fitted = mmkeras.fit_preprocessing(
        splits.train, schema, {"picture": ImageSettings(size=(12, 12))}
    )
    keras.utils.set_random_seed(0)
    model = functional(fitted, None)
    model.compile(loss="categorical_crossentropy", jit_compile=False)
    model.fit(mmkeras.Pipeline(splits.train, fitted).evaluate(), epochs=2, shuffle=False, verbose=0)
    folder = tmp_path_factory.mktemp("created") / "run"
    return mmkeras.Run.create(folder, model, fitted, splits), model, fitted


def test_a_run_around_a_trained_model_is_a_run_like_any_other(created, rows, tmp_path):
    run, model, fitted = created
    splits, _ = rows
    test = mmkeras.Pipeline(splits.test, fitted)
    expected = test.unpad(model.predict(test.evaluate(), verbose=0))
    np.testing.assert_allclose(run.predictions[["p(day)", "p(night)"]], expected, atol=1e-6)
    predicted = run.predict(splits.test.drop(columns="when"))
    assert predicted["predicted"].tolist() == run.predictions["predicted"].tolist()
    assert run.metrics["epochs"] is None and run.config["seed"] is None
    assert "trained elsewhere" in (run.path / "report.md").read_text()
    settings = AuditSettings(explain=0, noise=False, swaps=2, max_rows=8, draws=20)
    report = audit(run, splits=splits, settings=settings, out=tmp_path)
    assert "elsewhere" in report.facts["trained with"]


def test_a_folder_is_made_into_a_run_once(created, rows, tmp_path):
    run, model, fitted = created
    with pytest.raises(ValueError, match="holds a run already"):
        mmkeras.Run.create(run.path, model, fitted, rows[0])
    logits = functional(fitted, None, activation=None)
    with pytest.raises(ValueError, match="must be probabilities"):
        mmkeras.Run.create(tmp_path / "new", logits, fitted, rows[0])
    assert not (tmp_path / "new/config.json").exists()


class Halved(keras.losses.Loss):
    """Not registered: a run folder needs no loss to predict."""

    def call(self, true, said):
        return 0.5 * keras.losses.categorical_crossentropy(true, said)


class LogsTheRate(keras.callbacks.Callback):
    """Halves the rate after an epoch, and says so."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.learning_rate.assign(self.model.optimizer.learning_rate * 0.5)
        logs["rate"] = float(self.model.optimizer.learning_rate)


def own_training():
    return {
        "loss": Halved(),
        "metrics": [keras.metrics.CategoricalHinge(name="hinge")],
        "callbacks": [LogsTheRate()],
    }


def test_loss_metrics_and_callbacks_of_ones_own(rows, tmp_path, monkeypatch):
    build = functional
    training = dataclasses.replace(SETTINGS.training, monitor="val_hinge")
    settings = dataclasses.replace(SETTINGS, training=training)
    with monkeypatch.context() as patch:
        crash_after(patch, 1)
        with pytest.raises(Crash):
            mmkeras.train_run(*rows, tmp_path / "run", settings, model=build, **own_training())
    with pytest.raises(ValueError, match="one's own"):
        mmkeras.train_run(*rows, tmp_path / "run", settings, model=build)
    resumed = mmkeras.train_run(*rows, tmp_path / "run", settings, model=build, **own_training())
    history = resumed.history
    assert {"val_hinge", "val_accuracy"} <= set(history)
    np.testing.assert_allclose(history["rate"], [0.005, 0.0025], rtol=1e-6)
    assert resumed.metrics["best_epoch"] == 1 + history["val_hinge"].argmin()
    whole = mmkeras.train_run(*rows, tmp_path / "whole", settings, model=build, **own_training())
    for old, new in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    said = whole.predict(rows[0].validation)
    right = np.where(rows[0].validation["when"] == "day", said["p(day)"], said["p(night)"])
    best = history["val_loss"][whole.metrics["best_epoch"] - 1]
    assert best == pytest.approx(0.5 * -np.log(right).mean(), rel=1e-4)
    given = [each.partition(" (")[0] for each in whole.config["own_model"]["given"]]
    assert given[-3:] == ["loss: Halved", "metric 0: CategoricalHinge", "callback: LogsTheRate"]
    predicted = mmkeras.Run(whole.path).predict(rows[0].test.drop(columns="when"))
    assert predicted["predicted"].tolist() == whole.predictions["predicted"].tolist()


def leaning(y_true, y_pred):
    """Of each row the first class's probability: nothing says which way is better."""
    return y_pred[:, 0]


def test_what_of_ones_own_cannot_be_monitored_is_said(rows, tmp_path):
    for number, (wrong, monitor, mode) in enumerate(
        (
            ("val_leaning, ", "val_leening", "auto"),
            ("Set monitor_mode='max' or", "val_leaning", "auto"),
            ("'val_loss', less is better", "val_loss", "max"),
        )
    ):
        training = dataclasses.replace(SETTINGS.training, monitor=monitor, monitor_mode=mode)
        settings = dataclasses.replace(SETTINGS, training=training)
        own = {"model": functional, "metrics": [leaning]}
        with pytest.raises(ValueError, match=wrong):
            mmkeras.train_run(*rows, tmp_path / str(number), settings, **own)


def test_a_loss_of_ones_own_takes_no_settings_of_the_tasks_loss(rows, tmp_path):
    training = dataclasses.replace(SETTINGS.training, label_smoothing=0.1)
    smoothed = dataclasses.replace(SETTINGS, training=training)
    with pytest.raises(ValueError, match="belong to the task's own loss"):
        mmkeras.train_run(*rows, tmp_path / "run", smoothed, loss="mse")


def test_defaults_by_the_rows_suit_a_model_of_ones_own(rows):
    splits, schema = rows
    chosen = default_settings(splits.train, schema)
    for own in (OwnModel(functional), OwnModel(fusion=Sum())):
        suited = own.defaults(chosen)
        own.check(suited, schema)
        assert suited.training.epochs == chosen.training.epochs
        assert (suited.training.auxiliary == 0) == (own.model is not None)


def test_a_model_must_hear_of_missing_modalities_and_answer_in_float32(rows, tmp_path):
    splits, schema = rows
    holes = splits.train.copy()
    holes.iloc[0, list(holes.columns).index("note")] = None
    with pytest.raises(ValueError, match="`present` says, where tables have missing cells"):
        mmkeras.train_run(
            dataclasses.replace(splits, train=holes), schema, tmp_path / "a", SETTINGS,
            model=functional,
        )  # fmt: skip
    training = dataclasses.replace(SETTINGS.training, precision="mixed_bfloat16")
    half = dataclasses.replace(SETTINGS, training=training)
    with pytest.raises(ValueError, match="must be float32"):
        mmkeras.train_run(splits, schema, tmp_path / "b", half, model=functional)

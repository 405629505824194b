import functools

import keras
import numpy as np
import pytest

from mmkeras.encoders import ConvEncoder, MLPEncoder, get_encoder
from mmkeras.fusion import (
    FUSIONS,
    ConcatFusion,
    EarlyConcatFusion,
    LateFusion,
    WeightedSumFusion,
    fusion_class,
)
from mmkeras.models import build_model, compile_model, image_text_classifier
from mmkeras.models.parts import attention_model, embedding_model
from mmkeras.schema import (
    TARGETS,
    Image,
    InputSpec,
    Label,
    Number,
    Schema,
    Sequence,
    StepLabels,
    Tabular,
    Text,
    is_taken,
)
from mmkeras.tasks import TASKS
from tests.layer_checks import run_python, some_always

ROWS = 8
RANDOM = np.random.default_rng(0)
SCHEMA = Schema([Text("words"), Image("photo"), Tabular("facts", numeric=["a"])], target="label")
SPECS = {
    "words": InputSpec((None,), "int32", vocabulary_size=50),
    "photo": InputSpec((16, 16, 3)),
    "facts": InputSpec((4,)),
}
INPUTS = {
    "words": RANDOM.integers(1, 50, (ROWS, 6)).astype("int32"),
    "photo": RANDOM.random((ROWS, 16, 16, 3), "float32"),
    "facts": RANDOM.random((ROWS, 4), "float32"),
}
INPUTS["words"][::2, 3:] = 0
# Those for any kind of input; most of them in the slow tests, as each takes seconds.
FITTING = some_always(
    [name for name in FUSIONS if not fusion_class(name).aligned],
    always=("concat", "weighted_sum", "attention", "late"),
)
# Tracing takes TensorFlow seconds; one test here trains as a graph.
EAGERLY = keras.config.backend() == "tensorflow"
PRESENT = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 0]] * 2, bool)
SMALL = {"words": {"dim": 8, "ff_dim": 8}, "photo": {"filters": (4, 6)}, "facts": {"units": (8,)}}


def make_model(schema=SCHEMA, num_outputs=5, encoders=None, encoder_options=None, **options):
    """A small model; self-attention reads the text, since an LSTM takes seconds to trace."""
    names = schema.names
    default = {"words": "self_attention"} if "words" in names else {}
    return build_model(
        schema,
        {name: SPECS[name] for name in names},
        num_outputs=num_outputs,
        encoders={**default, **(encoders or {})},
        encoder_options={**{name: SMALL[name] for name in names}, **(encoder_options or {})},
        hidden=(16,),
        **options,
    )


def predict(model, inputs):
    tensors = {name: keras.ops.convert_to_tensor(x) for name, x in inputs.items()}
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(tensors))


@functools.cache
def shared(fusion):
    """One model of each fusion, for tests that do not care what weights it has."""
    return make_model(fusion=fusion, presence=True)


@pytest.mark.parametrize("fusion", FITTING)
def test_every_fusion_trains_saves_and_loads_with_every_kind_of_input(fusion, tmp_path):
    model = compile_model(shared(fusion), "label")
    model.run_eagerly = EAGERLY
    inputs = {**INPUTS, "present": PRESENT}
    before = model.get_weights()
    model.fit(inputs, np.eye(5)[np.arange(ROWS) % 5], batch_size=ROWS, epochs=1, verbose=0)
    assert any((a != b).any() for a, b in zip(model.get_weights(), before, strict=True))
    outputs = predict(model, inputs)
    np.testing.assert_allclose(outputs.sum(axis=-1), 1.0, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(predict(loaded, inputs), outputs)
    np.testing.assert_allclose(
        predict(embedding_model(loaded), inputs), predict(embedding_model(model), inputs)
    )


@pytest.mark.parametrize("fusion", FITTING)
def test_prediction_does_not_depend_on_batch_neighbours(fusion):
    inputs = {**INPUTS, "present": PRESENT}
    together = predict(shared(fusion), inputs)
    for row in (1, ROWS - 2):
        alone = predict(shared(fusion), {name: x[row : row + 1] for name, x in inputs.items()})
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


@pytest.mark.parametrize("fusion", FITTING)
def test_prediction_does_not_depend_on_what_an_absent_input_holds(fusion):
    model = shared(fusion)
    spoilt = {name: x.copy() for name, x in INPUTS.items()}
    spoilt["words"][~PRESENT[:, 0]] = 7
    spoilt["photo"][~PRESENT[:, 1]] = np.nan
    spoilt["facts"][~PRESENT[:, 2]] = np.inf
    np.testing.assert_array_equal(
        predict(model, {**spoilt, "present": PRESENT}),
        predict(model, {**INPUTS, "present": PRESENT}),
    )


@pytest.mark.parametrize("fusion", FITTING)
def test_more_padding_changes_no_prediction(fusion):
    inputs = {**INPUTS, "present": PRESENT}
    longer = {**inputs, "words": np.pad(INPUTS["words"], ((0, 0), (0, 4)))}
    expected = predict(shared(fusion), inputs)
    np.testing.assert_allclose(predict(shared(fusion), longer), expected, atol=1e-5)


def test_layers_have_the_documented_names():
    model = shared("attention")
    assert {layer.name for layer in model.layers} >= {
        "words", "words_encoder", "words_mask", "photo", "photo_encoder", "facts", "facts_encoder",
        "present", "fusion", "head_dense_0", "head_dropout_0", "output",
    }  # fmt: skip
    assert set(model.input) == {"words", "photo", "facts", "present"}
    # So that no modality can be called like a part.
    own = {layer.name for layer in model.layers} - set(SCHEMA.names)
    assert all(is_taken(name, SCHEMA.names) for name in own)


def test_default_encoders_go_by_kind_and_dtype():
    model = build_model(SCHEMA, SPECS, num_outputs=2)
    classes = {name: type(model.get_layer(f"{name}_encoder")).__name__ for name in SCHEMA.names}
    assert classes == {"words": "LSTMEncoder", "photo": "ConvEncoder", "facts": "MLPEncoder"}
    bag = build_model(
        SCHEMA.select(["words"]), {"words": InputSpec((30,))}, num_outputs=2, hidden=()
    )
    assert type(bag.get_layer("words_encoder")).__name__ == "BagOfWordsEncoder"


def test_a_single_modality_is_pooled_whatever_the_fusion():
    model = make_model(
        SCHEMA.select(["photo"]), fusion="attention", fusion_options={"query": 1}, presence=True
    )
    assert isinstance(model.get_layer("fusion"), ConcatFusion)
    assert set(model.input) == {"photo", "present"}


@pytest.mark.parametrize(
    ("task", "targets", "activation"),
    [
        ("label", np.eye(3)[np.arange(ROWS) % 3], "softmax"),
        ("labels", RANDOM.integers(0, 2, (ROWS, 3)), "sigmoid"),
        ("number", RANDOM.random((ROWS, 3)), "linear"),
    ],
)
def test_head_loss_and_metrics_follow_the_task(task, targets, activation):
    schema = Schema([SCHEMA["facts"]], target=TARGETS[task]("label"))
    model = compile_model(make_model(schema, num_outputs=3), task)
    assert model.get_layer("output").activation.__name__ == activation
    model.run_eagerly = EAGERLY
    history = model.fit({"facts": INPUTS["facts"]}, targets, epochs=1, verbose=0).history
    assert set(history) == {"loss", *(metric.name for metric in TASKS[task].metrics())}
    assert np.isfinite(history["loss"])


def test_a_model_learns_what_only_both_modalities_tell(tmp_path):
    # The class is an exclusive or of the two, so that neither alone says anything.
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 2, (2, 256))
    inputs = {
        "a": np.stack([left, 1 - left], axis=1).astype("float32"),
        "b": np.stack([right, 1 - right], axis=1).astype("float32"),
    }
    targets = np.eye(2, dtype="float32")[left ^ right]
    schema = Schema([Tabular("a", numeric=["a"]), Tabular("b", numeric=["b"])], target="label")
    specs = {"a": InputSpec((2,)), "b": InputSpec((2,))}
    model = build_model(schema, specs, num_outputs=2, dropout=0.0)
    compile_model(model, "label", learning_rate=0.01)
    model.fit(inputs, targets, epochs=10, verbose=0)
    assert model.evaluate(inputs, targets, verbose=0, return_dict=True)["accuracy"] == 1.0


def test_compile_options():
    model = make_model(SCHEMA.select(["facts"]))
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, 100)
    compile_model(
        model, "label", learning_rate=schedule, weight_decay=1e-2, label_smoothing=0.1,
        global_clipnorm=1.0,
    )  # fmt: skip
    assert isinstance(model.optimizer, keras.optimizers.AdamW)
    assert model.optimizer.global_clipnorm == 1.0
    assert model.loss.label_smoothing == 0.1
    with pytest.raises(ValueError, match="A task is one of"):
        compile_model(model, "ranking")
    with pytest.raises(ValueError, match="label_smoothing"):
        compile_model(model, "number", label_smoothing=0.1)


def test_weight_decay_leaves_biases_alone():
    model = make_model(SCHEMA.select(["facts"]))
    compile_model(model, "label", learning_rate=0.1, weight_decay=0.5)
    output = model.get_layer("output")
    output.set_weights([np.ones_like(w) for w in output.get_weights()])
    # Equal biases and balanced classes: a zero gradient for the mean of the biases, so that only
    # weight decay could move it.
    model.train_on_batch({"facts": INPUTS["facts"][:5] * 0}, np.eye(5))
    kernel, bias = output.get_weights()
    np.testing.assert_allclose(bias, 1.0, atol=1e-3)
    assert kernel.mean() < 0.99


def test_attention_model_of_a_loaded_model(tmp_path):
    shared("attention").save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    weights = predict(attention_model(loaded), {**INPUTS, "present": PRESENT})
    assert weights["words_to_photo"].shape == (ROWS, 4, 6, 16)
    assert weights["photo_to_words"].shape == (ROWS, 4, 16, 6)
    assert set(weights) == {f"{a}_to_{b}" for a in SCHEMA.names for b in SCHEMA.names if a != b}
    assert (weights["photo_to_words"][~PRESENT[:, 0]] == 0).all()
    assert (weights["photo_to_words"][0, :, :, 3:] == 0).all()
    sums = weights["words_to_photo"].sum(axis=-1) + weights["words_to_facts"].sum(axis=-1)
    np.testing.assert_allclose(sums[0], 1.0, atol=1e-5)


def test_attention_model_of_a_weighted_sum_is_in_schema_order(tmp_path):
    model = make_model(fusion="weighted_sum", presence=True)
    model.get_layer("fusion").scores.assign(np.log([1.0, 2.0, 3.0]))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    weights = predict(attention_model(loaded), {**INPUTS, "present": PRESENT})["weights"]
    np.testing.assert_allclose(weights[0], np.array([1, 2, 3]) / 6, rtol=1e-5)
    np.testing.assert_allclose(weights[1], [0, 0.4, 0.6], rtol=1e-5)


def test_concatenation_has_no_weights_to_look_at():
    with pytest.raises(ValueError, match="ConcatFusion has no weights"):
        attention_model(make_model())


@pytest.mark.parametrize("text_branch", ["dense", "lstm"])
def test_image_text_classifier_trains_and_loads(text_branch, tmp_path):
    model = image_text_classifier(
        (20, 20, 3), vocabulary_size=30, num_classes=4, text_branch=text_branch, filters=(4, 6),
        text_units=(12, 8),
    )  # fmt: skip
    compile_model(model, "label")
    text = {
        "dense": RANDOM.random((ROWS, 30), "float32"),
        "lstm": RANDOM.integers(0, 30, (ROWS, 7)).astype("int32"),
    }[text_branch]
    model.run_eagerly = EAGERLY
    inputs = {"image": RANDOM.random((ROWS, 20, 20, 3), "float32"), "text": text}
    history = model.fit(inputs, np.eye(4)[np.arange(ROWS) % 4], epochs=1, verbose=0).history
    assert np.isfinite(history["loss"])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    weights = predict(attention_model(loaded), inputs)
    assert set(weights) == {"text_to_image"}
    assert weights["text_to_image"].shape == (ROWS, 1, 7 if text_branch == "lstm" else 1, 4)


def test_image_text_classifier_refuses_other_text_branches():
    with pytest.raises(ValueError, match="'dense' or 'lstm'"):
        image_text_classifier(text_branch="transformer")


def test_a_layer_can_be_given_as_encoder_and_as_fusion():
    encoder = MLPEncoder((6,))
    model = make_model(
        encoders={"facts": encoder, "photo": keras.Sequential([
            keras.layers.Conv2D(4, 3), keras.layers.Reshape((-1, 4))])},
        encoder_options={"facts": {}, "photo": {}},
        fusion=WeightedSumFusion(8),
    )  # fmt: skip
    assert model.get_layer("facts_encoder") is encoder
    assert predict(model, INPUTS).shape == (ROWS, 5)


def test_numpy_integers_are_sizes_too():
    model = make_model(SCHEMA.select(["facts"]), num_outputs=np.int64(5))
    assert model.output_shape == (None, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoders": {"image": "cnn"}}, r"`encoders` .*\['words', 'photo'.*Unknown: \['image'\]"),
        ({"encoder_options": {"image": {}}}, r"Unknown: \['image'\]"),
        ({"encoders": {"photo": "resnet"}}, r"\['backbone', 'cnn', .*'patches', .*\].*'resnet'"),
        ({"encoder_options": {"photo": {"depth": 3}}}, r"'cnn' has no option \['depth'\]"),
        ({"fusion": "sum"}, r"'concat', .*'weighted_sum'\].*'sum'"),
        ({"fusion_options": {"heads": 2}}, r"'concat' has no option \['heads'\]"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make_model(**options)


def test_mistakes_about_inputs_are_named():
    with pytest.raises(ValueError, match=r"Missing: \['facts'\]"):
        build_model(SCHEMA, {k: SPECS[k] for k in ("words", "photo")}, num_outputs=2)
    with pytest.raises(ValueError, match="needs their vocabulary size"):
        build_model(
            SCHEMA.select(["words"]), {"words": InputSpec((30,))}, num_outputs=2,
            encoders={"words": "lstm"},
        )  # fmt: skip
    with pytest.raises(ValueError, match="Give token ids to 'lstm'"):
        make_model(SCHEMA.select(["words"]), encoders={"words": "bag_of_words"},
                   encoder_options={"words": {}})  # fmt: skip
    with pytest.raises(ValueError, match=r"(batch, tokens, dim).*encoder of 'facts'"):
        make_model(encoders={"facts": keras.layers.Dense(3)}, encoder_options={"facts": {}})
    shared = MLPEncoder((4,))
    with pytest.raises(ValueError, match="layer of its own"):
        build_model(
            Schema([Tabular("a", ["x"]), Tabular("b", ["y"])], target="label"),
            {"a": InputSpec((2,)), "b": InputSpec((2,))},
            num_outputs=2,
            encoders={"a": shared, "b": shared},
        )
    with pytest.raises(ValueError, match="has its own"):
        get_encoder("image", ConvEncoder(), SPECS["photo"], filters=(4,))
    fusion = ConcatFusion()
    make_model(fusion=fusion)
    with pytest.raises(ValueError, match="already belongs to a model"):
        make_model(fusion=fusion)


WITHOUT_TENSORFLOW = """
import sys

sys.modules["tensorflow"] = None
import keras
import numpy as np
from mmkeras.models import build_model, compile_model
from mmkeras.schema import Image, InputSpec, Schema, Text

rng = np.random.default_rng(0)
schema = Schema([Image("photo"), Text("words")], target="label")
specs = {"photo": InputSpec((16, 16, 3)), "words": InputSpec((6,), "int32", 20)}
inputs = {
    "photo": rng.random((16, 16, 16, 3), "float32"),
    "words": rng.integers(0, 20, (16, 6)).astype("int32"),
}
targets = np.eye(2, dtype="float32")[np.arange(16) % 2]
options = {"photo": {"filters": (4,)}, "words": {"units": 4, "bidirectional": False}}
model = build_model(schema, specs, num_outputs=2, fusion="attention", encoder_options=options)
compile_model(model, "label")
history = model.fit(inputs, targets, batch_size=8, epochs=1, verbose=0).history
assert np.isfinite(history["loss"]).all()
model.save(sys.argv[1])
loaded = keras.saving.load_model(sys.argv[1], safe_mode=True)
assert (model.predict(inputs, verbose=0) == loaded.predict(inputs, verbose=0)).all()
assert sys.modules["tensorflow"] is None
print(keras.config.backend(), "trained")
"""


@pytest.mark.slow
def test_a_model_builds_trains_and_loads_where_tensorflow_cannot_be_imported(tmp_path):
    pytest.importorskip("jax")
    printed = run_python(WITHOUT_TENSORFLOW, str(tmp_path / "model.keras"), backend="jax")
    assert printed.strip() == "jax trained"


def test_a_fusion_of_decisions_must_give_what_the_task_wants():
    schema = Schema(SCHEMA.modalities, Number("price"))
    options = {"fusion": LateFusion(1, rule="mean"), "num_outputs": 1}
    with pytest.raises(ValueError, match=r"regression is linear.*'softmax'.*'linear'"):
        make_model(schema, **options)
    options["fusion"] = LateFusion(1, rule="mean", activation="linear")
    assert make_model(schema, **options).output_shape == (None, 1)


@pytest.mark.parametrize("per_step", [True, False])
def test_a_fusion_that_reads_steps_must_give_what_the_target_has(per_step):
    schema = Schema(
        [Sequence("face"), Sequence("voice")], (StepLabels if per_step else Label)("mood")
    )
    inputs = {name: InputSpec((None, 4)) for name in schema.names}
    encoders = dict.fromkeys(schema.names, "mlp")

    def build(fusion):
        return build_model(schema, inputs, num_outputs=3, encoders=encoders, fusion=fusion)

    with pytest.raises(ValueError, match=f"return_sequences={not per_step}"):
        build(EarlyConcatFusion(return_sequences=not per_step))
    steps = (None,) if per_step else ()
    for fusion in ("early_concat", EarlyConcatFusion(return_sequences=per_step)):
        assert build(fusion).output_shape == (None, *steps, 3)

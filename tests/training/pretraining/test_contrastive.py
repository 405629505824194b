import itertools

import keras
import numpy as np
import pytest

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.evaluation.retrieval import chance_metrics, retrieval_metrics, same_class
from mmkeras.models.build import build_model
from mmkeras.schema import InputSpec, Schema, Tabular, Text
from mmkeras.training.pretraining.contrastive import (
    ContrastiveModel,
    Projection,
    info_nce,
    projection_model,
)
from mmkeras.training.pretraining.pretrain import (
    ContrastiveSettings,
    copy_encoders,
    embed,
    pretrain,
)
from mmkeras.training.seeds import set_seed
from tests.layer_checks import check_layer

pytestmark = pytest.mark.eager

# XLA takes seconds to compile what runs once; on JAX it is the ordinary way.
JIT = False if keras.config.backend() == "tensorflow" else "auto"
SCHEMA = Schema([Tabular("zeta", ["a"]), Tabular("alpha", ["b"]), Text("mid")], "label")
INPUTS = {
    "zeta": InputSpec((5,)),
    "alpha": InputSpec((3,)),
    "mid": InputSpec((None,), "int32", vocabulary_size=9),
}


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def loss_by_hand(first, second, scale, positives, valid):
    """The mean over the valid rows of either side, with loops."""
    total, rows = 0.0, np.flatnonzero(valid)
    for u, v in ((first, second), (second, first)):
        for i in rows:
            scores = {j: np.exp(scale * u[i] @ v[j]) for j in rows}
            partners = [j for j in rows if positives[i, j]]
            total -= np.mean([np.log(scores[j] / sum(scores.values())) for j in partners])
    return total / 2 / len(rows)


def test_info_nce_is_the_formula():
    random = np.random.default_rng(0)
    first, second = unit(random.normal(size=(2, 6, 4)).astype("float32"))
    classes = np.array([0, 1, 0, 2, 1, 0])
    same = classes[:, None] == classes[None, :]
    valid = np.array([1, 1, 0, 1, 1, 1], bool)
    for positives, rows in itertools.product((None, same), (None, valid)):
        expected = loss_by_hand(
            first,
            second,
            7.0,
            np.eye(6) if positives is None else positives,
            np.ones(6) if rows is None else rows,
        )
        got = info_nce(first, second, 7.0, positives=positives, valid=rows)
        np.testing.assert_allclose(float(got), expected, rtol=1e-5)


def test_rows_that_lack_a_modality_are_no_candidates_and_nothing_is_zero():
    random = np.random.default_rng(0)
    first, second = unit(random.normal(size=(2, 5, 4)).astype("float32"))
    valid = np.array([1, 1, 1, 0, 0], bool)
    alone = float(info_nce(first[:3], second[:3], 10.0))
    assert float(info_nce(first, second, 10.0, valid=valid)) == pytest.approx(alone, rel=1e-6)
    assert float(info_nce(first, second, 10.0, valid=np.zeros(5, bool))) == 0.0


def test_a_projection_meets_the_rules_for_layers(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    check_layer(lambda: Projection(6), {"inputs": inputs}, (4, 6), tmp_path)


def batch(rows=24, holes=True):
    random = np.random.default_rng(1)
    present = random.random((rows, 3)) > (0.3 if holes else -1.0)
    return {
        "zeta": random.normal(size=(rows, 5)).astype("float32"),
        "alpha": random.normal(size=(rows, 3)).astype("float32"),
        "mid": random.integers(1, 9, (rows, 6)).astype("int32"),
        "present": present,
    }


def model_with_holes():
    set_seed(0)
    return build_model(
        SCHEMA, INPUTS, num_outputs=2, presence=True, encoders={"mid": "lstm"}, name="m"
    )


def test_projections_are_of_length_one_and_zero_where_absent():
    projections = projection_model(model_with_holes(), dim=8)
    inputs = batch()
    outputs = projections.predict(inputs, verbose=0)
    for place, name in enumerate(SCHEMA.names):
        lengths = np.linalg.norm(outputs[name], axis=1)
        np.testing.assert_allclose(lengths, inputs["present"][:, place], atol=1e-5)


def test_what_stands_in_an_absent_modality_changes_neither_vectors_nor_loss():
    projections = projection_model(model_with_holes(), dim=8)
    contrastive = ContrastiveModel(projections)
    contrastive.compile("sgd", jit_compile=JIT)
    inputs = batch()
    other = {**inputs, "zeta": inputs["zeta"].copy()}
    other["zeta"][~inputs["present"][:, 0]] = 99.0
    before, after = (contrastive.evaluate(x, verbose=0) for x in (inputs, other))
    assert before == after
    # By hand: the mean over the three pairs, rows with both modalities only.
    z = projections.predict(inputs, verbose=0)
    losses = []
    for a, b in itertools.combinations(range(3), 2):
        valid = inputs["present"][:, a] & inputs["present"][:, b]
        pair = (z[SCHEMA.names[a]], z[SCHEMA.names[b]])
        losses.append(loss_by_hand(*pair, 1 / 0.07, np.eye(24), valid))
    assert before == pytest.approx(np.mean(losses), rel=1e-4)


def test_training_moves_encoders_and_temperature_and_stays_finite_with_holes():
    model = model_with_holes()
    before = model.get_layer("zeta_encoder").get_weights()
    contrastive = ContrastiveModel(projection_model(model, dim=8), temperature=0.02)
    contrastive.compile(keras.optimizers.Adam(0.05), jit_compile=JIT)
    losses = contrastive.fit(batch(), epochs=12, batch_size=24, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < 0.7 * losses[0]
    after = model.get_layer("zeta_encoder").get_weights()
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    scale = np.exp(float(keras.ops.convert_to_numpy(contrastive.log_scale)))
    assert scale != pytest.approx(50.0) and scale <= 100.0 + 1e-3


def test_the_scale_is_clipped_after_each_step():
    contrastive = ContrastiveModel(projection_model(model_with_holes(), dim=8), temperature=0.01)
    # Far too large a step, uphill: without the clip the scale would be e^9.
    contrastive.compile(keras.optimizers.SGD(1e3), jit_compile=JIT)
    contrastive.optimizer.build(contrastive.trainable_variables)
    gradients = [keras.ops.zeros(v.shape) for v in contrastive.trainable_variables]
    place = [v.name for v in contrastive.trainable_variables].index("log_scale")
    for direction, expected in ((-1.0, 100.0), (1.0, 1.0)):
        gradients[place] = keras.ops.convert_to_tensor(direction)
        contrastive.optimizer.apply(gradients, contrastive.trainable_variables)
        scale = np.exp(float(keras.ops.convert_to_numpy(contrastive.log_scale)))
        assert scale == pytest.approx(expected, rel=1e-5)


def test_rows_of_one_class_are_partners_on_demand():
    inputs, labels = batch(holes=False), np.arange(24) % 3
    projections = projection_model(model_with_holes(), dim=8)
    contrastive = ContrastiveModel(projections, positives="classes")
    contrastive.compile("sgd", jit_compile=JIT)
    got = contrastive.evaluate(inputs, np.eye(3)[labels], batch_size=24, verbose=0)
    z = projections.predict(inputs, verbose=0)
    same = labels[:, None] == labels[None, :]
    losses = [
        loss_by_hand(z[a], z[b], 1 / 0.07, same, np.ones(24))
        for a, b in itertools.combinations(SCHEMA.names, 2)
    ]
    assert got == pytest.approx(np.mean(losses), rel=1e-4)
    with pytest.raises(ValueError, match="one-hot targets"):
        contrastive.evaluate(inputs, verbose=0)


def test_copied_encoders_give_another_model_the_same_tokens():
    source = model_with_holes()
    set_seed(5)
    target = build_model(
        SCHEMA.select(["alpha", "mid"]),
        {name: INPUTS[name] for name in ("alpha", "mid")},
        num_outputs=4,
        encoders={"mid": "lstm"},
        fusion="attention",
    )
    assert copy_encoders(source, target) == ["alpha", "mid"]
    for name in ("alpha", "mid"):
        x = batch()[name]
        tokens = [model.get_layer(f"{name}_encoder")(x) for model in (source, target)]
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, tokens))
    wider = build_model(
        SCHEMA.select(["alpha"]),
        {"alpha": INPUTS["alpha"]},
        num_outputs=2,
        encoder_options={"alpha": {"units": (7,)}},
    )
    with pytest.raises(ValueError, match="encoder of 'alpha' has weights of shapes"):
        copy_encoders(source, wider)
    zeta = SCHEMA.select(["zeta"])
    with pytest.raises(ValueError, match="share no encoder"):
        copy_encoders(wider, build_model(zeta, {"zeta": INPUTS["zeta"]}, num_outputs=2))


def test_pre_training_lets_notes_find_the_facts_of_their_class(small_table):
    frame, schema = small_table
    schema = schema.select(["note", "facts"])
    set_seed(0)
    preprocessing = fit_preprocessing(frame, schema)
    rows = Pipeline(frame, preprocessing, batch_size=30)
    model = build_model(schema, preprocessing.inputs, num_outputs=preprocessing.num_outputs)
    settings = ContrastiveSettings(dim=8, epochs=15, learning_rate=0.01)
    projections = pretrain(model, rows, settings, positives="classes", seed=0)
    vectors = embed(projections, rows)
    relevant = same_class(frame["when"], frame["when"])
    found = retrieval_metrics(vectors["note"] @ vectors["facts"].T, relevant)
    assert found["map"] > 0.9 > 0.6 > chance_metrics(relevant)["map"]
    # The encoders are the model's own.
    assert model.get_layer("note_encoder") is projections.get_layer("note_encoder")


def test_mistakes_say_what_was_expected():
    model = model_with_holes()
    single = build_model(SCHEMA.select(["zeta"]), {"zeta": INPUTS["zeta"]}, num_outputs=2)
    with pytest.raises(ValueError, match=r"two or more modalities. Received: \['zeta'\]"):
        projection_model(single)
    with pytest.raises(ValueError, match="'rows', 'classes'"):
        ContrastiveModel(projection_model(model), positives="labels")
    with pytest.raises(ValueError, match=r"in \[0\.01, 1\]. Received: 5"):
        ContrastiveModel(projection_model(model), temperature=5)
    with pytest.raises(ValueError, match="`dim` must be at least 1"):
        Projection(0)
    with pytest.raises(ValueError, match="`epochs` must be at least 1"):
        ContrastiveSettings(epochs=0)

"""Every generative model of the table is held to the same standard."""

import functools

import keras
import numpy as np
import pytest
from scipy import stats

from mmkeras.generation import MODELS, build_vae
from mmkeras.generation.posteriors import subsets
from mmkeras.schema import Image, InputSpec, Schema, Tabular, Text, Video
from mmkeras.training.seeds import set_seed

pytestmark = pytest.mark.eager

SCHEMA = Schema([Image("photo"), Text("words"), Tabular("facts", ["price"])], None)
INPUTS = {
    "photo": InputSpec((5, 4, 1)),
    "words": InputSpec((6,)),
    "facts": InputSpec((3,), groups=(1, 2)),
}
SMALL = {
    "latent_dim": 2,
    "filters": 2,
    "units": (4,),
    "encoder_options": {
        "photo": {"filters": (2,), "convs_per_block": 1},
        "words": {"units": (4,)},
        "facts": {"units": (4,)},
    },
}


def batch(rows=4, seed=0):
    random = np.random.default_rng(seed)
    classes = np.eye(2, dtype="float32")[random.integers(0, 2, rows)]
    return {
        "photo": random.random((rows, 5, 4, 1), "float32"),
        "words": random.integers(0, 3, (rows, 6)).astype("float32"),
        "facts": np.column_stack([random.normal(size=rows), classes]).astype("float32"),
    }


def with_holes(inputs):
    present = np.ones((len(inputs["photo"]), 3), bool)
    present[0, 0] = present[1, 1] = present[2, :2] = present[3, 1:] = False
    return {**inputs, "present": present}


def made(name, **options):
    set_seed(0)
    return build_vae(SCHEMA, INPUTS, name, **{**SMALL, **options})


def fitted(name, inputs, **options):
    model = made(name, **options)
    before = model.get_weights()
    model.compile("sgd", jit_compile=False, run_eagerly=True)
    history = model.fit(inputs, batch_size=4, shuffle=False, verbose=0).history
    return model, history, before


@functools.cache
def trained(name):
    """A model that was trained on rows with holes; what a test draws from it is seeded."""
    return fitted(name, with_holes(batch()))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_on_rows_with_holes_and_is_saved(name, tmp_path):
    model, history, before = trained(name)
    assert np.isfinite(np.concatenate(list(history.values()))).all()
    assert int(model.steps_done) == 1
    for values, weight in zip(before, model.weights, strict=True):
        assert (values != np.asarray(weight)).any(), f"{weight.path} was not trained"
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True)
    latent = model.encode(batch(), seed=3)
    np.testing.assert_array_equal(loaded.encode(batch(), seed=3), latent)
    np.testing.assert_array_equal(model.encode(batch(), seed=3), latent)
    assert (model.encode(batch(), seed=4) != latent).any()


@pytest.mark.parametrize("name", MODELS)
def test_any_modalities_are_made_of_any(name):
    model = trained(name)[0]
    whole = batch()
    for chosen in subsets(3):
        given = [modality for modality, there in zip(SCHEMA.names, chosen, strict=True) if there]
        # What is not given may be left out.
        latent = model.encode({modality: whole[modality] for modality in given}, given, seed=0)
        assert np.isfinite(latent).all()
    np.testing.assert_array_equal(
        model.encode(whole, ["words"], seed=0),
        model.encode({"words": whole["words"]}, ["words"], seed=0),
    )
    made_of = model.generate({"words": whole["words"]}, ["words"], ["photo", "facts"], seed=0)
    assert {n: x.shape for n, x in made_of.items()} == {"photo": (4, 5, 4, 1), "facts": (4, 3)}
    np.testing.assert_allclose(made_of["facts"][:, 1:].sum(axis=1), 1, rtol=1e-5)
    drawn = model.sample(2, seed=1)
    assert list(drawn) == list(SCHEMA.names) and np.isfinite(drawn["photo"]).all()
    found = model.log_likelihood(whole, ["words"], samples=3, seed=0, chunk=2)
    assert found.shape == (4,) and np.isfinite(found).all()


def test_equal_seeds_give_equal_weights():
    one, other = trained("mmvae_plus")[0], fitted("mmvae_plus", with_holes(batch()))[0]
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_in_an_absent_modality_changes_nothing(name):
    model = trained(name)[0]
    inputs = with_holes(batch())
    other = {k: x.copy() for k, x in inputs.items()}
    for place, modality in enumerate(SCHEMA.names):
        other[modality][~inputs["present"][:, place]] = np.nan
    found = []
    for given in (inputs, other):
        model.seed_generator.state.assign([0, 0])
        found.append((gradients(model, given), model.encode(given, seed=0)))
    for one, two in zip(*(each[0] for each in found), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(*(each[1] for each in found))
    likely = [model.log_likelihood(given, samples=3, seed=0) for given in (inputs, other)]
    np.testing.assert_array_equal(*likely)


def gradients(model, inputs):
    """The loss, and on TensorFlow its derivatives."""
    inputs = {name: keras.ops.convert_to_tensor(values) for name, values in inputs.items()}

    def loss():
        said = model(inputs, training=True)
        return model.compute_loss(inputs, y_pred=said, training=True)

    if keras.backend.backend() != "tensorflow":
        return [keras.ops.convert_to_numpy(loss())]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = loss()
    return [value, *tape.gradient(value, model.trainable_weights)]


@pytest.mark.parametrize("name", ["mopoe", "mmvae_plus"])
def test_extreme_inputs_in_half_precision_stay_finite(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = with_holes(batch())
        inputs["facts"][3], inputs["words"][0], inputs["photo"][3] = 1e4, 1e6, 1
        model, history, _ = fitted(name, inputs)
    finally:
        keras.config.set_dtype_policy(policy)
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert np.isfinite(model.encode(inputs, seed=0)).all()


def linear_toy(name, **options):
    """Two modalities of one number each, `x_m = a_m z [+ c w_m] + noise`: everything is known."""
    schema = Schema([Tabular("a", ["x"]), Tabular("b", ["y"])], None)
    inputs = {name: InputSpec((1,)) for name in ("a", "b")}
    if name == "mmvae_plus":
        options["own_dim"] = 1
    model = build_vae(
        schema,
        inputs,
        name,
        latent_dim=1,
        units=(),
        densities={"a": "gaussian", "b": "gaussian"},
        density_options={"a": {"scale": 0.5}, "b": {"scale": 1.0}},
        **options,
    )
    for view, slope in zip(model.views, SLOPES, strict=True):
        [decoder] = view.steps
        slopes = [[slope], [OWN_SLOPE]] if name == "mmvae_plus" else [[slope]]
        decoder.set_weights([np.array(slopes), np.zeros(1)])
        # Latents are drawn from more than where they can be: N(0, 4) by each modality.
        kernel, bias = view.latent.get_weights()
        bias[len(bias) // 2 :] = np.log(4.0)
        view.latent.set_weights([np.zeros_like(kernel), bias])
    return model


SLOPES, OWN_SLOPE = np.array([2.0, -1.0]), 0.5


@pytest.mark.parametrize("name", MODELS)
def test_the_log_likelihood_of_a_linear_toy_is_the_analytic_one(name):
    noise = np.array([0.25, 1.0]) + (OWN_SLOPE**2 if name == "mmvae_plus" else 0)
    covariance = np.outer(SLOPES, SLOPES) + np.diag(noise)
    random = np.random.default_rng(0)
    x = random.multivariate_normal([0, 0], covariance, 16).astype("float32")
    inputs = {"a": x[:, :1], "b": x[:, 1:]}
    model = linear_toy(name)
    found = model.log_likelihood(inputs, samples=8000, chunk=8000, seed=0)
    exact = stats.multivariate_normal([0, 0], covariance).logpdf(x)
    np.testing.assert_allclose(found.mean(), exact.mean(), rtol=0.01)
    # Of one alone, the marginal, whichever is given; in pieces it is the same sum.
    marginal = stats.norm(0, covariance[1, 1] ** 0.5).logpdf(x[:, 1]).mean()
    for given, chunk in (["a"], 8000), (["b"], 5000):
        alone = model.log_likelihood(inputs, given, ["b"], samples=8000, chunk=chunk, seed=0)
        np.testing.assert_allclose(alone.mean(), marginal, rtol=0.01)


def test_given_the_true_posterior_one_sample_is_enough():
    """MVAE with experts that are the likelihoods has the exact posterior: no variance is left."""
    model = linear_toy("mvae")
    mean, log = np.zeros((3, 2, 1), "float32"), np.zeros((3, 2, 1), "float32")
    x = np.array([[0.5, 1.0], [-2.0, 0.3], [3.0, -2.0]], "float32")
    scales = np.array([0.5, 1.0])
    mean[..., 0], log[..., 0] = x / SLOPES, 2 * np.log(scales / np.abs(SLOPES))
    model.call = lambda inputs, training=None: (mean, log)
    found = model.log_likelihood({"a": x[:, :1], "b": x[:, 1:]}, samples=1, seed=0)
    covariance = np.outer(SLOPES, SLOPES) + np.diag(scales**2)
    exact = stats.multivariate_normal([0, 0], covariance).logpdf(x)
    np.testing.assert_allclose(found, exact, rtol=1e-4)


def test_beta_rises_in_training_and_is_whole_in_validation():
    inputs = {"a": np.ones((3, 1), "float32"), "b": np.zeros((3, 1), "float32")}
    model = linear_toy("mvae", warm_up=2, beta=4.0, seed=0)
    model.compile(keras.optimizers.SGD(0.0), jit_compile=False, run_eagerly=True)

    found = model.fit(inputs, batch_size=3, epochs=3, validation_data=(inputs,), verbose=0).history

    def betas(prefix=""):
        loss, density, apart = (
            np.array(found[prefix + key]) for key in ("loss", "log_density", "divergence")
        )
        return (loss + density) / apart

    np.testing.assert_allclose(betas(), [2.0, 4.0, 4.0], rtol=1e-3)
    np.testing.assert_allclose(betas("val_"), [4.0, 4.0, 4.0], rtol=1e-3)
    assert int(model.steps_done) == 3


def test_large_modalities_do_not_drown_small_ones():
    model = made("mopoe")
    np.testing.assert_allclose(model._scales, [1, 20 / 6, 20 / 3])
    assert made("mopoe", rescale={"words": 3.0})._scales == [1.0, 3.0, 1.0]
    assert made("mopoe", rescale=None)._scales == [1.0, 1.0, 1.0]


def test_sets_are_drawn_evenly_among_those_that_a_row_has():
    model = made("mopoe", seed=0)
    given = np.tile([[True, False, True]], (3000, 1))
    drawn = keras.ops.convert_to_numpy(model.random_subsets(given))
    found, counts = np.unique(drawn, axis=0, return_counts=True)
    assert found.tolist() == [[False, False, True], [True, False, False], [True, False, True]]
    assert counts.min() > 900
    pairs = np.unique(keras.ops.convert_to_numpy(model.random_subsets(given, [2])), axis=0)
    assert pairs.tolist() == [[True, False, True]]
    assert not keras.ops.convert_to_numpy(model.random_subsets(given, [3])).any()
    member = keras.ops.convert_to_numpy(model.random_member(given))
    assert (member.sum(axis=1) == 1).all() and not member[:, 1].any()
    assert 1350 < member[:, 0].sum() < 1650


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="The generative models are"):
        made("gan")
    with pytest.raises(ValueError, match="'clip', a modality of the kind 'video'"):
        build_vae(Schema([Video("clip")], None), {"clip": InputSpec((4, 8, 8, 3))})
    with pytest.raises(ValueError, match="each of one size"):
        ids = InputSpec((7,), "int32", vocabulary_size=9)
        build_vae(Schema([Text("words")], None), {"words": ids})
    for option, value in (("beta", -1), ("warm_up", -1), ("rescale", {"sound": 1.0})):
        with pytest.raises(ValueError, match=option):
            made("mvae", **{option: value})
    model = made("mmvae")
    with pytest.raises(ValueError, match=r"modalities are .* Received: \['sound'\]"):
        model.encode(batch(), ["sound"])
    with pytest.raises(ValueError, match=r"inputs lack \['photo'\]"):
        model.encode({"words": batch()["words"]}, ["photo"])
    with pytest.raises(ValueError, match=r"1 rows have none of .* row 3"):
        model.encode(with_holes(batch()), ["words", "facts"])
    with pytest.raises(ValueError, match="without a middle"):
        model.encode(batch(), mean=True)

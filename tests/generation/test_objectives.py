"""What the generative models make large, by the equations of their papers in plain NumPy."""

import keras
import numpy as np
import pytest

from mmkeras.generation import build_vae
from mmkeras.generation.posteriors import importance_bound, mixture_log_prob, subsets
from mmkeras.schema import InputSpec, Schema, Tabular

NAMES = ("a", "b", "c")
SCHEMA = Schema([Tabular(name, [f"of {name}"]) for name in NAMES], None)
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 4, 1)).astype("float32")  # modalities, rows, values
MEANS = RANDOM.normal(size=(4, 3, 3)).astype("float32")  # rows, modalities, shared and own
LOGS = RANDOM.normal(size=(4, 3, 3)).astype("float32")
GIVEN = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]], bool)
WEIGHTS = {"a": 1.0, "b": 2.0, "c": 0.5}


def built(name, **options):
    keras.utils.set_random_seed(0)
    inputs = {each: InputSpec((1,)) for each in NAMES}
    if name == "mmvae_plus":
        options["own_dim"] = 1
    return build_vae(SCHEMA, inputs, name, latent_dim=2, rescale=WEIGHTS, units=(3,), **options)


def terms(name, **options):
    """The model, and its `objective` where each latent drawn is its distribution's mean."""
    model = built(name, **options)
    model.draw = lambda mean, log, samples=None: mean if samples is None else mean[None]
    model.random_subsets = lambda given, sizes=None: keras.ops.convert_to_tensor(given)
    return model, *objective(model, X, MEANS, LOGS, GIVEN)


def objective(model, x, means, logs, given):
    width = model.views[0].latent_dim
    batch = dict(zip(NAMES, x, strict=True))
    said = map(keras.ops.convert_to_tensor, (means[..., :width], logs[..., :width], given))
    return map(keras.ops.convert_to_numpy, model.objective(batch, *said, training=True))


def explained(model, row, latent, modalities, own=None):
    """The weighted log-density of a row's modalities, given a latent `(width,)`."""
    total = 0.0
    for place in modalities:
        z = latent if own is None else np.append(latent, own[place])
        said = keras.ops.convert_to_numpy(model.views[place].decode(z[None].astype("float32")))
        density = -0.5 * (said[0, 0] - X[place, row, 0]) ** 2 - 0.5 * np.log(2 * np.pi)
        total += WEIGHTS[NAMES[place]] * density
    return total


def product(row, members, prior):
    precisions = np.exp(-LOGS[row, members, :2].astype("float64"))
    total = precisions.sum(axis=0) + prior
    return (precisions * MEANS[row, members, :2]).sum(axis=0) / total, -np.log(total)


def apart(mean, log, other=0.0, other_log=0.0):
    squared = (np.exp(log) + (mean - other) ** 2) / np.exp(other_log)
    return 0.5 * np.sum(other_log - log + squared - 1)


def normal(z, mean, log):
    return np.sum(-0.5 * (z - mean) ** 2 / np.exp(log) - log / 2 - 0.5 * np.log(2 * np.pi))


def rows(model, density, divergence, expected):
    for row in range(len(GIVEN)):
        members = np.flatnonzero(GIVEN[row])
        one, two = expected(row, members) if len(members) else (0.0, 0.0)
        np.testing.assert_allclose(density[row], one, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(divergence[row], two, rtol=1e-4, atol=1e-5)


def test_mopoe_averages_over_the_sets_that_a_row_has():
    model, density, divergence = terms("mopoe")

    def expected(row, members):
        kept = [np.flatnonzero(s) for s in subsets(3) if set(np.flatnonzero(s)) <= set(members)]
        mean, _ = product(row, members, 0.0)
        apart_each = [apart(*product(row, chosen, 0.0)) for chosen in kept]
        return explained(model, row, mean, members), np.mean(apart_each)

    rows(model, density, divergence, expected)


@pytest.mark.parametrize("random_sets", [0, 2])
def test_mvae_adds_up_all_each_alone_and_random_sets(random_sets):
    model, density, divergence = terms("mvae", random_sets=random_sets)

    def expected(row, members):
        # Random sets are all that is given here: see `terms`.
        sets = [members] * (1 + random_sets) + [members[i : i + 1] for i in range(len(members))]
        posterior = [product(row, chosen, 1.0) for chosen in sets]
        return (
            sum(explained(model, row, p[0], s) for p, s in zip(posterior, sets, strict=True)),
            sum(apart(*p) for p in posterior),
        )

    rows(model, density, divergence, expected)


def test_mvtcae_weighs_the_prior_and_the_modalities():
    model, density, divergence = terms("mvtcae", alpha=0.6)

    def expected(row, members):
        mean, log = product(row, members, 0.0)
        own = [apart(mean, log, MEANS[row, m, :2], LOGS[row, m, :2]) for m in members]
        weight = (len(members) - 0.6) / len(members)
        return (
            weight * explained(model, row, mean, members),
            0.4 * apart(mean, log) + 0.6 * np.mean(own),
        )

    rows(model, density, divergence, expected)


def test_jmvae_draws_each_modality_to_the_joint_encoder():
    model, density, divergence = terms("jmvae", alpha=0.3)
    joint = model._joint(MEANS[..., :2], LOGS[..., :2], GIVEN)
    means, logs = map(keras.ops.convert_to_numpy, joint)
    for row in range(len(GIVEN)):
        members = np.flatnonzero(GIVEN[row])
        mean, log = means[row], logs[row]
        own = [apart(mean, log, MEANS[row, m, :2], LOGS[row, m, :2]) for m in members]
        expected = explained(model, row, mean, members) - 0.3 * sum(own)
        np.testing.assert_allclose(density[row], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(divergence[row], apart(mean, log), rtol=1e-4)


def mixture(row, z, members):
    each = [normal(z, MEANS[row, m, :2], LOGS[row, m, :2]) for m in members]
    return np.log(np.mean(np.exp(each)))


def test_mmvae_averages_over_the_modalities_that_a_row_has():
    model, density, divergence = terms("mmvae")

    def expected(row, members):
        latents = [MEANS[row, m, :2] for m in members]
        ratios = [mixture(row, z, members) - normal(z, 0.0, np.zeros(2)) for z in latents]
        return np.mean([explained(model, row, z, members) for z in latents]), np.mean(ratios)

    rows(model, density, divergence, expected)


def test_mmvae_plus_gives_each_its_own_latent_and_the_others_an_auxiliary_one():
    model, _, _ = terms("mmvae_plus")
    noise = RANDOM.normal(size=(1, 3, 4, 3, 1)).astype("float32")
    model._noise = lambda *before: keras.ops.convert_to_tensor(noise)
    model.log_deviations.assign([[-1.0], [0.5], [0.0]])
    density, divergence = objective(model, X, MEANS, LOGS, GIVEN)
    deviations = np.exp([-1.0, 0.5, 0.0])

    def expected(row, members):
        said, ratios = [], []
        for m in members:
            z = MEANS[row, m, :2]
            own = deviations * noise[0, m, row, :, 0]
            own[m] = MEANS[row, m, 2]
            said.append(explained(model, row, z, members, own))
            ratios.append(mixture(row, z, members) - normal(z, 0.0, np.zeros(2)))
            ratios[-1] += apart(MEANS[row, m, 2], LOGS[row, m, 2])
        return np.mean(said), np.mean(ratios)

    rows(model, density, divergence, expected)


@pytest.mark.parametrize("name", ["mmvae", "mmvae_plus"])
def test_more_samples_come_closer_to_the_likelihood(name):
    many = [np.repeat(values, 200, axis=0) for values in (MEANS[:3], LOGS[:3], GIVEN[:3])]
    x = np.repeat(X[:, :3], 200, axis=1)
    bounds = []
    for samples in (1, 4, 32):
        density, divergence = objective(built(name, samples=samples, seed=0), x, *many)
        bounds.append((density - divergence).reshape(3, 200).mean(axis=1))
    assert (np.diff(bounds, axis=0) > 0.02).all()


def test_the_importance_weighted_bound_is_the_logarithm_of_a_mean():
    explained = np.array([[-1.0, 3.0], [2.0, 3.0], [0.5, 3.0]], "float32")
    ratio = np.array([[0.2, 1.0], [-0.4, 1.0], [0.0, 1.0]], "float32")
    one, two = map(keras.ops.convert_to_numpy, importance_bound(explained, ratio, 2.0))
    expected = np.log(np.mean(np.exp(explained - 2 * ratio), axis=0))
    np.testing.assert_allclose(one - 2 * two, expected, rtol=1e-5)


def test_a_sharp_modality_that_is_absent_is_not_in_the_mixture():
    means = np.zeros((1, 2, 64), "float32")
    logs = np.stack([np.zeros((1, 64)), np.full((1, 64), -10.0)], axis=1).astype("float32")
    z = np.zeros((1, 64), "float32")
    alone = mixture_log_prob(z, means, logs, np.array([[True, False]]))
    assert float(alone[0]) == pytest.approx(-32 * np.log(2 * np.pi), rel=1e-5)

import keras
import numpy as np

from mmkeras.fusion.bilinear import FactorizedBilinearFusion
from tests.fusion.pooled import (
    MEANS,
    PRESENT,
    TOKENS,
    accuracy_where_one_decides,
    affine_each,
    model_of,
    number_of_weights,
    randomized,
)
from tests.layer_checks import call


def normalised(product):
    pooled = product.reshape(len(product), 7, 4).sum(axis=-1)
    rooted = np.sign(pooled) * np.sqrt(np.abs(pooled))
    return rooted / np.linalg.norm(rooted, axis=-1, keepdims=True)


def test_the_vector_follows_the_written_equation():
    fusion = randomized(FactorizedBilinearFusion(dim=7, factor=4))
    vector = call(fusion, {"tokens": TOKENS})
    expected = normalised(np.prod(affine_each(fusion.projections), axis=0))
    np.testing.assert_allclose(vector, expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(vector, axis=-1), 1.0, atol=1e-4)


def test_without_biases_each_output_is_a_bilinear_form():
    fusion = randomized(FactorizedBilinearFusion(dim=7, factor=4), TOKENS[:2])
    kernels = []
    for projection in fusion.projections:
        projection.bias.assign(np.zeros(28))
        kernels.append(np.asarray(projection.kernel).reshape(-1, 7, 4))
    matrices = np.einsum("ikf,jkf->kij", *kernels)
    forms = np.einsum("bi,kij,bj->bk", MEANS[0], matrices, MEANS[1])
    rooted = np.sign(forms) * np.sqrt(np.abs(forms))
    expected = rooted / np.linalg.norm(rooted, axis=-1, keepdims=True)
    np.testing.assert_allclose(call(fusion, {"tokens": TOKENS[:2]}), expected, atol=1e-4)


def test_absent_modalities_are_left_out_of_the_product():
    fusion = randomized(FactorizedBilinearFusion(dim=7, factor=4))
    vector = call(fusion, {"tokens": TOKENS, "present": PRESENT})
    projected = np.stack(affine_each(fusion.projections), axis=1)
    product = np.where(PRESENT[:, :, None], projected, 1.0).prod(axis=1)
    np.testing.assert_allclose(vector[:3], normalised(product)[:3], atol=1e-4)
    assert (vector[3] == 0).all()


def test_gradients_are_finite_where_the_product_is_zero():
    fusion = FactorizedBilinearFusion(dim=7, factor=4)
    fusion.build([x.shape for x in TOKENS[:2]])
    first = fusion.projections[0]
    first.kernel.assign(np.zeros(first.kernel.shape))
    first.bias.assign(np.zeros(first.bias.shape))
    model = model_of(fusion, TOKENS[:2])
    model.compile(keras.optimizers.SGD(1e-4), "mse", jit_compile=False)
    loss = model.train_on_batch(TOKENS[:2], np.ones((4, 7), "float32"))
    assert loss == 1.0
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert np.abs(first.get_weights()[0]).max() > 0


def test_half_precision_holds_products_beyond_its_range():
    tokens = [100 * x for x in TOKENS]
    half = randomized(FactorizedBilinearFusion(dim=7, factor=4, dtype="mixed_float16"))
    full = randomized(FactorizedBilinearFusion(dim=7, factor=4))
    vector = call(half, {"tokens": tokens})
    assert vector.dtype == "float16"
    np.testing.assert_allclose(vector, call(full, {"tokens": tokens}), atol=0.02)


def test_dropout_acts_in_training_only():
    fusion = randomized(FactorizedBilinearFusion(dim=7, factor=4, dropout=0.5))
    plain = FactorizedBilinearFusion(dim=7, factor=4)
    plain.build([x.shape for x in TOKENS])
    plain.set_weights([np.asarray(w) for w in fusion.trainable_weights])
    expected = call(plain, {"tokens": TOKENS})
    np.testing.assert_array_equal(call(fusion, {"tokens": TOKENS}), expected)
    assert (call(fusion, {"tokens": TOKENS}, training=True) != expected).any()


def test_number_of_weights():
    expected = sum((x.shape[1] + 1) * 7 * 4 for x in MEANS)
    assert number_of_weights(FactorizedBilinearFusion(dim=7, factor=4)) == expected


def test_a_product_of_three_learns_what_one_modality_decides_alone():
    # Where the factors begin near zero: 0.5.
    assert accuracy_where_one_decides(FactorizedBilinearFusion(dim=32)) > 0.62

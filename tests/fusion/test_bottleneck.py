import numpy as np
import pytest

from mmkeras.fusion.bottleneck import BottleneckFusion
from tests.fusion import by_hand
from tests.fusion.standard import example
from tests.layer_checks import call, randomize, to_numpy

ARGUMENTS = example()


def make_fusion(num_layers=2):
    fusion = BottleneckFusion(
        dim=8, num_bottlenecks=2, num_heads=2, num_layers=num_layers, ff_dim=6
    )
    fusion.build([x.shape for x in ARGUMENTS["tokens"]])
    return randomize(fusion)


def test_present_modalities_share_the_mean_of_their_bottlenecks():
    fusion = make_fusion()
    vectors = call(fusion, ARGUMENTS)
    class_tokens = to_numpy(fusion.class_tokens)
    for row in (0, 1, 2):
        streams = {
            i: np.concatenate([class_tokens[i : i + 1], by_hand.dense(fusion.projections[i], x)])
            for i, x in enumerate(by_hand.rows_that_count(ARGUMENTS, row))
            if x is not None
        }
        shared = to_numpy(fusion.bottlenecks)
        for by_modality in fusion.transformers:
            written = []
            for i, stream in streams.items():
                x = by_hand.transformer(by_modality[i], np.concatenate([stream, shared]))
                streams[i] = x[:-2]
                written.append(x[-2:])
            shared = np.mean(written, axis=0)
        expected = np.mean([stream[0] for stream in streams.values()], axis=0)
        np.testing.assert_allclose(vectors[row], expected, rtol=1e-3, atol=1e-3)


def test_a_row_without_any_modality_gives_zeros():
    assert (call(make_fusion(), ARGUMENTS)[3] == 0).all()


@pytest.mark.parametrize(("num_layers", "exchanged"), [(1, False), (2, True)])
def test_modalities_learn_of_each_other_through_the_bottleneck_from_the_second_layer_on(
    num_layers, exchanged
):
    fusion = make_fusion(num_layers)
    first, second, third = ARGUMENTS["tokens"]

    def effect_of_the_second(first):
        more = call(fusion, {"tokens": [first, 3 * second, third]})
        return more - call(fusion, {"tokens": [first, -3 * second, third]})

    difference = np.abs(effect_of_the_second(first) - effect_of_the_second(-first)).max()
    assert (difference > 1e-4) == exchanged


def test_has_as_many_weights_as_the_formula():
    projections = (3 + 1) * 8 + (2 + 1) * 8 + (6 + 1) * 8
    # Each layer of each modality has its own weights; class tokens and two bottlenecks are learnt.
    expected = projections + 3 * 8 + 2 * 8 + 2 * 3 * by_hand.transformer_weights(8, 6, 1)
    assert make_fusion().count_params() == expected == 2828


def test_refuses_a_width_that_the_heads_cannot_share():
    with pytest.raises(ValueError, match=r"dim=10 and num_heads=4"):
        BottleneckFusion(dim=10, num_heads=4)

import numpy as np

from mmkeras.fusion.parts.joint_tokens import JointTokens, in_every_row
from tests.fusion import by_hand
from tests.layer_checks import call, check_layer, randomize, to_numpy, to_tensors

RANDOM = np.random.default_rng(0)
TOKENS = [RANDOM.standard_normal(shape, "float32") for shape in [(4, 5, 3), (4, 1, 2), (4, 3, 6)]]


def test_joint_tokens(tmp_path):
    check_layer(lambda: JointTokens(8), {"tokens": TOKENS}, (4, 9, 8), tmp_path)


def test_tokens_are_projected_and_marked_with_their_modality():
    joint = JointTokens(8)
    joint.build([x.shape for x in TOKENS])
    randomize(joint)
    embeddings = to_numpy(joint.embeddings)
    expected = [
        by_hand.dense(projection, x) + embedding
        for projection, x, embedding in zip(joint.projections, TOKENS, embeddings, strict=True)
    ]
    np.testing.assert_allclose(
        call(joint, {"tokens": TOKENS}), np.concatenate(expected, axis=1), atol=1e-5
    )


def test_learnt_tokens_stand_in_every_row():
    learnt = RANDOM.standard_normal((2, 8), "float32")
    repeated = to_numpy(in_every_row(*to_tensors([learnt, TOKENS[0]])))
    np.testing.assert_array_equal(repeated, np.stack([learnt] * 4))

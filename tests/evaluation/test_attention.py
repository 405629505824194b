"""Maps of where in an image a fusion looks, for every fusion that looks at tokens."""

import numpy as np
import pytest

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocess import fit_preprocessing
from mmkeras.data.settings import ImageSettings, TextSettings
from mmkeras.evaluation.attention import image_attention
from mmkeras.experiment import make_model
from mmkeras.settings import ModelSettings


def maps(table, **model):
    frame, schema = table
    settings = {
        "picture": ImageSettings(size=(12, 12)),
        "note": TextSettings(representation="tokens"),
    }
    fitted = fit_preprocessing(frame, schema, settings)
    model = ModelSettings(filters=(4,), convs_per_block=1, text_encoder="self_attention", **model)
    rows = Pipeline(frame, fitted, batch_size=8)
    return image_attention(make_model(fitted, model), rows, [0, 5, 9])


@pytest.mark.parametrize("fusion", ["attention", "co_attention", "non_local"])
def test_fusions_that_attend_to_tokens_give_a_map_of_the_image(shared_table, fusion):
    found = maps(shared_table, fusion=fusion)
    assert found.shape == (3, 6, 6)
    assert np.isfinite(found).all() and (found >= 0).all() and found.sum() > 0


@pytest.mark.parametrize("fusion", ["cross_attention", "experts", "modality_attention", "concat"])
def test_fusions_that_do_not_look_at_image_regions_give_none(shared_table, fusion):
    """(The first modality, the picture, is the one that asks in one-way cross-attention.)"""
    assert maps(shared_table, fusion=fusion) is None

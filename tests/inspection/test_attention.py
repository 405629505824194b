"""Maps of where in an image a fusion looks, for every fusion that looks at tokens."""

import numpy as np
import pytest

from mmkeras.data.kinds import ImageSettings, TextSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import make_model
from mmkeras.inspection.attention import attention_to, image_attention, inputs_of_rows
from mmkeras.models.parts import attention_model

pytestmark = pytest.mark.eager

ENCODERS = {
    "image": Encoder("cnn", {"filters": (4,), "convs_per_block": 1}),
    "text": Encoder("self_attention"),
}


def maps(table, **model):
    frame, schema = table
    settings = {
        "picture": ImageSettings(size=(12, 12)),
        "note": TextSettings(representation="tokens"),
    }
    fitted = fit_preprocessing(frame, schema, settings)
    model = Settings(ModelSettings(**model), encoders=ENCODERS)
    rows = Pipeline(frame, fitted, batch_size=8)
    return image_attention(make_model(fitted, model), rows, [0, 5, 9])


@pytest.mark.parametrize("fusion", ["attention", "co_attention", "non_local"])
def test_fusions_that_attend_to_tokens_give_a_map_of_the_image(shared_table, fusion):
    (found,) = maps(shared_table, fusion=fusion).values()
    assert found.shape == (3, 6, 6)
    assert np.isfinite(found).all() and (found >= 0).all() and found.sum() > 0


@pytest.mark.parametrize("fusion", ["cross_attention", "experts", "modality_attention", "concat"])
def test_fusions_that_do_not_look_at_image_regions_give_none(shared_table, fusion):
    """(The first modality, the picture, is the one that asks in one-way cross-attention.)"""
    assert maps(shared_table, fusion=fusion) == {}


@pytest.mark.parametrize("fusion", ["attention", "co_attention"])
def test_only_the_modalities_that_a_row_has_count_as_looking(shared_table, fusion):
    frame, schema = shared_table
    settings = {
        "picture": ImageSettings(size=(12, 12)),
        "note": TextSettings(representation="tokens"),
    }
    frame = frame.assign(note=[None, *frame["note"].iloc[1:]])
    fitted = fit_preprocessing(frame, schema, settings)
    model = make_model(
        fitted,
        Settings(ModelSettings(fusion=fusion), encoders=ENCODERS),
    )
    inputs = inputs_of_rows(Pipeline(frame, fitted), [0, 1])
    found = attention_to(model, inputs, "picture")
    weights = attention_model(model).predict_on_batch(inputs)
    of_facts, of_note = (
        np.asarray(weights[f"{name}_to_picture"]).mean(axis=1) for name in ("facts", "note")
    )
    np.testing.assert_allclose(found[0], of_facts[0, 0], rtol=1e-5)
    words = of_note.shape[1] if fusion == "co_attention" else np.sum(inputs["note"][1] > 0)
    by_both = (of_facts[1, 0] + of_note[1, :words].mean(axis=0)) / 2
    np.testing.assert_allclose(found[1], by_both, rtol=1e-5)

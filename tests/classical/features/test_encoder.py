"""Features by the encoders of a trained model: padding does not count, and it is an estimator."""

import joblib
import numpy as np
import pytest

from mmkeras.classical.features import EncoderFeatures, ModalityFeatures
from mmkeras.data.kinds import ImageSettings
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import Encoder, Settings
from mmkeras.experiment.train import train_run
from mmkeras.schema import Schema
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager


@pytest.fixture(scope="module")
def run(shared_table, tmp_path_factory):
    frame, schema = shared_table
    schema = schema.select(["picture", "note"])
    settings = Settings(
        encoders={
            "image": Encoder("cnn", {"filters": (4,), "convs_per_block": 1}),
            "text": Encoder("lstm", {"units": 4}),
        },
        training=TrainingSettings(epochs=1),
        image=ImageSettings(size=(12, 12)),
    )
    folder = tmp_path_factory.mktemp("runs") / "run"
    return train_run(Splits(frame[:40], frame[40:40], frame[40:]), schema, folder, settings)


@pytest.mark.slow
def test_a_runs_encoders_give_features(run, small_table, tmp_path):
    frame, schema = small_table
    frame = frame.assign(note=["sun", *frame["note"][1:]])
    own = {name: EncoderFeatures(str(run.path), name) for name in ("picture", "note")}
    features = ModalityFeatures(Schema([schema["picture"], schema["note"]], None), extractors=own)
    X = features.fit_transform(frame[:20])
    assert X.shape[0] == 20 and {"picture__unit_0", "note__unit_3"} <= set(
        features.get_feature_names_out()
    )
    # However long the other texts are.
    np.testing.assert_allclose(features.transform(frame[:1]), X[:1], rtol=1e-4, atol=1e-6)
    joblib.dump(features, tmp_path / "features.joblib")
    again = joblib.load(tmp_path / "features.joblib").transform(frame[3:5])
    np.testing.assert_allclose(again, X[3:5], rtol=1e-4, atol=1e-6)


def test_what_is_no_run_or_no_modality_is_told(run, small_table, tmp_path):
    frame, schema = small_table
    for folder, name, error, words in (
        (tmp_path, "note", FileNotFoundError, "not a run folder"),
        (run.path, "sound", ValueError, r"has the modalities \['picture', 'note'\]"),
    ):
        own = {"note": EncoderFeatures(str(folder), name)}
        with pytest.raises(error, match=words):
            ModalityFeatures(schema, extractors=own).fit(frame)

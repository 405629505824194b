import numpy as np
import pytest

from mmkeras.generation import MixtureSampler


def test_samples_lie_where_latents_are_and_a_seed_decides(tmp_path):
    rng = np.random.default_rng(0)
    latents = np.concatenate([rng.normal(-5, 0.1, (50, 2)), rng.normal(5, 0.1, (150, 2))])
    sampler = MixtureSampler.fit(latents, components=2)
    drawn = sampler.draw(2000, seed=1)
    assert (np.abs(np.abs(drawn) - 5) < 0.6).all()
    assert (drawn[:, 0] > 0).mean() == pytest.approx(0.75, abs=0.04)
    sampler.save(tmp_path / "sampler.npz")
    again = MixtureSampler.load(tmp_path / "sampler.npz").draw(2000, seed=1)
    np.testing.assert_array_equal(again, drawn)


def test_there_are_no_more_components_than_latents():
    assert len(MixtureSampler.fit(np.eye(3), components=10).weights) == 3


def test_another_file_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    with pytest.raises(ValueError, match="no mixture"):
        MixtureSampler.load(tmp_path / "other.npz")

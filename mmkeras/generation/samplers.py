"""Where latents of new rows are drawn: beside the prior, a mixture fitted to those of real rows."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.mixture import GaussianMixture

from mmkeras.files import write_arrays


@dataclass(frozen=True, eq=False)
class MixtureSampler:
    """A Gaussian mixture of latents.

    What rows are encoded to seldom fills the prior evenly: latents of the prior may lie where no
    row ever was, and decode to nothing real. This one draws where rows are.

    Args:
        weights: `(components,)`.
        means: `(components, width)`.
        roots: `(components, width, width)`, the covariances' Cholesky factors.

    Example:

    >>> latents = np.random.default_rng(0).normal(size=(100, 2)) + 5.0
    >>> MixtureSampler.fit(latents, components=1).draw(1000, seed=0).mean(axis=0).round().tolist()
    [5.0, 5.0]

    References:
        - [Ghosh et al., 2020](https://arxiv.org/abs/1903.12436) (density estimation afterwards)
    """

    weights: np.ndarray
    means: np.ndarray
    roots: np.ndarray

    @classmethod
    def fit(cls, latents: np.ndarray, components: int = 10, seed: int = 0) -> MixtureSampler:
        """Fits scikit-learn's mixture, of full covariances.

        Args:
            latents: `(rows, width)`.
            components: How many normal distributions; no more than rows.
            seed: Of its start.
        """
        mixture = GaussianMixture(
            min(components, len(latents)), reg_covar=1e-4, random_state=seed
        ).fit(np.asarray(latents, np.float64))
        return cls(mixture.weights_, mixture.means_, np.linalg.cholesky(mixture.covariances_))

    def draw(self, rows: int, seed: int = 0) -> np.ndarray:
        """Latents, float32 `(rows, width)`."""
        random = np.random.default_rng(seed)
        places = random.choice(len(self.weights), size=rows, p=self.weights / self.weights.sum())
        noise = random.normal(size=(rows, self.means.shape[1]))
        moved = np.einsum("rij,rj->ri", self.roots[places], noise)
        return (self.means[places] + moved).astype(np.float32)

    def save(self, path: str | Path) -> None:
        """Writes an `.npz` file."""
        write_arrays(path, weights=self.weights, means=self.means, roots=self.roots)

    @classmethod
    def load(cls, path: str | Path) -> MixtureSampler:
        """Reads it.

        Raises:
            ValueError: It is not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(**{name: stored[name] for name in ("weights", "means", "roots")})
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} holds no mixture of latents: {error}") from error

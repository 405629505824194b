"""What all generative models of several modalities have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops, random

from mmkeras.encoders.configured_layer import constructor_arguments
from mmkeras.generation import posteriors
from mmkeras.generation.view import View

PRESENT = "present"


class MultimodalVAE(keras.Model):
    """A variational autoencoder of several modalities, any of which may be missing.

    Each modality has an encoder, to a normal distribution over one latent that all share, and a
    decoder (`View`). A subclass says how the distributions are joined, and what is trained, in
    `objective`. A batch is a dict of inputs, and with holes of `present`, boolean `(batch,
    modalities)`; it may come with targets, which are not read. Compile it with an optimizer alone.

    Args:
        views: The modalities, by name, in the schema's order.
        latent_dim: The width of the shared latent.
        beta: The weight of divergences, once warm.
        warm_up: Steps in which `beta` rises from 0.
        rescale: The weight of each modality's log-density in training: `"size"` (the largest
            number of values divided by the modality's own, so that a picture does not drown a
            word), or numbers by name; `None` for 1.
        seed: Decides all that is drawn; by default the global seed does.

    Attributes:
        prior_expert: Whether products of experts have the prior among them.
        has_middle: Whether the posterior is one normal distribution, which has a middle.

    Example:

    >>> from mmkeras.generation import build_vae
    >>> from mmkeras.schema import InputSpec, Schema, Tabular
    >>> schema = Schema([Tabular("left", ["x", "y"]), Tabular("right", ["z"])], None)
    >>> inputs = {"left": InputSpec((2,)), "right": InputSpec((1,))}
    >>> model = build_vae(schema, inputs, "mopoe", latent_dim=2, units=(4,), seed=0)
    >>> rows = {"left": np.ones((6, 2), "float32"), "right": np.zeros((6, 1), "float32")}
    >>> rows["present"] = np.array([[True, True]] * 4 + [[True, False]] * 2)
    >>> model.compile("adam", jit_compile=False, run_eagerly=True)
    >>> history = model.fit(rows, verbose=0)
    >>> model.generate({"left": rows["left"]}, ["left"], ["right"], seed=0)["right"].shape
    (6, 1)
    >>> model.log_likelihood(rows, given=["left"], samples=10, seed=0).shape
    (6,)

    References:
        - [Kingma and Welling, 2014](https://arxiv.org/abs/1312.6114)
        - [Suzuki and Matsuo, 2022](https://arxiv.org/abs/2207.02127) (a survey)
    """

    prior_expert: ClassVar[bool] = False
    has_middle: ClassVar[bool] = True

    def __init__(
        self,
        views: Mapping[str, View],
        latent_dim: int = 32,
        beta: float = 1.0,
        warm_up: int = 0,
        rescale: str | Mapping[str, float] | None = "size",
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.autocast = False  # Views and densities read float32.
        if not views:
            raise ValueError("A generative model needs one modality or more. Received: none.")
        if beta < 0 or warm_up < 0:
            raise ValueError(f"`beta` and `warm_up` are 0 or more. Received: {beta} and {warm_up}.")
        self.names = tuple(views)
        self.views = list(views.values())
        self.latent_dim = int(latent_dim)
        self.beta, self.warm_up, self.seed = float(beta), int(warm_up), seed
        self.rescale = rescale
        self._scales = self._checked_scales(rescale)
        self.seed_generator = random.SeedGenerator(seed)
        self.steps_done = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="steps_done"
        )
        self.trackers = [keras.metrics.Mean(name) for name in ("log_density", "divergence")]

    def _checked_scales(self, rescale: str | Mapping[str, float] | None) -> list[float]:
        if rescale == "size":
            largest = max(view.size for view in self.views)
            return [largest / view.size for view in self.views]
        given = {} if rescale is None else rescale
        if isinstance(given, str) or set(given) - set(self.names):
            raise ValueError(
                f"`rescale` is 'size', or numbers for some of {list(self.names)}. Received: "
                f"{rescale!r}."
            )
        return [float(given.get(name, 1.0)) for name in self.names]

    def build(self, input_shape):
        for name, view in zip(self.names, self.views, strict=True):
            if not view.built:
                view.build(tuple(input_shape[name]))
        self.built = True

    def call(self, inputs, training=None):
        """Each modality's latent distribution: means and log-variances `(batch, m, width)`."""
        inputs = self.cleared(inputs)
        said = [
            v(inputs[n], training=training) for n, v in zip(self.names, self.views, strict=True)
        ]
        return tuple(ops.stack(each, axis=1) for each in zip(*said, strict=True))

    def given_of(self, inputs: Mapping[str, Any]) -> Any:
        """Which modalities each row has, boolean `(batch, modalities)`."""
        if PRESENT in inputs:
            return ops.cast(inputs[PRESENT], "bool")
        return ops.ones((ops.shape(inputs[self.names[0]])[0], len(self.names)), dtype="bool")

    def cleared(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The inputs, with zeros in absent modalities: what stands there changes nothing."""
        if PRESENT not in inputs:
            return inputs
        given, kept = self.given_of(inputs), dict(inputs)
        for place, name in enumerate(self.names):
            x = ops.convert_to_tensor(inputs[name])
            there = ops.reshape(given[:, place], (-1, *[1] * (len(x.shape) - 1)))
            kept[name] = ops.where(there, x, ops.zeros_like(x))
        return kept

    # Training.

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        x = self.cleared(x)
        means, log_variances = y_pred
        given = self.given_of(x)
        density, apart = self.objective(x, means, log_variances, given, training)
        if training:
            self.steps_done.assign_add(1)
        beta = self.beta
        if self.warm_up and training:
            # Not in validation, where a first epoch with a small `beta` would look the best.
            share = ops.cast(self.steps_done, "float32") / self.warm_up
            beta = self.beta * ops.minimum(share, 1.0)
        for tracker, value in zip(self.trackers, (density, apart), strict=True):
            tracker.update_state(value)
        return ops.mean(beta * apart - density) + sum(self.losses)

    def objective(
        self, inputs: Mapping[str, Any], means: Any, log_variances: Any, given: Any, training: bool
    ) -> tuple[Any, Any]:
        """What is made large, and what is made small: both `(batch,)`.

        Args:
            inputs: A batch.
            means, log_variances: As `call` gives them.
            given: Boolean `(batch, modalities)`.
            training: Whether the decoders are trained.

        Returns:
            The weighted log-densities of inputs, and the divergences that `beta` weighs.
        """
        raise NotImplementedError

    def log_densities(self, latent: Any, inputs: Mapping[str, Any]) -> Any:
        """Of each modality's inputs given latents `(..., batch, width)`: `(..., batch, m)`."""
        each = [
            view.log_prob(latent, inputs[name])
            for name, view in zip(self.names, self.views, strict=True)
        ]
        return ops.stack(each, axis=-1)

    def weighted(self, densities: Any, counts: Any) -> Any:
        """The sum over the modalities that count, each with its weight: `(..., batch)`."""
        kept = ops.where(ops.cast(counts, "bool"), densities, 0.0)
        return ops.sum(kept * ops.convert_to_tensor(self._scales), axis=-1)

    def draw(self, mean: Any, log_variance: Any, samples: int | None = None) -> Any:
        """Latents of normal distributions, `([samples,] *mean.shape)`; gradients flow through."""
        shape = ops.shape(mean) if samples is None else (samples, *ops.shape(mean))
        noise = random.normal(shape, dtype="float32", seed=self.seed_generator)
        return mean + ops.exp(log_variance / 2) * noise

    def random_subsets(self, given: Any, sizes: Sequence[int] | None = None) -> Any:
        """One set of modalities for each row, drawn evenly among those of what it has.

        Args:
            given: Boolean `(batch, modalities)`.
            sizes: How many modalities a set may have; by default any number.

        Returns:
            Boolean `(batch, modalities)`; nothing where a row has no such set.
        """
        sets = posteriors.subsets(len(self.names))
        if sizes is not None:
            sets = sets[np.isin(sets.sum(axis=1), sizes)]
        sets = ops.convert_to_tensor(sets, dtype="float32")
        lacking = 1.0 - ops.cast(given, "float32")
        fits = ops.matmul(lacking, ops.transpose(sets)) < 0.5
        scores = random.uniform(ops.shape(fits), seed=self.seed_generator)
        chosen = ops.one_hot(ops.argmax(ops.where(fits, scores, -1.0), axis=1), sets.shape[0])
        drawn = ops.matmul(ops.cast(chosen, "float32"), sets) > 0.5
        return ops.logical_and(drawn, ops.any(fits, axis=1, keepdims=True))

    def random_member(self, given: Any) -> Any:
        """One modality of each row's, drawn evenly: boolean `(batch, modalities)`."""
        scores = random.uniform(ops.shape(given), seed=self.seed_generator)
        first = ops.argmax(ops.where(given, scores, -1.0), axis=1)
        chosen = ops.cast(ops.one_hot(first, len(self.names)), "bool")
        return ops.logical_and(chosen, given)

    # The posterior of a set of modalities.

    def joined(self, means: Any, log_variances: Any, given: Any) -> tuple[Any, Any]:
        """Mean and log-variance `(batch, latent)` of the given modalities' product of experts."""
        return posteriors.product_of_experts(means, log_variances, given, prior=self.prior_expert)

    def draw_latent(self, means: Any, log_variances: Any, given: Any) -> Any:
        """One latent for each row, from the posterior of the given modalities."""
        return self.draw(*self.joined(means, log_variances, given))

    def latent_log_prob(self, latent: Any, means: Any, log_variances: Any, given: Any) -> Any:
        """The log-density of latents `(..., batch, latent)` under that posterior."""
        return posteriors.normal_log_prob(latent, *self.joined(means, log_variances, given))

    def draw_prior(self, rows: int) -> Any:
        """Latents of the prior, `(rows, width)`."""
        return random.normal((rows, self.latent_dim), dtype="float32", seed=self.seed_generator)

    def prior_log_prob(self, latent: Any) -> Any:
        return posteriors.normal_log_prob(latent, 0.0, ops.zeros_like(latent))

    def log_ratio(self, latent: Any, means: Any, log_variances: Any, given: Any) -> Any:
        """`log p(z) - log q(z | given)` of latents drawn from the latter, `(..., batch)`."""
        drawn = self.latent_log_prob(latent, means, log_variances, given)
        return self.prior_log_prob(latent) - drawn

    # For people: arrays in, arrays out.

    def encode(
        self,
        inputs: Mapping[str, Any],
        given: Sequence[str] | None = None,
        *,
        mean: bool = False,
        seed: int | None = None,
    ) -> np.ndarray:
        """Latents of rows, from some of their modalities.

        Args:
            inputs: A batch. Modalities that are not given may be left out.
            given: Which to read; by default all that a row has.
            mean: Whether to give the middle of the posterior in place of a draw, where it is one
                normal distribution.
            seed: Decides the draw: the same seed, the same latents.

        Returns:
            `(rows, width)`.

        Raises:
            ValueError: A name that is no modality, or a row without any of those given.
        """
        inputs, counts = self._with_given(inputs, given)
        with self._seeded(seed):
            means, log_variances = self(inputs, training=False)
            if mean:
                latent = self._middle(means, log_variances, counts)
            else:
                latent = self.draw_latent(means, log_variances, counts)
        return ops.convert_to_numpy(latent)

    def _middle(self, means: Any, log_variances: Any, given: Any) -> Any:
        return self.joined(means, log_variances, given)[0]

    def decode(
        self, latent: np.ndarray, wanted: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """The mean of each wanted modality's density, in the unit of the inputs, by name."""
        self._check_names(wanted)
        return {
            name: ops.convert_to_numpy(view.likelihood.mean(view.decode(part)))
            for name, view, part in zip(
                self.names, self.views, self._parts(ops.convert_to_tensor(latent)), strict=True
            )
            if wanted is None or name in wanted
        }

    def _parts(self, latent: Any) -> list[Any]:
        """What of a latent each view decodes."""
        return [latent] * len(self.names)

    def sample(
        self, rows: int, wanted: Sequence[str] | None = None, *, seed: int | None = None
    ) -> dict[str, np.ndarray]:
        """New rows: `decode` of latents from the prior."""
        return self.decode(self.prior_latents(rows, seed=seed), wanted)

    def prior_latents(self, rows: int, *, seed: int | None = None) -> np.ndarray:
        """Latents of the prior, `(rows, width)`."""
        with self._seeded(seed):
            return ops.convert_to_numpy(self.draw_prior(rows))

    def generate(
        self,
        inputs: Mapping[str, Any],
        given: Sequence[str],
        wanted: Sequence[str],
        *,
        mean: bool = False,
        seed: int | None = None,
    ) -> dict[str, np.ndarray]:
        """The wanted modalities of rows, made of the given ones: `decode(encode(...))`."""
        return self.decode(self.encode(inputs, given, mean=mean, seed=seed), wanted)

    def log_likelihood(
        self,
        inputs: Mapping[str, Any],
        given: Sequence[str] | None = None,
        wanted: Sequence[str] | None = None,
        *,
        samples: int = 1000,
        seed: int | None = None,
        chunk: int = 100,
    ) -> np.ndarray:
        """An importance-weighted estimate of each row's log-likelihood, `(rows,)`.

        With `z_k` drawn from `q(z | given)`:

            log p(wanted) ~ log 1/K sum_k p(wanted | z_k) p(z_k) / q(z_k | given)

        It is a lower bound in expectation, and closer with more samples. Where inputs are not
        given but to be conditioned on, take the difference of two: `log p(x, y) - log p(y)`.

        Args:
            inputs: A batch.
            given: From which modalities latents are drawn; by default all.
            wanted: Whose log-likelihood; by default all. Absent ones of a row do not count.
            samples: `K`.
            seed: Decides the draws.
            chunk: How many samples at a time.

        References:
            - [Burda et al., 2016](https://arxiv.org/abs/1509.00519), equation 8
        """
        self._check_names(wanted)
        inputs, counts = self._with_given(inputs, given)
        kept = np.array([wanted is None or name in wanted for name in self.names])
        kept = ops.logical_and(self.given_of(inputs), ops.convert_to_tensor(kept))
        total = None
        with self._seeded(seed):
            means, log_variances = self(inputs, training=False)
            for start in range(0, samples, chunk):
                size = min(chunk, samples - start)
                # A mixture draws anew of which modality each latent is.
                latent = self.draw_latent(
                    ops.tile(means, (size, 1, 1)),
                    ops.tile(log_variances, (size, 1, 1)),
                    ops.tile(counts, (size, 1)),
                )
                latent = ops.reshape(latent, (size, -1, latent.shape[-1]))
                densities = ops.where(kept, self.log_densities(latent, inputs), 0.0)
                ratios = ops.sum(densities, axis=-1) + self.log_ratio(
                    latent, means, log_variances, counts
                )
                part = ops.logsumexp(ratios, axis=0)
                total = part if total is None else ops.logaddexp(total, part)
        return ops.convert_to_numpy(total) - np.log(samples)

    def _with_given(
        self, inputs: Mapping[str, Any], given: Sequence[str] | None
    ) -> tuple[Mapping[str, Any], Any]:
        """All inputs (zeros where they are left out), and which count: `(rows, modalities)`."""
        self._check_names(given)
        there = {name: inputs[name] for name in (*self.names, PRESENT) if name in inputs}
        wanted = set(self.names if given is None else given)
        if missing := sorted(wanted - set(there)):
            raise ValueError(f"The inputs lack {missing}, which are to be read.")
        rows = len(next(iter(there.values())))
        filled = {
            name: there[name] if name in there else np.zeros((rows, *view.shape), "float32")
            for name, view in zip(self.names, self.views, strict=True)
        }
        if PRESENT in there:
            filled[PRESENT] = there[PRESENT]
        elif len(there) < len(self.names):
            known = np.array([name in there for name in self.names])
            filled[PRESENT] = np.broadcast_to(known, (rows, len(self.names)))
        chosen = ops.convert_to_tensor(np.array([name in wanted for name in self.names]))
        counts = ops.logical_and(self.given_of(filled), chosen)
        empty = np.flatnonzero(~ops.convert_to_numpy(counts).any(axis=1))
        if len(empty):
            raise ValueError(
                f"{len(empty):,} rows have none of {sorted(wanted)}, among them row {empty[0]}. "
                "Leave them out, or use `sample`."
            )
        return self.cleared(filled), counts

    def _check_names(self, names: Sequence[str] | None) -> None:
        if unknown := sorted(set(names or ()) - set(self.names)):
            raise ValueError(f"The modalities are {list(self.names)}. Received: {unknown}.")

    @contextlib.contextmanager
    def _seeded(self, seed: int | None) -> Iterator[None]:
        """Draws inside are those of a seed; the ones after are as if there had been none."""
        before = self.seed_generator
        if seed is not None:
            # Not `setattr`: Keras would take it for a part of the model.
            object.__setattr__(self, "seed_generator", random.SeedGenerator(seed))
        try:
            yield
        finally:
            object.__setattr__(self, "seed_generator", before)

    def get_config(self) -> dict[str, Any]:
        views = {
            name: keras.saving.serialize_keras_object(view)
            for name, view in zip(self.names, self.views, strict=True)
        }
        own = constructor_arguments(type(self))
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in own if name != "views"},
            "views": views,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> MultimodalVAE:
        views = {
            name: keras.saving.deserialize_keras_object(view, custom_objects=custom_objects)
            for name, view in config["views"].items()
        }
        return cls(**{**config, "views": views})

"""What is measured of a generative model: coherence, distances, likelihoods, its latent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from mmkeras.data.pipeline import Pipeline
from mmkeras.evaluation.clustering import clustering_metrics
from mmkeras.evaluation.generation import frechet_distance, joint_coherence
from mmkeras.evaluation.probe import linear_probe
from mmkeras.generation import MultimodalVAE
from mmkeras.generation.samplers import MixtureSampler
from mmkeras.progress import ProgressBar
from mmkeras.studies.generation.generation_config import MeasureSettings
from mmkeras.studies.generation.judges import Judge

PRIOR, MIXTURE = "prior", "mixture"
_BATCH = 250

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Measures:
    """What was measured.

    Args:
        coherence: A row for each set of given modalities and each wanted one: `given` (names with
            " + "), `wanted`, `number` (of given), `accuracy` of what is made.
        joint: By sampler, how often all modalities of a sample are of one class.
        frechet: By modality and sampler, the distance of samples from test rows; `training rows`
            is that of as many true rows.
        likelihood: By name ("all", "image", "image given the others") the mean over test rows.
        reconstruction: By modality, the mean absolute error of inputs made of all modalities.
        latent: The probe's accuracy, and figures of clusters.
        judges: By modality, the judge's accuracy on true test rows.
    """

    coherence: pd.DataFrame
    joint: dict[str, float] = field(default_factory=dict)
    frechet: dict[str, dict[str, float]] = field(default_factory=dict)
    likelihood: dict[str, float] = field(default_factory=dict)
    reconstruction: dict[str, float] = field(default_factory=dict)
    latent: dict[str, float] = field(default_factory=dict)
    judges: dict[str, float] = field(default_factory=dict)

    @property
    def by_number(self) -> dict[int, float]:
        """The coherence by how many modalities were given: the mean over what is made of them."""
        if self.coherence.empty:
            return {}
        return self.coherence.groupby("number")["accuracy"].mean().to_dict()

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold them."""
        return {
            "coherence": {str(number): value for number, value in self.by_number.items()},
            "joint_coherence": self.joint,
            "frechet": self.frechet,
            "log_likelihood": self.likelihood,
            "reconstruction": self.reconstruction,
            "latent": self.latent,
            "judges": self.judges,
        }


def measure(
    vae: MultimodalVAE,
    train: Pipeline,
    test: Pipeline,
    judges: Mapping[str, Judge],
    settings: MeasureSettings,
    sampler: MixtureSampler,
) -> Measures:
    """Measures a model on rows that it has not learnt from.

    Args:
        vae: The model.
        train: Its training rows.
        test: Test rows; those that lack a modality are left out.
        judges: By modality; none where there are no classes.
        settings: How many rows, samples and so on.
        sampler: Of latents of the training rows.
    """
    inputs, kept = whole_rows(test, settings.rows)
    reference, learnt = whole_rows(train, settings.rows)
    made = {
        PRIOR: _decoded(vae, vae.prior_latents(len(kept), seed=settings.seed)),
        MIXTURE: _decoded(vae, sampler.draw(len(kept), seed=settings.seed)),
    }
    coherence = pd.DataFrame(columns=["given", "wanted", "number", "accuracy"])
    joint: dict[str, float] = {}
    frechet: dict[str, dict[str, float]] = {}
    latent: dict[str, float] = {}
    if judges:
        judge = next(iter(judges.values()))
        classes, known = judge.labels(test)[kept], judge.labels(train)[learnt]
        coherence = conditional_coherence(vae, inputs, judges, classes, settings.seed)
        for name, arrays in made.items():
            joint[name] = joint_coherence({n: judges[n].classify(x) for n, x in arrays.items()})
        for name, judge in judges.items():
            true = judge.features(inputs[name])
            frechet[name] = {
                sampler: frechet_distance(true, judge.features(arrays[name]))
                for sampler, arrays in made.items()
            }
            frechet[name]["training rows"] = frechet_distance(true, judge.features(reference[name]))
        latent = _of_latents(vae, (reference, known), (inputs, classes), settings.seed)
    return Measures(
        coherence,
        joint,
        frechet,
        likelihoods(vae, inputs, settings) if settings.likelihood_rows else {},
        _reconstruction(vae, inputs, settings.seed),
        latent,
        {name: judge.accuracy for name, judge in judges.items()},
    )


def whole_rows(pipeline: Pipeline, most: int) -> tuple[Arrays, np.ndarray]:
    """Inputs of rows that have all modalities, drawn at random from more; and their places."""
    batches: list[dict[str, np.ndarray]] = [
        {name: values.numpy() for name, values in inputs.items()}
        for inputs, *_ in pipeline.evaluate()
    ]
    whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    places = np.flatnonzero(whole.pop("present").all(axis=1))
    if not len(places):
        raise ValueError("No row has all modalities, so that nothing can be compared with it.")
    if len(places) > most:
        places = np.sort(np.random.default_rng(0).choice(places, most, replace=False))
    return {name: values[places] for name, values in whole.items()}, places


def conditional_coherence(
    vae: MultimodalVAE,
    inputs: Arrays,
    judges: Mapping[str, Judge],
    classes: np.ndarray,
    seed: int = 0,
) -> pd.DataFrame:
    """How often what is made of given modalities is of the row's class, for all sets of them.

    Args:
        vae: The model.
        inputs: Rows that have all modalities.
        judges: By modality.
        classes: The numbers of the rows' classes.
        seed: Decides the draws of latents.

    Returns:
        Columns `given`, `wanted`, `number`, `accuracy`; see `Measures`.
    """
    from mmkeras.generation.posteriors import subsets

    names, found = vae.names, []
    chosen = [each for each in subsets(len(names)) if not each.all()]
    with ProgressBar("coherence", len(chosen)) as progress:
        for given in chosen:
            wanted = [name for name, is_given in zip(names, given, strict=True) if not is_given]
            latent = _encoded(vae, inputs, given, seed)
            for name, values in _decoded(vae, latent, wanted).items():
                right = judges[name].classify(values) == classes
                sources = [n for n, is_given in zip(names, given, strict=True) if is_given]
                found.append(
                    {
                        "given": " + ".join(sources),
                        "wanted": name,
                        "number": len(sources),
                        "accuracy": float(right.mean()),
                    }
                )
            progress.add()
    return pd.DataFrame(found)


def likelihoods(vae: MultimodalVAE, inputs: Arrays, settings: MeasureSettings) -> dict[str, float]:
    """Importance-weighted log-likelihoods in nats a row: of all, of each, of each given the others.

    Bounds: with more samples they come closer to the truth from below. Where a density is not
    normalised (grey values as probabilities), they compare models, and nothing else.
    """
    rows = {name: values[: settings.likelihood_rows] for name, values in inputs.items()}
    samples, names = settings.likelihood_samples, list(vae.names)

    def mean(given: list[str], wanted: list[str]) -> float:
        said = vae.log_likelihood(rows, given, wanted, samples=samples, seed=settings.seed)
        return float(said.mean())

    whole = mean(names, names)
    found = {"all": whole}
    for name in names:
        found[name] = mean([name], [name])
    if len(names) > 1:
        for name in names:
            others = [other for other in names if other != name]
            rest = found[others[0]] if len(others) == 1 else mean(others, others)
            found[f"{name} given the others"] = whole - rest
    return found


def all_latents(vae: MultimodalVAE, inputs: Arrays, seed: int = 0) -> np.ndarray:
    """A latent of each row, of all its modalities: the middle where there is one, else a draw."""
    return _encoded(vae, inputs, np.ones(len(vae.names), bool), seed, mean=vae.has_middle)


def _encoded(
    vae: MultimodalVAE, inputs: Arrays, given: np.ndarray, seed: int, mean: bool = False
) -> np.ndarray:
    names = [name for name, is_given in zip(vae.names, given, strict=True) if is_given]
    rows = len(next(iter(inputs.values())))
    return np.concatenate(
        [
            vae.encode(
                {name: inputs[name][start : start + _BATCH] for name in names},
                names,
                mean=mean,
                seed=seed + start,
            )
            for start in range(0, rows, _BATCH)
        ]
    )


def _decoded(vae: MultimodalVAE, latent: np.ndarray, wanted: list[str] | None = None) -> Arrays:
    parts = [
        vae.decode(latent[start : start + _BATCH], wanted)
        for start in range(0, len(latent), _BATCH)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _reconstruction(vae: MultimodalVAE, inputs: Arrays, seed: int) -> dict[str, float]:
    made = _decoded(vae, all_latents(vae, inputs, seed))
    return {name: float(np.abs(made[name] - inputs[name]).mean()) for name in vae.names}


def _of_latents(
    vae: MultimodalVAE,
    train: tuple[Arrays, np.ndarray],
    test: tuple[Arrays, np.ndarray],
    seed: int,
) -> dict[str, float]:
    """How much of the classes a linear model, and k-means, find in latents of all modalities."""
    learnt, judged = (all_latents(vae, arrays, seed) for arrays, _ in (train, test))
    probe = linear_probe({"z": learnt}, train[1], {"z": judged}, test[1])
    clusters = KMeans(len(np.unique(train[1])), n_init=10, random_state=seed).fit(learnt)
    return {
        "linear probe": probe,
        **{
            f"k-means {name}": value
            for name, value in clustering_metrics(test[1], clusters.predict(judged)).items()
        },
    }

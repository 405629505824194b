"""Generative models by name, for a schema and the form of its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers

from mmkeras.encoders import default_encoder, get_encoder
from mmkeras.generation.densities import DENSITIES
from mmkeras.generation.model import MultimodalVAE
from mmkeras.generation.models import MODELS
from mmkeras.generation.view import View
from mmkeras.schema import InputSpec, Schema

# The density of each kind where none is given. Columns of a table are numbers and one-hot groups.
DEFAULT_DENSITIES = {
    "image": "bernoulli",
    "audio": "laplace",
    "text": "bag_of_words",
    "tabular": "categorical",
}


def build_vae(
    schema: Schema,
    inputs: Mapping[str, InputSpec],
    model: str = "mopoe",
    *,
    latent_dim: int = 32,
    densities: Mapping[str, str] | None = None,
    density_options: Mapping[str, Mapping[str, Any]] | None = None,
    encoders: Mapping[str, str | layers.Layer] | None = None,
    encoder_options: Mapping[str, Mapping[str, Any]] | None = None,
    units: tuple[int, ...] = (128,),
    filters: int = 16,
    **options: Any,
) -> MultimodalVAE:
    """A generative model of a schema's modalities; the target plays no part.

    Args:
        schema: The modalities: pictures, sounds as spectrograms, texts as bags of words, tables.
        inputs: What each looks like when it reaches the model: `preprocessing.inputs`.
        model: A name of `MODELS`.
        latent_dim: The width of what the modalities share.
        densities: Names of `DENSITIES` by modality; by default `DEFAULT_DENSITIES` of the kind.
        density_options: Their arguments, such as `{"image": {"scale": 0.75}}`.
        encoders: By modality a name of its kind's encoders, or a layer.
        encoder_options: Their arguments.
        units: The widths of the hidden layers of dense decoders.
        filters: Channels of decoders of pictures, at full size; 0 for dense decoders.
        **options: Arguments of the model, such as `beta`.

    Returns:
        A built, uncompiled model.

    Raises:
        ValueError: An unknown name or option, or inputs that cannot be generated: of different
            lengths, ids of words, videos, several images.

    Example:

    >>> from mmkeras.schema import Image, Tabular
    >>> schema = Schema([Image("photo"), Tabular("facts", ["price"])], None)
    >>> inputs = {"photo": InputSpec((16, 16, 1)), "facts": InputSpec((1,), groups=(1,))}
    >>> vae = build_vae(schema, inputs, "mvtcae", latent_dim=4, filters=4)
    >>> {name: values.shape for name, values in vae.sample(3, seed=0).items()}
    {'photo': (3, 16, 16, 1), 'facts': (3, 1)}
    """
    if model not in MODELS:
        raise ValueError(f"The generative models are {sorted(MODELS)}. Received: {model!r}.")
    for what, given in (
        ("densities", densities),
        ("density_options", density_options),
        ("encoders", encoders),
        ("encoder_options", encoder_options),
    ):
        if unknown := sorted(set(given or {}) - set(schema.names)):
            raise ValueError(
                f"`{what}` are by modality: {list(schema.names)}. Received: {unknown}."
            )
    width = latent_dim
    if model == "mmvae_plus":
        options = {"own_dim": 16, **options}
        width += options["own_dim"]
    views = {}
    for modality in schema.modalities:
        name, spec = modality.name, inputs[modality.name]
        density = (densities or {}).get(name, DEFAULT_DENSITIES.get(modality.kind))
        if density not in DENSITIES or not _one_size(spec):
            raise ValueError(
                "What is generated are pictures, spectrograms, bags of words, tables and vectors, "
                f"each of one size, with one of the densities {sorted(DENSITIES)}. Received: "
                f"{name!r}, a modality of the kind {modality.kind!r} with {spec}, and "
                f"{density!r}."
            )
        more = dict((density_options or {}).get(name, {}))
        if density == "categorical":
            more = {"groups": _density_groups(spec), **more}
        encoder = get_encoder(
            modality.kind,
            (encoders or {}).get(name, default_encoder(modality, spec)),
            spec,
            **(encoder_options or {}).get(name, {}),
        )
        views[name] = View(
            encoder,
            spec.shape,
            density,
            width,
            density_options=more,
            units=units,
            filters=filters,
            name=f"{name}_view",
        )
    built = MODELS[model](views, latent_dim=latent_dim, **options)
    built.build({name: (None, *inputs[name].shape) for name in schema.names})
    return built


def _density_groups(spec: InputSpec) -> tuple[int, ...]:
    """The widths of one-hot codes, in order; a number has a width of 1."""
    groups = spec.groups or (1,) * (spec.shape[0] or 0)
    if spec.numbers is None:
        return groups
    # A number may have a sign of absence beside it, which is another number here.
    return (1,) * sum(groups[: spec.numbers]) + groups[spec.numbers :]


def _one_size(spec: InputSpec) -> bool:
    return (
        None not in spec.shape
        and len(spec.shape) <= 3
        and spec.dtype == "float32"
        and not (spec.several or spec.is_waveform)
    )

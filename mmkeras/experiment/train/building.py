"""What is trained: rows as pipelines, and the model that the settings describe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from mmkeras.data.media.decoded import decoded_once
from mmkeras.data.memory import give_memory_back
from mmkeras.data.pipeline import CACHE_BUDGET, Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.cells import missing_cells
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import Settings
from mmkeras.models.build import build_model
from mmkeras.schema import InputSpec, Schema
from mmkeras.training.precision import computing_in

if TYPE_CHECKING:
    pass


def fitted_pipelines(
    splits: Splits,
    schema: Schema,
    settings: Settings,
    cache_dir: str | Path,
    presence: bool = False,
) -> tuple[Preprocessing, dict[str, Pipeline]]:
    """Fits the preprocessing on the training rows, and makes a pipeline of each part with rows.

    Args:
        splits: The rows.
        schema: The modalities to use.
        settings: How cells become inputs.
        cache_dir: Where `cache="file"` keeps decoded media.
        presence: Whether the model is told which modalities a row has, in any case.

    Returns:
        The preprocessing, and pipelines by `"train"`, `"validation"` and `"test"`.
    """
    presence |= settings.model.modality_dropout > 0 and len(schema.modalities) > 1
    presence |= any(missing_cells(part, schema).to_numpy().any() for _, part in splits.items())
    with decoded_once():
        preprocessing = fit_preprocessing(
            splits.train,
            schema,
            settings.preprocessing(schema),
            target=settings.target,
            presence=presence,
        )
        give_memory_back()  # the counts of words
        pipelines = {
            name: Pipeline(
                part,
                preprocessing,
                batch_size=settings.training.batch_size,
                on_error=settings.on_error,
                cache=None if settings.cache == "none" else settings.cache,
                cache_dir=cache_dir,
                # All parts together keep to the budget.
                cache_budget=CACHE_BUDGET * len(part) // sum(len(each) for each in splits),
            )
            for name, part in splits.items()
            if len(part)
        }
    return preprocessing, pipelines


def make_model(
    preprocessing: Preprocessing,
    settings: Settings,
    inputs: Mapping[str, InputSpec] | None = None,
    layers: Mapping[str, keras.layers.Layer] | None = None,
    fusion: keras.layers.Layer | None = None,
) -> keras.Model:
    """The model that `settings` describe, for data prepared by `preprocessing`.

    Args:
        preprocessing: Fitted.
        settings: Encoders, fusion and head.
        inputs: By modality, what its inputs look like where they are others than prepared.
        layers: By modality, the encoder where it is another than the settings'.
        fusion: The fusion where it is another than the settings'.
    """
    with computing_in(settings.training.precision):
        all_inputs = {**preprocessing.inputs, **(inputs or {})}
        return _make_model(preprocessing, settings, all_inputs, layers or {}, fusion)


def _make_model(
    preprocessing: Preprocessing,
    settings: Settings,
    inputs: Mapping[str, InputSpec],
    layers: Mapping[str, keras.layers.Layer],
    fusion: keras.layers.Layer | None,
) -> keras.Model:
    schema, model = preprocessing.schema, settings.model
    if len(schema.modalities) == 1:
        model = model.alone()
    encoders = {
        modality.name: settings.encoder_of(modality, preprocessing.inputs[modality.name])
        for modality in schema.modalities
        if modality.name not in layers
    }
    return build_model(
        schema,
        inputs,
        num_outputs=preprocessing.num_outputs,
        decoder=model.decoder_of(preprocessing.task),
        decoder_options={
            **preprocessing.decoder_options(model.decoder),
            **model.options_of_decoder(preprocessing.task),
        },
        encoders={**{name: encoder.name for name, encoder in encoders.items()}, **layers},
        encoder_options={name: encoder.options for name, encoder in encoders.items()},
        fusion=model.fusion if fusion is None else fusion,
        fusion_options=model.constructor_options() if fusion is None else {},
        hidden=model.hidden or (),
        dropout=model.dropout or 0.0,
        fusion_dropout=model.fusion_dropout,
        presence=preprocessing.presence,
        modality_dropout=model.modality_dropout,
        name="multimodal",
    )

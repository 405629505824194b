"""Runs of generative models: settings, training, and the folder that generates from new rows."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd

from mmkeras.csv_files import write_csv
from mmkeras.data.kinds import KINDS
from mmkeras.data.media.images.image_file import encode_png
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.data.tables.splits import Splits
from mmkeras.encoders.configured_layer import constructor_arguments
from mmkeras.experiment.folders import locked
from mmkeras.experiment.imputation import hidden
from mmkeras.experiment.run_folder import HISTORY, METRICS, RECORDED, Run
from mmkeras.experiment.same_run import CHECKPOINT, begin_run, is_finished
from mmkeras.experiment.settings import ModelSettings, Settings
from mmkeras.experiment.train import fitted_pipelines, remove_checkpoint
from mmkeras.files import write_bytes, write_json
from mmkeras.generation import MODELS, MultimodalVAE, build_vae
from mmkeras.models.saved import save_pair
from mmkeras.reading import check_fields
from mmkeras.schema import Modality, Schema
from mmkeras.training.generative import check_generative, fit_generative
from mmkeras.training.precision import computing_in
from mmkeras.training.seeds import set_seed
from mmkeras.training.tensorboard import TensorBoardScalars

# On the command line, a table's names are an option's choices.
if TYPE_CHECKING:
    GenerativeName = str
else:
    GenerativeName = Literal[tuple(MODELS)]


@dataclass(frozen=True)
class GenerationSettings:
    """A generative model, besides its encoders.

    Args:
        model: How the modalities' latent distributions are joined.
        latent_dim: The width of the latent that they share.
        beta: The weight of divergences.
        warm_up: Epochs in which it rises from 0.
        rescale: The weight of each modality's log-density: size (the largest number of values
            divided by the modality's own) or none.
        densities: By modality or kind, how inputs are distributed around what is decoded: a name
            of `mmkeras.generation.DENSITIES`, and after a colon its scale: "laplace:0.75".
        units: Widths of the hidden layers of dense decoders, which vectors have.
        filters: Channels of decoders of pictures, at full size; 0 for dense decoders, which are
            many times faster, and coarser.
        options: The model's own arguments, such as alpha of jmvae and mvtcae, samples of mmvae,
            own_dim of mmvae_plus.

    Raises:
        ValueError: A setting that this model does not have.
    """

    model: GenerativeName = "mopoe"
    latent_dim: int = 32
    beta: float = 1.0
    warm_up: int = 0
    rescale: Literal["size", "none"] = "size"
    densities: Mapping[str, str] = field(default_factory=dict)
    units: tuple[int, ...] = (128,)
    filters: int = 16
    options: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self):
        check_fields(self)
        if self.model not in MODELS:
            raise ValueError(f"`model` is one of {list(MODELS)}. Received: {self.model!r}.")
        common = set(constructor_arguments(MultimodalVAE))
        own = sorted(set(constructor_arguments(MODELS[self.model])) - common - {"views"})
        if unknown := sorted(set(self.options) - set(own)):
            raise ValueError(f"{self.model} has the options {own}. Received: {unknown}.")
        if self.latent_dim < 1:
            raise ValueError(f"`latent_dim` must be at least 1. Received: {self.latent_dim}.")
        for name in ("beta", "warm_up", "filters"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {getattr(self, name)}.")

    def select(self, model: str) -> GenerationSettings:
        """The same for another model: options that it does not have are left out."""
        own = constructor_arguments(MODELS[model])
        options = {name: value for name, value in self.options.items() if name in own}
        return dataclasses.replace(self, model=model, options=options)

    def densities_of(self, schema: Schema) -> tuple[dict[str, str], dict[str, dict[str, float]]]:
        """The densities' names and options, by modality.

        Raises:
            ValueError: A name that is neither a modality nor a kind of one, or no number behind
                the colon.
        """
        kinds = {modality.kind for modality in schema.modalities}
        if unknown := sorted(set(self.densities) - set(schema.names) - kinds):
            raise ValueError(
                f"`densities` are by modality or kind: {[*schema.names, *sorted(kinds)]}. "
                f"Received: {unknown}."
            )
        names, options = {}, {}
        for modality in schema.modalities:
            said = self.densities.get(modality.name, self.densities.get(modality.kind))
            if said is None:
                continue
            names[modality.name], _, scale = said.partition(":")
            if scale:
                try:
                    options[modality.name] = {"scale": float(scale)}
                except ValueError:
                    raise ValueError(
                        f"Behind the colon of a density is its scale, a number. Received: {said!r}."
                    ) from None
        return names, options


class GenerativeRun(Run):
    """The folder of a generative model, which generates on any machine.

    It holds what a run's folder holds, but for predictions.

    Args:
        path: The folder of a finished run of `train_generative`.

    Example:

    ```python
    run = mmkeras.GenerativeRun("runs/generate-emoji/20260102-030405-mopoe")
    run.predict("new_rows.csv", given=["image"], wanted=["text"])
    run.sample(8)
    ```
    """

    # What was measured comes later.
    _metrics = RECORDED

    @property
    def vae(self) -> MultimodalVAE:
        return cast(MultimodalVAE, self.model)

    def predict(  # type: ignore[override]
        self,
        rows: str | Path | pd.DataFrame,
        given: Sequence[str],
        wanted: Sequence[str] | None = None,
        *,
        base_dir: str | Path | None = None,
        batch_size: int = 64,
        mean: bool = False,
        seed: int = 0,
        files: str | Path | None = None,
    ) -> pd.DataFrame:
        """Makes modalities of raw rows of others.

        Args:
            rows: A CSV, Parquet file or DataFrame with the given modalities' columns.
            given: Which modalities are read.
            wanted: Which are made; by default all others.
            base_dir: What paths are relative to; by default the file's folder.
            batch_size: Rows at a time.
            mean: Whether the middle of the latent distribution is decoded, in place of a draw.
            seed: Decides the draws.
            files: A folder for pictures (PNG), whose names are then the cells.

        Returns:
            A cell for each row and column of the wanted modalities, with the rows' index: pictures
            are uint8 arrays, texts their most probable words.

        Raises:
            ValueError: An unknown modality, or one whose inputs are no cells, as sounds'
                spectrograms are not.
        """
        schema, own = self.preprocessing.schema, self.preprocessing.modalities
        for names in (given, wanted or ()):
            if unknown := [name for name in names if name not in schema.names]:
                raise ValueError(f"The modalities are {list(schema.names)}. Received: {unknown}.")
        wanted = [n for n in schema.names if n not in given] if wanted is None else wanted
        read = dataclasses.replace(schema.select(list(given)), target=None)
        frame = read_table(
            rows, read, base_dir=base_dir, decimal_marks=self.preprocessing.decimal_marks
        )
        made: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
        pipeline = self.pipeline(frame, given, batch_size=batch_size)
        for arrays in generated(self.vae, pipeline, given, wanted, mean=mean, seed=seed):
            for name, array in arrays.items():
                made[name].append(array)
        cells = [
            cells_of(schema[name], np.concatenate(parts), own[name]).set_axis(frame.index)
            for name, parts in made.items()
        ]
        table = pd.concat(cells, axis=1)
        return table if files is None else _with_files(table, Path(files))

    def pipeline(self, frame: pd.DataFrame, given: Sequence[str], batch_size: int = 64) -> Pipeline:
        """Rows as the model reads them; modalities that are not given are empty."""
        for modality in self.preprocessing.schema.modalities:
            if modality.name not in given:
                frame = hidden(frame, modality)
        return Pipeline(frame, self.preprocessing, batch_size=batch_size)

    def sample(self, rows: int, *, seed: int = 0) -> dict[str, np.ndarray]:
        """New rows from the prior: arrays in the unit of the model's inputs, by modality."""
        return self.vae.sample(rows, seed=seed)


def cells_of(modality: Modality, values: np.ndarray, fitted: Any) -> pd.DataFrame:
    """The cells that inputs of a modality stand for, a column for each of the modality's."""
    return KINDS[modality.kind].cells_of(values, modality, fitted)


def _with_files(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The table, its pictures written to files that their cells name."""
    folder.mkdir(parents=True, exist_ok=True)
    for column in table:
        if any(isinstance(cell, np.ndarray) for cell in table[column]):
            names = [f"{column}-{place:06d}.png" for place in range(len(table))]
            for name, picture in zip(names, table[column], strict=True):
                write_bytes(folder / name, encode_png(picture))
            table[column] = names
    return table


def generated(
    vae: MultimodalVAE,
    pipeline: Pipeline,
    given: Sequence[str],
    wanted: Sequence[str],
    *,
    mean: bool = False,
    seed: int = 0,
) -> Iterator[dict[str, np.ndarray]]:
    """Batches of wanted modalities made of the given ones, in the pipeline's order."""
    for place, (inputs, *_) in enumerate(pipeline.evaluate()):
        arrays = {name: value.numpy() for name, value in inputs.items()}
        yield vae.generate(arrays, given, wanted, mean=mean, seed=seed + place)


def train_generative(
    splits: Splits,
    schema: Schema,
    folder: str | Path,
    settings: Settings | None = None,
    generation: GenerationSettings | None = None,
    *,
    details: Mapping[str, Any] | None = None,
    label: str | None = None,
) -> GenerativeRun:
    """Trains a generative model of a schema's modalities, and writes its run folder.

    Resumes as `train_run` does. The target, where there is one, is read by nothing in training:
    it is kept for what judges the model.

    Args:
        splits: Training, validation and test rows; without validation rows the last epoch's
            weights are kept.
        schema: The modalities. Rows may have holes.
        folder: The run's folder.
        settings: Encoders, preprocessing, training and seed. Those of fusions have no effect and
            are refused.
        generation: The model.
        details: More for `config.json`.
        label: What progress lines begin with; by default the folder's name.

    Raises:
        ValueError: A setting that has no effect; the folder holds a run of other data or settings.
        FolderInUse: Another process is training in the folder.
    """
    folder = Path(folder)
    settings, generation = settings or Settings(), generation or GenerationSettings()
    check_settings(settings)
    if schema.weight is not None:
        raise ValueError(
            f"Rows are weighed in the loss of a target, which a generative model does not have. "
            f"Received: weight={schema.weight!r} in the schema. Leave it out."
        )
    with locked(folder):
        about = {
            "settings": _acting(settings, schema),
            "generation": dataclasses.asdict(generation),
        }
        if is_finished(folder, splits, schema, settings, about):
            remove_checkpoint(folder)
            return GenerativeRun(folder)
        begin_run(folder, splits, schema, settings, {**about, **(details or {})})
        started = time.perf_counter()
        preprocessing, pipelines = fitted_pipelines(
            splits, schema, settings, folder / "cache", presence=True
        )
        set_seed(settings.seed)
        with computing_in(settings.training.precision):
            model = make_vae(preprocessing, settings, generation, pipelines["train"].steps)
        result = fit_generative(
            model,
            pipelines["train"],
            pipelines.get("validation"),
            settings.training,
            seed=settings.seed,
            checkpoint=folder / CHECKPOINT,
            label=label or folder.name,
            recorders=[TensorBoardScalars(folder)],
        )
        write_csv(folder / HISTORY, result.history)
        save_pair(folder, model, preprocessing)
        metrics = {
            "best_epoch": result.best_epoch,
            "epochs": len(result.history),
            "parameters": int(model.count_params()),
            "seconds": round(float(result.history["seconds"].sum()), 2),
            "total_seconds": round(time.perf_counter() - started, 2),
        }
        write_json(folder / METRICS, metrics)
        remove_checkpoint(folder)
    return GenerativeRun(folder)


def _acting(settings: Settings, schema: Schema) -> dict[str, Any]:
    """The settings that act, as JSON can hold them."""
    values = settings.select(schema).to_dict(schema)
    del values["model"]
    return values


def check_settings(settings: Settings) -> None:
    """Refuses settings of a fusion, a head, or a target: a generative model has none.

    Raises:
        ValueError: There are some.
    """
    check_generative(settings.training)
    if settings.model != ModelSettings() or settings.target:
        raise ValueError(
            "A generative model has no fusion, head or target: their settings would have no "
            f"effect. Received: {settings.model} and target settings {dict(settings.target)}."
        )


def make_vae(
    preprocessing: Preprocessing,
    settings: Settings,
    generation: GenerationSettings,
    steps: int = 1,
) -> MultimodalVAE:
    """The generative model that settings describe, for data prepared by `preprocessing`.

    Args:
        preprocessing: Fitted.
        settings: Its encoders and seed are read.
        generation: The model.
        steps: Steps of an epoch, in which `warm_up` counts.
    """
    schema = preprocessing.schema
    encoders = {
        modality.name: settings.encoder_of(modality, preprocessing.inputs[modality.name])
        for modality in schema.modalities
    }
    densities, options = generation.densities_of(schema)
    whole = {
        name: int(value) if float(value).is_integer() and name != "alpha" else value
        for name, value in generation.options.items()
    }
    return build_vae(
        schema,
        preprocessing.inputs,
        generation.model,
        latent_dim=generation.latent_dim,
        densities=densities,
        density_options=options,
        encoders={name: encoder.name for name, encoder in encoders.items()},
        encoder_options={name: encoder.options for name, encoder in encoders.items()},
        units=generation.units,
        filters=generation.filters,
        beta=generation.beta,
        warm_up=generation.warm_up * steps,
        rescale=None if generation.rescale == "none" else generation.rescale,
        seed=settings.seed,
        **whole,
    )

"""A run's model, or parts of it, that are the caller's own and not the settings'."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.experiment.run_folder import CONFIG
from mmkeras.experiment.settings import ModelSettings, Settings
from mmkeras.files import write_json
from mmkeras.models.architecture import architecture_of, check_savable, input_tensors
from mmkeras.models.parts import knows_parts
from mmkeras.reading import read_json
from mmkeras.schema import Schema
from mmkeras.training.fit import TASKS_OWN, OwnTraining
from mmkeras.training.seeds import same_draws, set_seed
from mmkeras.training.settings import TrainingSettings

Build: TypeAlias = Callable[[Preprocessing, Settings], keras.Model]
OWN_MODEL = "own_model"  # what `config.json` says of it

# Settings of the training that act on parts of a model, which it must know.
_OF_PARTS = {
    "auxiliary": 0.0,
    "translation": 0.0,
    "balance": "none",
    "freeze": (),
    "part_rates": {},
}


@dataclass(frozen=True, eq=False)
class OwnModel:
    """What of a run is the caller's own; nothing, by default.

    Args:
        model: A Keras model, or what builds one from the fitted preprocessing and the settings.
        encoders: Layers by modality name, in a model that is built by the settings.
        fusion: A layer, in a model that is built by the settings.
        training: Loss, metrics and callbacks.
    """

    model: keras.Model | Build | None = None
    encoders: Mapping[str, keras.layers.Layer] = field(default_factory=dict)
    fusion: keras.layers.Layer | None = None
    training: OwnTraining = TASKS_OWN

    def __bool__(self) -> bool:
        return bool(self.given)

    @property
    def given(self) -> list[str]:
        """What is one's own, in words for `config.json`."""
        layers = {f"encoder of {name}": self.encoders[name] for name in sorted(self.encoders)}
        if self.fusion is not None:
            layers["fusion"] = self.fusion
        training = self.training
        layers |= {} if training.loss is None else {"loss": training.loss}
        layers |= {f"metric {number}": each for number, each in enumerate(training.metrics)}
        whole = ["model"] if self.model is not None else []
        callbacks = [f"callback: {type(each).__name__}" for each in training.callbacks]
        return [*whole, *(f"{name}: {_called(each)}" for name, each in layers.items()), *callbacks]

    def check(self, settings: Settings, schema: Schema) -> None:
        """Refuses settings that would have no effect, and parts that the schema does not have.

        Raises:
            ValueError: There are such.
        """
        if self.model is not None and (self.encoders or self.fusion is not None):
            raise ValueError(
                "`model` is the whole model; `encoders` and `fusion` are of one that is built by "
                "the settings. Give either."
            )
        if unknown := sorted(set(self.encoders) - set(schema.names)):
            raise ValueError(
                f"`encoders` goes by modality name; the schema has {list(schema.names)}. "
                f"Unknown: {unknown}."
            )
        if self.fusion is not None and len(schema.names) == 1:
            raise ValueError(
                f"There is nothing to fuse: {schema.names[0]!r} is the only modality. Leave "
                "`fusion` out."
            )
        default = ModelSettings()
        if self.model is not None and settings.model != default:
            raise ValueError(
                "The model is one's own, so that `settings.model` would have no effect. Leave it "
                "out (`dataclasses.replace(settings, model=ModelSettings())`)."
            )
        of_fusion = ("fusion", "pooling", "fusion_options")
        if self.fusion is not None and any(
            getattr(settings.model, name) != getattr(default, name) for name in of_fusion
        ):
            raise ValueError(
                f"The fusion is a layer of one's own, so that `fusion`, `pooling` and "
                f"`fusion_options` would have no effect. Received: {settings.model}."
            )

    def defaults(self, settings: Settings) -> Settings:
        """Settings that were chosen by the rows, without those that would have no effect."""
        if self.model is not None:
            training = dataclasses.replace(settings.training, **_OF_PARTS)  # type: ignore[arg-type]
            return dataclasses.replace(settings, model=ModelSettings(), training=training)
        if self.fusion is not None:
            model = settings.model.with_fusion("concat")
            model = dataclasses.replace(model, pooling=None, fusion_options={})
            return dataclasses.replace(settings, model=model)
        return settings

    def recorded(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Of settings as `config.json` has them, those that act."""
        if self.model is not None:
            return {name: value for name, value in settings.items() if name != "model"}
        if self.fusion is None:
            return settings
        of_fusion = ("fusion", "pooling", "fusion_options")
        model = {k: v for k, v in settings["model"].items() if k not in of_fusion}
        return {**settings, "model": model}

    def build(self, preprocessing: Preprocessing, settings: Settings) -> keras.Model:
        """The model, where it is wholly one's own."""
        model = self.model
        if not isinstance(model, keras.Model):
            model = model(preprocessing, settings)  # type: ignore[misc]
        if not isinstance(model, keras.Model):
            raise ValueError(f"`model` must give a keras.Model. Received: {model!r}.")
        return model

    def check_finished(self, folder: Path, preprocessing: Preprocessing, settings: Settings):
        """Refuses a folder of a finished run of another architecture."""
        if self.model is None:
            return
        with same_draws():
            set_seed(settings.seed)
            model = self.build(preprocessing, settings)
            _call(model, preprocessing)
        self.record(model, folder)

    def check_given(self, config: Mapping[str, Any], folder: Path) -> None:
        """Refuses the folder of a run in which other parts were the caller's own."""
        if self.given != (before := config.get(OWN_MODEL, {}).get("given", [])):
            raise ValueError(
                f"{folder} holds a run in which these were one's own: {before or 'nothing'}. "
                f"Received: {self.given or 'nothing'}. Give the same, or another folder."
            )

    def record(self, model: keras.Model, folder: Path) -> None:
        """Writes into `config.json` which model is trained, or refuses another than began it.

        Raises:
            ValueError: The run was begun with another architecture.
        """
        config = read_json(folder / CONFIG)
        about = {
            "given": self.given,
            "class": f"{type(model).__module__}.{type(model).__qualname__}",
            "architecture": architecture_of(model),
            "weights": [list(weight.shape) for weight in model.weights],
            "parameters": int(model.count_params()),
        }
        before = config.get(OWN_MODEL, {})
        if "architecture" not in before:
            write_json(folder / CONFIG, {**config, OWN_MODEL: about})
        elif before != {**before, **about}:
            raise ValueError(
                f"{folder} holds a run of another architecture; it cannot resume: "
                f"{before['class']} with {before['parameters']:,} parameters, now "
                f"{about['class']} with {about['parameters']:,}. Give the same model, or another "
                "folder."
            )


NOTHING_OWN = OwnModel()


def check_own_model(
    model: keras.Model, rows: Pipeline, training: TrainingSettings | None = None
) -> None:
    """Refuses a model that cannot be trained on a pipeline, or cannot be kept.

    Args:
        model: One's own, wholly or in parts.
        rows: Rows, a few of which it must answer.
        training: How it is to be trained, if it is.

    Raises:
        ValueError: It does not take the pipeline's inputs; its outputs are not the task's; it
            cannot be saved; or settings act on parts that it does not know.
    """
    fitted = rows.preprocessing
    task = fitted.task
    if not knows_parts(model):
        if task.decoders:
            raise ValueError(
                f"An answer of {task.words} comes from a decoder, which the model must name. Build "
                "it with mmkeras.build_model, which takes layers of your own."
            )
        for name, default in _OF_PARTS.items():
            if training is not None and getattr(training, name) != default:
                raise ValueError(
                    f"`{name}` acts on parts of a model (encoders, a fusion), and this model does "
                    "not say which of its layers they are. Leave it out, or build the model with "
                    "mmkeras.build_model, which takes layers of your own."
                )
        output = _call(model, fitted)
        _check_output(model, output, rows)
    with same_draws():
        inputs = _few(rows)
        if not knows_parts(model):
            _check_probabilities(np.asarray(model(inputs, training=False)), task.activation)
        check_savable(model, None if task.decoders else inputs)


def _call(model: keras.Model, fitted: Preprocessing) -> Any:
    """The model's symbolic output for the pipelines' inputs; builds its weights."""
    tensors = input_tensors(fitted)
    described = {name: (*x.shape[1:], x.dtype) for name, x in tensors.items()}
    known = [tensor.name for tensor in model.inputs] if getattr(model, "inputs", None) else None
    if known is not None and set(known) != set(tensors):
        raise ValueError(
            f"The model's inputs must be the pipelines': {described}. Received: {sorted(known)}. "
            "`present` says, where tables have missing cells, which modalities a row has; a "
            "modality that the model does not read is left out by `schema.select`."
        )
    try:
        return model(tensors)
    except Exception as error:
        raise ValueError(
            f"The model does not take the pipelines' inputs, a dict of {described}: {error}"
        ) from error


def _check_output(model: keras.Model, output: Any, rows: Pipeline) -> None:
    task = rows.preprocessing.task
    expected = (None, *rows.targets.shape[1:])
    shape = getattr(output, "shape", None)
    if task.per_step:
        expected = (None, None, rows.targets.shape[-1])
    if shape is None or len(shape) != len(expected) or shape[-1] != expected[-1]:
        raise ValueError(
            f"An answer of {task.words} is one tensor {expected}. Received: "
            f"{shape or type(output).__name__} from {model.name!r}."
        )

    if keras.backend.standardize_dtype(output.dtype) != "float32":
        raise ValueError(
            f"The outputs must be float32, also where the model computes in half the bits. "
            f"Received: {output.dtype}. Give the last layer dtype='float32'."
        )


def _check_probabilities(outputs: np.ndarray, activation: str) -> None:
    """Refuses logits, which the losses and figures would take for probabilities."""
    low, high = outputs.min(), outputs.max()
    wrong = activation != "linear" and (low < -1e-3 or high > 1 + 1e-3)
    if activation == "softmax" and not wrong:
        wrong = not np.allclose(outputs.sum(axis=-1), 1, atol=2e-2)
    if wrong:
        raise ValueError(
            f"The outputs must be probabilities ({activation}). Received values from {low:.3g} to "
            f"{high:.3g}. End the model with activation={activation!r}."
        )


def _few(rows: Pipeline) -> dict[str, np.ndarray]:
    frame = rows.frame.iloc[:4]
    part = Pipeline(frame, rows.preprocessing, batch_size=len(frame))
    return next(part.evaluate().as_numpy_iterator())[0]


def _called(each: Any) -> str:
    """What a layer, loss or metric is called, with a hash of its configuration, if it has one."""
    if hasattr(each, "get_config"):
        return f"{type(each).__name__} ({architecture_of(each)[:8]})"
    return each if isinstance(each, str) else getattr(each, "__name__", type(each).__name__)


def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A layer of the same configuration, with weights of its own."""
    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))

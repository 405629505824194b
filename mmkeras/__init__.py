"""mmkeras: a Keras research codebase for multimodal learning.

`import mmkeras` is cheap: each name below is loaded, with what it needs, when it is first used.
The package's layers and models are registered with Keras as soon as Keras itself is imported, so
that `keras.saving.load_model` finds them after `import mmkeras`, in either order.
"""

import importlib
import logging
import os

import wrapt

from mmkeras.lazy import lazy_names

__version__ = "0.1.0"

# TensorFlow's chatter is not the user's problem. To hear it, set the variable to 0 beforehand.
_QUIET = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3"

_HOME = {
    "Audio": "schema",
    "Boxes": "schema",
    "Image": "schema",
    "Label": "schema",
    "Labels": "schema",
    "Number": "schema",
    "StepLabels": "schema",
    "Schema": "schema",
    "Sequence": "schema",
    "Tabular": "schema",
    "Targets": "schema",
    "Text": "schema",
    "Video": "schema",
    "check_leakage": "data.leakage.check",
    "format_findings": "data.leakage.check",
    "clean_table": "data.tables.clean",
    "infer_schema": "data.tables.infer",
    "read_table": "data.tables.read",
    "k_folds": "data.tables.splits",
    "split_table": "data.tables.splits",
    "load_dataset": "data.datasets",
    "AudioSettings": "data.kinds",
    "ImageSettings": "data.kinds",
    "SequenceSettings": "data.kinds",
    "TabularSettings": "data.kinds",
    "TextSettings": "data.kinds",
    "VideoSettings": "data.kinds",
    "fit_preprocessing": "data.preprocessing",
    "Pipeline": "data.pipeline",
    "build_model": "models.build",
    "build_vae": "generation",
    "compile_model": "models.compile",
    "image_text_classifier": "models.image_text",
    "attention_model": "models.parts",
    "embedding_model": "models.parts",
    "set_seed": "training.seeds",
    "Encoder": "experiment.settings",
    "ModelSettings": "experiment.settings",
    "Settings": "experiment.settings",
    "TrainingSettings": "training.settings",
    "default_settings": "experiment.defaults",
    "train_run": "experiment.train",
    "Run": "experiment.run_folder",
    "list_runs": "experiment.listing",
    "GenerationSettings": "experiment.generative",
    "GenerativeRun": "experiment.generative",
    "train_generative": "experiment.generative",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOME)


@wrapt.when_imported("keras")
def _register_layers(keras):
    for name in (
        "decoders",
        "encoders",
        "encoders.keras_mask",
        "fusion",
        "generation.models",
        "multimodal_model",
        "tasks.samples_f1",
    ):
        importlib.import_module(f"mmkeras.{name}")


@wrapt.when_imported("tensorflow")
def _silence(tensorflow):
    # Not before: in a notebook, TensorFlow turns its own logger up when it is imported.
    if _QUIET:
        logging.getLogger("tensorflow").setLevel(logging.ERROR)

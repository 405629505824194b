"""The run folder: all that a training run leaves, and all that predicting needs."""

from __future__ import annotations

import datetime
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pandas as pd

import mmkeras
from mmkeras.csv_files import read_csv
from mmkeras.data.leakage.finding import Finding
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.read import read_table
from mmkeras.data.tables.splits import Splits
from mmkeras.models.answer import answer_model
from mmkeras.models.saved import MODEL, PREPROCESSING, check_pair, load_model
from mmkeras.reading import check_keys, naming, read_json
from mmkeras.threads import processor, threads
from mmkeras.training.callbacks import EPOCHS, epoch_file
from mmkeras.training.distribution import device_count

CONFIG, METRICS = "config.json", "metrics.json"
HISTORY, PREDICTIONS = "history.csv", "predictions.parquet"
ANSWERS = "answers"  # the folder of answers that are files

# What `config.json` of every run says, and `metrics.json` (`RECORDED`); each has more.
_CONFIG = {
    "seed": int | None,
    "settings": Mapping[str, Any],
    "schema": Mapping[str, Any],
    "rows": Mapping[str, int],
    "data": Mapping[str, str],
    "environment": Mapping[str, Any],
}
_ENVIRONMENT = {
    "command": str,
    "backend": str,
    "python": str,
    "versions": Mapping[str, str],
    "git_commit": str | None,
}
RECORDED = {
    "best_epoch": int | None,
    "epochs": int | None,
    "parameters": int,
    "seconds": float | None,
    "total_seconds": float,
}
_FIGURES = {"test": Mapping[str, float | None]}


def read_run_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a run.

    Raises:
        OSError: It is not there, or cannot be read.
        ValueError: It is damaged, or was changed to what it cannot be.
    """
    path = folder / CONFIG
    config = read_json(path, _CONFIG)
    with naming(path):
        check_keys(config["environment"], _ENVIRONMENT, "environment")
        rows = {"train": int, "validation": int, "test": int}
        check_keys(config["rows"], rows, "rows")
        check_keys(config["data"], dict.fromkeys(rows, str), "data")
        if "training" in config["settings"]:
            check_keys(config["settings"], {"training": Mapping[str, Any]}, "settings")
        if "own_model" in config:
            check_keys(config, {"own_model": Mapping[str, Any]})
            check_keys(config["own_model"], {"given": list[str]}, "own_model")
    return config


class Run:
    """A folder with a trained model and how it came to be.

    `config.json` (all settings, versions, the git commit), `metrics.json`, `history.csv`,
    `predictions.parquet` (the test rows), `model.keras`, `preprocessing.json`, `report.md` with
    its pictures, `README.md` (a model card), and TensorBoard event files. The folder can be moved
    to another machine. Files that are damaged, were edited to what they cannot be, or are of
    another run (`pair.json` ties model and preprocessing) are refused with their names.

    Args:
        path: The folder of a finished run.

    Raises:
        FileNotFoundError: The folder is not a run folder, or the run has not finished.
        ValueError: It holds a generative model.

    Example:

    ```python
    run = mmkeras.Run("runs/train-glyphs/20260102-030405-fused")
    run.metrics["test"]["accuracy"]
    run.predict("new_rows.csv")
    ```
    """

    _metrics: ClassVar[Mapping[str, Any]] = {**RECORDED, **_FIGURES}

    def __init__(self, path: str | Path):
        self.path = Path(path)
        for name in (CONFIG, PREPROCESSING, MODEL, METRICS):
            if not (self.path / name).is_file():
                raise FileNotFoundError(
                    f"{self.path} is not the folder of a finished run: it has no {name}. "
                    "An interrupted run is continued by `experiments/train.py --resume FOLDER`."
                )
        if type(self) is Run and self.is_generative(path):
            raise ValueError(
                f"{path} holds a generative model, which predicts no target. Open it with "
                "mmkeras.GenerativeRun."
            )

    @classmethod
    def create(
        cls,
        folder: str | Path,
        model: keras.Model,
        preprocessing: Preprocessing,
        splits: Splits,
        *,
        findings: Sequence[Finding] | None = None,
        batch_size: int = 64,
        on_error: str = "raise",
    ) -> Run:
        """Makes a run folder around a model that was trained elsewhere, as with `model.fit`.

        It is judged on the validation and test rows, and from then on like any other run: it
        predicts on raw rows, is audited and compared. How it was trained is not known and not said.

        Args:
            folder: The run's folder, new.
            model: A trained Keras model from the pipelines' inputs, by name, to the target's
                answer.
            preprocessing: What it was trained with, fitted on the training rows.
            splits: The rows. Those of training are only noted.
            findings: What the leakage check found in them; `None` where it was not made.
            batch_size: Rows at a time.
            on_error: `"raise"`, or `"skip"` to leave rows out whose cells or files cannot be read.

        Raises:
            ValueError: The folder holds a run; the model does not take these inputs or give these
                answers, or cannot be saved.
        """
        # Stands above this file.
        from mmkeras.experiment.created import create_run

        own = {"findings": findings, "batch_size": batch_size, "on_error": on_error}
        return create_run(folder, model, preprocessing, splits, **own)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @staticmethod
    def is_generative(path: str | Path) -> bool:
        """Whether a folder holds a generative model (`mmkeras.GenerativeRun`)."""
        config = Path(path) / CONFIG
        return config.is_file() and "generation" in read_json(config)

    @cached_property
    def config(self) -> dict[str, Any]:
        return read_run_config(self.path)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        return read_json(self.path / METRICS, self._metrics)

    @property
    def history(self) -> pd.DataFrame:
        """One row per epoch; there is none where the model was trained elsewhere."""
        path = self.path / HISTORY
        with naming(path):
            history = read_csv(path)
            if "epoch" not in history or history.select_dtypes("number").shape != history.shape:
                raise ValueError("one row per epoch was expected, with numbers only.")
        return history

    @property
    def predictions(self) -> pd.DataFrame:
        """The test rows' true and predicted labels and the class probabilities."""
        path = self.path / PREDICTIONS
        if not path.is_file():
            raise FileNotFoundError(f"There is no {path}.")
        try:
            return pd.read_parquet(path)
        except (ValueError, OSError) as error:
            raise ValueError(f"{path} is damaged, or no Parquet file: {error}") from error

    @cached_property
    def preprocessing(self) -> Preprocessing:
        check_pair(self.path, PREPROCESSING)
        return Preprocessing.load(self.path / PREPROCESSING)

    @cached_property
    def model(self) -> keras.Model:
        return load_model(self.path)

    @property
    def kept_epochs(self) -> tuple[int, ...]:
        """The epochs whose weights are kept in files (`TrainingSettings.keep_best`)."""
        files = sorted((self.path / EPOCHS).glob("epoch-*.weights.h5"))
        return tuple(int(file.name[6:10]) for file in files)

    def model_of_epoch(self, epoch: int) -> keras.Model:
        """The model with the weights of one of the epochs that are kept.

        Raises:
            ValueError: It is not kept.
        """
        if epoch not in self.kept_epochs:
            raise ValueError(
                f"The epochs kept in {self.path} are {list(self.kept_epochs)}. Received: {epoch}. "
                "Train with keep_best=2 or more to keep some."
            )
        model, path = load_model(self.path), self.path / EPOCHS / epoch_file(epoch)
        try:
            model.load_weights(path)
        except (ValueError, OSError, KeyError) as error:
            said = str(error).splitlines()[0]
            raise ValueError(f"{path} is damaged, or of another model: {said}") from error
        return model

    @cached_property
    def answering(self) -> keras.Model:
        """The model that answers: `model`, or where a decoder generates, a model around it."""
        return answer_model(self.model)

    @property
    def was_refitted(self) -> bool:
        """Whether the model has learnt the validation rows, too (`TrainingSettings.refit`)."""
        return "refit" in self.metrics

    @cached_property
    def answering_validation(self) -> keras.Model:
        """The model that answers validation rows, and has not learnt them.

        That is `answering`, or where it was refitted, the model of the best epoch before.
        """
        if not self.was_refitted:
            return self.answering
        return answer_model(self.model_of_epoch(self.metrics["best_epoch"]))

    def outputs_of(self, pipeline: Pipeline) -> np.ndarray:
        """The model's outputs for a pipeline's examples, `(examples, outputs)`.

        They are read from `predictions.parquet` where that has them, which is where the rows are
        the run's test rows and the outputs are probabilities; otherwise the model predicts.

        Args:
            pipeline: Rows, prepared by this run's preprocessing.
        """
        columns = [f"p({name})" for name in self.preprocessing.task.classes]
        of_test = fingerprint(pipeline.frame, self.preprocessing.schema)
        if columns and of_test == self.config["data"]["test"]:
            stored = self.predictions
            known = set(columns) <= set(stored.columns)
            if known and stored.index.tolist() == pipeline.examples.index.tolist():
                return stored[columns].to_numpy()
        return pipeline.unpad(self.answering.predict(pipeline.evaluate(), verbose=0))

    def predict(
        self,
        rows: str | Path | pd.DataFrame,
        *,
        base_dir: str | Path | None = None,
        batch_size: int = 64,
        on_error: str = "raise",
        files: str | Path | None = None,
    ) -> pd.DataFrame:
        """Predicts on raw rows; needs this folder and nothing else.

        Args:
            rows: A CSV, Parquet file or DataFrame with the schema's input columns.
            base_dir: What image paths are relative to; by default the file's folder.
            batch_size: Rows at a time.
            on_error: `"raise"`, or `"skip"` to leave rows out whose cells or files cannot be read.
            files: The folder for answers that are files: pictures (PNG) and sequences (.npy). The
                column `file` then names each row's.

        Returns:
            A row for each row predicted, with its index: see `predictions_frame`. Its `attrs`
            say, as `"skipped"`, why rows were left out, and count, as `"unprepared"`, the cells
            that nothing in the training rows prepared the model for, or that are cut, by column; a
            warning says so, too.
        """
        schema = self.preprocessing.schema
        frame = read_table(
            rows,
            schema,
            base_dir=base_dir,
            require_target=False,
            on_error=on_error,
            decimal_marks=self.preprocessing.decimal_marks,
        )
        skipped = frame.attrs.pop("skipped", [])
        frame = frame.drop(columns=list(schema.target_columns), errors="ignore")
        pipeline = Pipeline(frame, self.preprocessing, batch_size=batch_size, on_error=on_error)
        skipped += pipeline.skipped
        for message in skipped:
            print(f"skipped: {message}", file=sys.stderr)
        outputs = pipeline.unpad(self.answering.predict(pipeline.evaluate(), verbose=0))
        predictions = predictions_frame(self.preprocessing, pipeline.examples, outputs, files)
        predictions.attrs["skipped"] = skipped
        predictions.attrs["unprepared"] = [found.to_dict() for found in pipeline.unprepared]
        return predictions

    def export(self, folder: str | Path, format: str = "saved_model", *, rows: bool = True) -> Path:
        """Writes the model for other programs: see `mmkeras.serving.export.export_model`.

        Args:
            folder: A new folder, or an empty one.
            format: `"saved_model"`, whose signature `serve_rows` reads raw rows in TensorFlow
                alone, `"litert"` or `"onnx"`.
            rows: Whether a SavedModel shall read raw rows, too.

        Returns:
            The folder.

        Example:

        ```python
        run.export("exported")
        serve = tf.saved_model.load("exported").signatures["serve_rows"]
        ```
        """
        # Imports TensorFlow's converters, which other uses of a run need not wait for.
        from mmkeras.serving.export import export_model

        return export_model(self.model, self.preprocessing, folder, format, rows=rows)


def predictions_frame(
    preprocessing: Preprocessing,
    frame: pd.DataFrame,
    outputs: np.ndarray,
    files: str | Path | None = None,
) -> pd.DataFrame:
    """A table of predictions.

    Args:
        preprocessing: Names the classes.
        frame: The rows, or with a label per step `Pipeline.examples`; its index is kept, as are
            the schema's id, the column `step` and, if there, the target (as `true`).
        outputs: What the model gave, `(rows, outputs)`.
        files: The folder for answers that are files.

    Returns:
        Columns `true` (if known), `predicted`, and for classes `confidence` and one column of
        probabilities a class, `p(NAME)`; with `files`, where there are any, `file`.
    """
    schema, task = preprocessing.schema, preprocessing.task
    columns: dict[str, Any] = {}
    if schema.id is not None and schema.id in frame:
        own = ("true", "predicted", "confidence")
        columns[f"id({schema.id})" if schema.id in own else schema.id] = frame[schema.id].to_numpy()
    if task.per_step:
        columns["step"] = frame["step"].to_numpy()
    columns |= task.prediction_columns(frame, outputs)
    if files is not None and (names := task.saved(frame, outputs, Path(files))) is not None:
        columns["file"] = np.array(names, dtype=object)
    index = frame.index
    if pd.api.types.infer_dtype(index) not in ("integer", "string"):
        index = index.map(str)  # Parquet takes no index of mixed types.
    return pd.DataFrame(columns, index=index)


def time_now() -> str:
    """The local time as `created` says it, fine enough to order the runs of one experiment."""
    return datetime.datetime.now().isoformat(timespec="microseconds")


def environment() -> dict[str, Any]:
    """What a result depends on besides its settings: versions, backend, commit, command."""
    packages = ("keras", "tensorflow", "jax", "torch", "numpy", "pandas", "scikit-learn", "pillow")
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "mmkeras": mmkeras.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "backend": keras.backend.backend(),
        "processor": processor(),
        "threads": threads(),
        "devices": device_count(),
        "versions": versions,
        "git_commit": _git_commit(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def _git_commit() -> str | None:
    """The commit of the checkout that this package is in, "+changes" if it was edited."""
    here = Path(__file__).resolve().parents[2]
    try:
        # Fails where the package is in some other project's repository, as in its .venv.
        _git(here, "ls-files", "--error-unmatch", "mmkeras/experiment/run_folder.py")
        commit = _git(here, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(here, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()

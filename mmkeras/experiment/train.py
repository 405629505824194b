"""One training run, from splits to a finished run folder."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

from mmkeras.csv_files import write_csv
from mmkeras.data.leakage.finding import Finding
from mmkeras.data.media.decoded import decoded_once
from mmkeras.data.memory import give_memory_back
from mmkeras.data.pipeline import CACHE_BUDGET, Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.cells import missing_cells
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.defaults import default_settings
from mmkeras.experiment.folders import locked
from mmkeras.experiment.own_model import (
    NOTHING_OWN,
    Build,
    OwnModel,
    check_own_model,
    copied,
)
from mmkeras.experiment.rows import save_findings
from mmkeras.experiment.run_folder import (
    ANSWERS,
    CONFIG,
    HISTORY,
    METRICS,
    PREDICTIONS,
    Run,
    predictions_frame,
)
from mmkeras.experiment.same_run import CHECKPOINT, begin_run, is_finished, run_digest
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.start import NO_START, Start
from mmkeras.files import many_to_disk, write_json, written
from mmkeras.models.answer import answer_model
from mmkeras.models.build import build_model
from mmkeras.models.compile import default_jit
from mmkeras.models.saved import save_pair
from mmkeras.reading import read_json
from mmkeras.reports.model_card import write_model_card
from mmkeras.reports.run_report import comparison_table, write_report
from mmkeras.schema import InputSpec, Schema
from mmkeras.tasks import Task
from mmkeras.training.callbacks import EPOCHS, epoch_file
from mmkeras.training.distribution import agreed, check_batches, leads
from mmkeras.training.fit import OwnTraining, fit
from mmkeras.training.frozen import take_back, without_frozen
from mmkeras.training.precision import computing_in
from mmkeras.training.refit import REFIT, Refit, beginning_of, refit
from mmkeras.training.seeds import same_draws, set_seed
from mmkeras.training.tensorboard import TensorBoardScalars

if TYPE_CHECKING:
    from mmkeras.classical.floor.floor import Floor

_SECONDS_TO_SEE = 60  # until a file that another machine has written is there
FEATURES = "features"  # where a folder of caches has the tokens of frozen encoders


def train_run(
    splits: Splits,
    schema: Schema,
    folder: str | Path,
    settings: Settings | None = None,
    *,
    findings: Sequence[Finding] | None = None,
    model: keras.Model | Build | None = None,
    encoders: Mapping[str, keras.layers.Layer] | None = None,
    fusion: keras.layers.Layer | None = None,
    loss: Any = None,
    metrics: Sequence[Any] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    start_from: str | Path | None = None,
    compare_with: Mapping[str, Run] | None = None,
    floor: Floor | None = None,
    details: Mapping[str, Any] | None = None,
    cache_dir: str | Path | None = None,
    label: str | None = None,
) -> Run:
    """Trains one model and writes its run folder.

    Called again on the folder of an interrupted run with the same data and settings, it resumes
    after the last whole epoch and ends where the uninterrupted run would have ended; on the
    folder of a finished run it does nothing.

    Args:
        splits: Training, validation and test rows. Without validation rows the last epoch's
            weights are kept.
        schema: The modalities to use; a subset (`schema.select`) gives a unimodal baseline.
        folder: The run's folder.
        settings: How; by default what suits the training rows (`default_settings`).
        findings: What the leakage check found in these splits, for the report and `leakage.json`;
            `None` where it was not made.
        model: A Keras model of one's own, or what builds it from the fitted `Preprocessing` and
            the settings: from the pipelines' inputs, by name, to the target's answer. A ready one
            goes on from the weights that it has. `settings.model` then has no effect.
        encoders: Layers of one's own by modality name, in the model that the settings describe.
        fusion: A fusion layer of one's own in that model.
        loss, metrics, callbacks: Of one's own, as Keras takes them: a loss in place of the task's,
            metrics besides the task's in the history, and callbacks.
        start_from: The folder of a finished run of the same rows and architecture, whose weights
            the model begins with. Its optimizer's state is not taken over: rate and schedule begin
            anew.
        compare_with: Finished runs on the same test rows, by name, for the report.
        floor: Classical models on the same rows (`floor_of`), which report and metrics show.
        details: More for `config.json`.
        cache_dir: Where `cache="file"` keeps decoded images, by default inside the folder; and
            where the tokens of frozen encoders are kept for other runs, by default nowhere.
        label: What progress lines begin with; by default the folder's name.

    Returns:
        The finished `Run`.

    Raises:
        FileNotFoundError: `start_from` is no finished run.
        ValueError: The folder holds a run of other data, other settings or another model of one's
            own; there are no training or no test rows; a model of one's own cannot be trained or
            saved; callbacks of one's own beside a refit.
        FolderInUse: Another process is training in the folder.
    """
    if schema.target is None:
        raise ValueError(
            "The schema has no target, so there is nothing to train a model to predict. Give it "
            "one, for example target=Label('species')."
        )
    for name, part in (("training", splits.train), ("test", splits.test)):
        if not len(part):
            raise ValueError(f"There are no {name} rows. Give them a share of the table above 0.")
    own_training = OwnTraining(loss, tuple(metrics), tuple(callbacks))
    own, folder = OwnModel(model, encoders or {}, fusion, own_training), Path(folder)
    settings = settings or own.defaults(default_settings(splits.train, schema))
    own.check(settings, schema)
    if settings.training.refit and own_training.callbacks:
        raise ValueError(
            "`refit` trains twice, and callbacks of one's own are made for one training. Leave "
            "one of them out."
        )
    start = Start.of(start_from)
    if start_from is not None and model is not None:
        raise ValueError("A `model` of one's own has its weights; `start_from` would replace them.")
    label = label or folder.name
    check_batches(settings.training.batch_size)
    if not leads():
        return _train_along(splits, schema, folder, settings, own, start, cache_dir, label)
    with locked(folder):
        finished = is_finished(folder, splits, schema, settings, start.identity, own=own)
        agreed([folder.name, run_digest(splits, schema, settings, own), finished])
        if finished:
            own.check_finished(folder, Run(folder).preprocessing, settings)
            remove_checkpoint(folder)
            return Run(folder)
        begin_run(folder, splits, schema, settings, {**(details or {}), **start.about}, own)
        started = time.perf_counter()
        preprocessing, pipelines = fitted_pipelines(
            splits, schema, settings, cache_dir or folder / "cache"
        )
        if settings.cache == "file":
            agreed("decoded")
        start.check(preprocessing)
        trained = train_and_judge(
            preprocessing,
            pipelines,
            settings,
            checkpoint=folder / CHECKPOINT,
            label=label,
            recorders=[TensorBoardScalars(folder)],
            second_recorders=[TensorBoardScalars(folder, train=REFIT)],
            features=cache_dir and Path(cache_dir) / FEATURES,
            own=own,
            start=start,
            built=functools.partial(own.record, folder=folder) if own else None,
        )
        figures = write_results(
            folder,
            trained,
            preprocessing,
            pipelines,
            started,
            findings=findings,
            floor=floor,
            compare_with=compare_with,
            label=label,
        )
        _move_epochs((folder / CHECKPOINT).parent / EPOCHS, folder / EPOCHS)
        # Last: a folder with metrics is a finished run.
        write_json(folder / METRICS, figures)
        remove_checkpoint(folder)
    agreed("written")
    return Run(folder)


def _train_along(
    splits: Splits,
    schema: Schema,
    folder: Path,
    settings: Settings,
    own: OwnModel,
    start: Start,
    cache_dir: str | Path | None,
    label: str,
) -> Run:
    """What `train_run` is in the other processes of a training: they write nothing."""
    name, digest, finished = agreed()
    if name != folder.name or digest != run_digest(splits, schema, settings, own):
        raise ValueError(
            f"The first process trains a run {name} of other rows or settings than this one's "
            f"{folder.name}. Give all of them the same command, and the same data."
        )
    if finished:
        return Run(folder)
    if settings.cache == "file":
        agreed()  # the first one decodes for all
    preprocessing, pipelines = fitted_pipelines(
        splits, schema, settings, cache_dir or folder / "cache"
    )
    start.check(preprocessing)
    train_and_judge(
        preprocessing,
        pipelines,
        settings,
        parts=(),
        checkpoint=folder / CHECKPOINT,
        label=label,
        features=cache_dir and Path(cache_dir) / FEATURES,
        own=own,
        start=start,
    )
    agreed()
    until = time.monotonic() + _SECONDS_TO_SEE
    while not (folder / METRICS).exists() and time.monotonic() < until:
        time.sleep(1)
    if not (folder / METRICS).exists():
        raise ValueError(
            f"{folder} is not the folder that the first process writes to. All processes need one "
            "on a disk that all of them see."
        )
    return Run(folder)


def _move_epochs(kept: Path, place: Path) -> None:
    """Moves the files of kept epochs; a run that died in the middle may have moved some."""
    if kept.exists():
        place.mkdir(exist_ok=True)
        for file in kept.iterdir():
            file.replace(place / file.name)


def remove_checkpoint(folder: Path) -> None:
    """Removes what only an unfinished run needs; it may be there if a run died as it finished."""
    if (checkpoints := (folder / CHECKPOINT).parent).exists():
        shutil.rmtree(checkpoints)


def write_results(
    folder: Path,
    trained: TrainedModel,
    preprocessing: Preprocessing,
    pipelines: Mapping[str, Pipeline],
    started: float,
    *,
    findings: Sequence[Finding] | None,
    floor: Floor | None = None,
    compare_with: Mapping[str, Run] | None = None,
    label: str = "",
) -> dict[str, Any]:
    """Writes all that a run folder has of a trained model but `metrics.json`, which it returns.

    Args:
        folder: It has `config.json`.
        trained: The model.
        preprocessing, pipelines: What it was judged by, with the test rows.
        started: When all of it began, by `time.perf_counter`.
        findings, floor, compare_with, label: As for `train_run`.
    """
    preprocessing = dataclasses.replace(preprocessing, fitted_target=trained.task)
    pipelines = {name: each.judged_by(trained.task) for name, each in pipelines.items()}
    test, outputs = pipelines["test"], trained.outputs["test"]
    figures = _run_metrics(trained, pipelines, time.perf_counter() - started)
    if floor is not None:
        said = in_own_unit(test, outputs)[1]
        figures["floor"] = floor.against(said, test.groups, trained.task).to_dict()
    _write_run(folder, preprocessing, test, trained)
    if findings is not None:
        save_findings(folder, findings)
    config = read_json(folder / CONFIG)
    write_report(
        folder,
        model=trained.model,
        pipeline=test,
        outputs=outputs,
        history=trained.history,
        metrics=figures,
        config=config,
        findings=findings,
        comparison=_comparison(compare_with or {}, label, figures, preprocessing.task),
    )
    write_model_card(folder, preprocessing, config, figures)
    return figures


def floor_of(splits: Splits, schema: Schema, settings: Settings) -> Floor:
    """The classical floor under a run on these rows, its cells read as the run reads them.

    It learns the rows that the run learns: with a refit those of validation, too.
    """
    # Imports much of scikit-learn, which runs without a floor need not wait for.
    from mmkeras.classical.floor.floor import FLOOR, find_floor

    if settings.training.refit:
        splits = splits.all_learnt
    judged = {name: part for name, part in splits.items() if name != "train"}
    floor = find_floor(splits.train, judged, schema, settings.preprocessing(schema))
    main, score = floor.task.main, floor.figures["test"][floor.task.main.key]
    print(f"{FLOOR}: {floor.method}, {main.words} {main.shown(score)} ({floor.seconds:.0f} s)")
    return floor


def _run_metrics(
    trained: TrainedModel, pipelines: Mapping[str, Pipeline], seconds: float
) -> dict[str, Any]:
    """What `metrics.json` says."""
    task = pipelines["test"].preprocessing.task
    true, said = in_own_unit(pipelines["test"], trained.outputs["test"])
    signatures = task.signatures()
    known = trained.best_epoch is not None
    return {
        **trained.summary(),
        "seconds": round(float(trained.history["seconds"].sum()), 2) if known else None,
        **trained.metrics,
        **({"refit": dataclasses.asdict(trained.refit)} if trained.refit else {}),
        "constant": {"answer": task.constant_words(true), "test": task.constant_figures(true)},
        "remarks": task.remarks(true, said),
        **({"signatures": signatures} if signatures else {}),
        "skipped": [f"{n}: {text}" for n, pipe in pipelines.items() for text in pipe.skipped],
        "unprepared": [f"{n}: {each}" for n, p in pipelines.items() for each in p.unprepared],
        "total_seconds": round(seconds, 2),
    }


def _write_run(
    folder: Path, preprocessing: Preprocessing, test: Pipeline, trained: TrainedModel
) -> None:
    """Writes the preprocessing, the history, the model and the predictions."""
    if trained.best_epoch is not None:
        write_csv(folder / HISTORY, trained.history)
    save_pair(folder, trained.model, preprocessing)
    predictions = predictions_frame(
        preprocessing, test.examples, trained.outputs["test"], folder / ANSWERS
    )
    if (folder / ANSWERS).exists():
        many_to_disk()
    with written(folder / PREDICTIONS) as temporary:
        predictions.to_parquet(temporary)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model, and how good it is.

    Args:
        model: It has the weights of its best epoch, or of the second training.
        history: One row per epoch of the first training.
        best_epoch: The epoch (from 1) that was chosen; `None` where it was trained elsewhere.
        outputs: By part, the model's outputs `(examples, outputs)`.
        metrics: By part, the task's figures.
        task: The fitted target, with thresholds that suit this model, where it has any.
        judged_by: A model of the same answers, and what feeds it: without the encoders that are
            frozen, whose tokens are known.
        refit: The second training, on the validation rows too (`TrainingSettings.refit`), where
            there was one. What is said of validation rows is then of the model before.
    """

    model: keras.Model
    history: pd.DataFrame
    best_epoch: int | None
    outputs: dict[str, np.ndarray]
    metrics: dict[str, dict[str, float]]
    task: Task
    judged_by: tuple[keras.Model, Mapping[str, Pipeline]] | None = None
    refit: Refit | None = None

    def summary(self) -> dict[str, int | None]:
        """What every experiment records besides the figures."""
        return {
            "best_epoch": self.best_epoch,
            "epochs": None if self.best_epoch is None else len(self.history),
            "parameters": int(self.model.count_params()),
        }


def train_and_judge(
    preprocessing: Preprocessing,
    pipelines: Mapping[str, Pipeline],
    settings: Settings,
    *,
    parts: Sequence[str] = ("validation", "test"),
    checkpoint: Path | None = None,
    label: str = "training",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    recorders: Sequence[keras.callbacks.Callback] = (),
    second_recorders: Sequence[keras.callbacks.Callback] = (),
    features: Path | None = None,
    own: OwnModel = NOTHING_OWN,
    start: Start = NO_START,
    built: Callable[[keras.Model], None] | None = None,
) -> TrainedModel:
    """Builds a model, trains it, and predicts the rows that it is judged by.

    Args:
        preprocessing, pipelines: As `fitted_pipelines` returned them.
        settings: Model, training and seed.
        parts: What to predict, of the parts that have rows.
        checkpoint, label, callbacks, recorders: As for `mmkeras.training.fit.fit`.
        second_recorders: Recorders of the second training, where there is one.
        features: Where the tokens of frozen encoders are kept for other runs; `None` for nowhere.
        own: What of the model is the caller's own.
        start: Where the weights come from that it begins with.
        built: Called with a model of one's own before it is trained.
    """
    set_seed(settings.seed)
    if own.model is not None:
        with computing_in(settings.training.precision):
            model = own.build(preprocessing, settings)
    else:
        model = make_model(preprocessing, settings, layers=own.encoders, fusion=own.fusion)
    if own:
        check_own_model(model, pipelines["train"], settings.training)
    if built is not None:
        built(model)
    start.give(model)

    def rebuild(inputs: Mapping[str, Any], encoders: Mapping[str, Any]) -> keras.Model:
        with same_draws():
            copies = {name: copied(layer) for name, layer in own.encoders.items()}
            fusion = own.fusion and copied(own.fusion)
            return make_model(preprocessing, settings, inputs, {**copies, **encoders}, fusion)

    rest, pipelines = model, dict(pipelines)
    if own.model is None:
        if features is not None and not leads():
            agreed()  # the first one encodes for all
        rest, pipelines = without_frozen(model, pipelines, rebuild, features)
        if features is not None and leads():
            agreed("encoded")
    validation = pipelines.get("validation")
    again = settings.training.refit and validation is not None
    training = dataclasses.replace(settings.training, refit=False)
    beginning = beginning_of(rest) if again else []

    def whole() -> keras.Model:
        take_back(model, rest)
        return model

    result = fit(
        rest,
        pipelines["train"],
        validation,
        training,
        seed=settings.seed,
        checkpoint=checkpoint,
        label=label,
        callbacks=callbacks,
        recorders=recorders,
        own=own.training,
        kept=whole,
    )
    take_back(model, rest)
    judged = {name: pipelines[name] for name in parts if name in pipelines}
    outputs, figures, task, second = {}, {}, preprocessing.task, None
    if again:
        # What is said of validation rows, and fitted on them, is of the model that did not learn
        # them.
        outputs, figures, task = judge(rest, {"validation": validation}, task, validation)
        if checkpoint is not None and leads():
            _keep(model, checkpoint.parent / EPOCHS / epoch_file(result.best_epoch))
        second = refit(
            rest,
            beginning,
            pipelines["train"],
            validation,
            training,
            epochs=result.best_epoch,
            seed=settings.seed,
            checkpoint=checkpoint,
            label=label,
            recorders=second_recorders,
            own=own.training,
        )
        take_back(model, rest)
        judged.pop("validation", None)
    if own.training.loss is not None or own.training.metrics:
        # A run folder needs no loss or metric to predict, and must load without their classes.
        # Of all optimizers, plain SGD keeps nothing in the file.
        model.compile("sgd", jit_compile=default_jit())
    answers = judge(rest, judged, task, None if again else validation)
    return TrainedModel(
        model,
        result.history,
        result.best_epoch,
        {**outputs, **answers[0]},
        {**figures, **answers[1]},
        answers[2],
        judged_by=(rest, pipelines),
        refit=second,
    )


def _keep(model: keras.Model, file: Path) -> None:
    """Writes the weights that validation rows are judged by, before the model learns them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with written(file) as temporary:
        model.save_weights(temporary)


def judge(
    model: keras.Model,
    pipelines: Mapping[str, Pipeline],
    task: Task,
    validation: Pipeline | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, float]], Task]:
    """What a model answers, and how good that is.

    Args:
        model: A trained model.
        pipelines: Rows by part.
        task: The fitted target.
        validation: Rows that the thresholds of answers are fitted on, where the task has any.

    Returns:
        By part the outputs for its examples; by part the task's figures for them; and the task,
        with thresholds that suit the model.
    """
    answering = answer_model(model)

    def said(pipeline: Pipeline) -> np.ndarray:
        return pipeline.unpad(answering.predict(pipeline.evaluate(), verbose=0))

    outputs = {name: said(pipeline) for name, pipeline in pipelines.items()}
    if pipelines and validation is not None and task.has_thresholds:
        known = [outputs[name] for name, pipeline in pipelines.items() if pipeline is validation]
        values = known[0] if known else said(validation)
        task = task.tuned(*in_own_unit(validation, values))
    figures = {
        name: task.figures(*in_own_unit(pipeline, outputs[name]))
        for name, pipeline in pipelines.items()
    }
    return outputs, figures, task


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


def _comparison(
    others: Mapping[str, Run], label: str, metrics: Mapping[str, Any], task: Task
) -> pd.DataFrame | None:
    if not others and "floor" not in metrics:
        return None
    results = {name: run.metrics for name, run in others.items()}
    return comparison_table({**results, label: metrics}, task)


def in_own_unit(pipeline: Pipeline, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A pipeline's targets and a model's outputs for them; numbers in the target's own unit."""
    task = pipeline.preprocessing.task
    return task.own_unit(pipeline.targets), task.own_unit(outputs)

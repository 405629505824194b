"""What the experiment scripts share: the data set's preset, and errors in one line."""

from __future__ import annotations

import dataclasses
import errno
import os
import sys
import textwrap
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import docstring_parser
import pandas as pd
import tyro

from mmkeras.data.datasets import DATASETS
from mmkeras.data.kinds import KINDS
from mmkeras.encoders import ENCODERS
from mmkeras.encoders.configured_layer import constructor_arguments
from mmkeras.experiment.assignments import assign
from mmkeras.experiment.data_config import DataConfig, data_config_from_json
from mmkeras.experiment.defaults import default_settings
from mmkeras.experiment.own_model import OWN_MODEL
from mmkeras.experiment.presets import preset
from mmkeras.experiment.rows import experiment_rows, open_fold
from mmkeras.experiment.settings import Encoder, Settings
from mmkeras.fusion import FUSIONS, fusion_options
from mmkeras.interrupts import INTERRUPTED, let_through, resume_command, same_command
from mmkeras.progress import no_bars, print_anything
from mmkeras.reading import read_json
from mmkeras.schema import Schema
from mmkeras.studies.jobs import JobDied, JobsMissing, set_engine
from mmkeras.studies.ray_jobs import RayEngine
from mmkeras.threads import pin_threads
from mmkeras.training.distribution import ProcessLost, together, use_devices

Config = TypeVar("Config")


def parse(
    config_class: type[Config],
    arguments: Sequence[str],
    description: str,
    dataset: str = DataConfig.dataset,
    fusion: str | None = None,
    settings: Settings | None = None,
    by_rows: bool = False,
    once: bool = False,
    **defaults: Any,
) -> Config:
    """A configuration from the command line, with the data set's preset as its defaults.

    For a table of one's own, defaults are chosen by its training rows
    (`mmkeras.experiment.defaults`), where the script asks for that, and said.

    Besides the fields of the class, all scripts take `--config FILE` (the `config.json` of a run,
    which is then started again with what the command line changes, or settings of one's own in the
    place of the preset), `--set WHERE.NAME=VALUE ...` (`mmkeras.experiment.assignments`),
    `--threads N` (`pinned`), `--engine` and `--job` (`engaged`), and `--help-all`.

    Args:
        config_class: A dataclass with the fields `data` (a `DataConfig`) and `settings`.
        arguments: The command line, without the script.
        description: What `--help` says first.
        dataset: The data set if the command line names none.
        fusion: The fusion that settings are for, if the command line names none; by default the
            preset's.
        settings: Instead of the data set's preset.
        by_rows: Whether defaults for a table of one's own are chosen by its training rows.
        once: Whether these then train each model once in any case, as many models want it.
        **defaults: Of other fields of the configuration.
    """
    rest = engaged(pinned(arguments))
    several = any(field.name == "workers" for field in dataclasses.fields(config_class))
    if not several and option(arguments, "--engine") is not None:
        raise ValueError("--engine is for scripts that train several models; this trains one.")
    rest, words = without(rest, "--set", several=True)
    rest, files = without(rest, "--config")
    dataset = option(rest, "--dataset") or dataset
    if dataset not in DATASETS:
        raise ValueError(f"No data set {dataset!r}. There are: {', '.join(DATASETS)}.")
    own = option(rest, "--data") is not None
    by_rows &= own and not files and settings is None and not {"-h", "--help"} & set(rest)
    data = DataConfig(dataset=dataset)
    settings = settings or preset(None if own else dataset)
    if files:
        settings, experiment = read_config(Path(files[-1]))
        if "data" in experiment and not own and option(rest, "--dataset") is None:
            data = data_config_from_json(experiment["data"])
        known = {field.name for field in dataclasses.fields(config_class)}
        defaults |= {name: experiment[name] for name in _SHARED if name in known & set(experiment)}
    fusion = option(rest, "--fusion") or fusion

    def parsed(settings: Settings, words: Sequence[str]) -> Config:
        if fusion in FUSIONS:
            settings = dataclasses.replace(settings, model=settings.model.with_fusion(fusion))
        settings = assign(settings, words)
        if "--help-all" in rest:
            print(all_settings(settings))
            raise SystemExit(0)
        return tyro.cli(
            config_class,
            args=rest,
            default=config_class(data=data, settings=settings, **defaults),
            description=f"{description}\n\n{MORE_OPTIONS}",
        )

    if not by_rows:
        return parsed(settings, words)
    # What the command line says of settings takes the place of what the rows suggest.
    said = parsed(settings, ())
    once |= bool(said.settings.training.watching)
    chosen = default_settings(*_training_rows(said), words, once=once)
    print("\n".join(chosen.reasons))
    return parsed(chosen, words)


def pinned(arguments: Sequence[str]) -> list[str]:
    """The arguments without `--threads N`, which has acted then (`mmkeras.threads`)."""
    rest, counts = without(arguments, "--threads")
    for count in counts[-1:]:
        if not count.isdecimal():
            raise ValueError(f"--threads takes a number, 1 or more. Received: {count!r}.")
        pin_threads(int(count))
    return rest


_DEVICE_OPTIONS = ("--devices", "--processes", "--process", "--coordinator")


def spread(arguments: Sequence[str]) -> list[str]:
    """The arguments without those that say on which devices one training computes.

    They have acted then (`mmkeras.training.distribution.use_devices`): `--devices N` of this
    process, and where several processes train together, `--processes N --process I --coordinator
    HOST:PORT`, or `--processes auto`. What processes but the first print goes nowhere.

    Raises:
        ValueError: They are not what they should be.
    """
    rest, given = list(arguments), {}
    for name in _DEVICE_OPTIONS:
        rest, values = without(rest, name)
        if values:
            given[name] = values[-1]
    if not given:
        return rest
    numbers: dict[str, int | str] = dict(given)
    for name in _DEVICE_OPTIONS[:3]:
        value = given.get(name)
        if value is None or (name == "--processes" and value == "auto"):
            continue
        if not value.isdecimal():
            raise ValueError(f"{name} takes a number. Received: {value!r}.")
        numbers[name] = int(value)
    devices = use_devices(
        numbers.get("--devices"),  # type: ignore[arg-type]
        processes=numbers.get("--processes", 1),
        process=numbers.get("--process"),  # type: ignore[arg-type]
        coordinator=given.get("--coordinator"),
    )
    _devices_given[:] = [word for pair in given.items() for word in pair]
    if devices.process:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (to the end)
        no_bars()
    return rest


_devices_given: list[str] = []


def given_devices() -> list[str]:
    """The options that `spread` took, to be given again."""
    return list(_devices_given)


_ASKED = {"cpus": float, "gpus": float, "memory": float, "retries": int}


def engaged(arguments: Sequence[str]) -> list[str]:
    """The arguments without `--engine` and `--job`, which have acted then (`jobs.use_engine`).

    Raises:
        ValueError: The engine or a job's request is not one.
    """
    rest, engines = without(arguments, "--engine")
    rest, words = without(rest, "--job", several=True)
    engine = engines[-1] if engines else "processes"
    if engine == "processes":
        if words:
            raise ValueError("--job says what a job asks of a cluster: give --engine ray, too.")
        set_engine(None)
        return rest
    if engine not in ("ray", "auto") and "://" not in engine and ":" not in engine:
        raise ValueError(
            "--engine takes processes, ray (this machine), auto (the cluster that this machine "
            f"belongs to) or a cluster's address. Received: {engine!r}."
        )
    asked: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            asked[name] = _ASKED[name](value)
        except (KeyError, ValueError):
            raise ValueError(
                f"--job takes cpus=, gpus=, memory= (GB) and retries=, numbers. Received: {word!r}."
            ) from None
    set_engine(RayEngine("" if engine == "ray" else engine, **asked))
    return rest


def _training_rows(config: Any) -> tuple[pd.DataFrame, Schema]:
    """The rows that an experiment trains on, of a cross-validation its first fold's."""
    if hasattr(config, "fold_seed"):
        cut = {"folds": config.folds, "validation": config.validation, "seed": config.fold_seed}
        rows = open_fold(config.data, config.settings, fold=0, **cut)
    else:
        rows = experiment_rows(config)
    return rows.splits.train, rows.schema


MORE_OPTIONS = """Every script also takes

    --set image.size=96,96 xray.encoder=patches xray.encoder.dim=128 fusion.num_heads=8

for settings of kinds, single modalities, encoders and fusions (--help-all lists them),
--config FILE, which takes rows and settings from a run's config.json, or settings from a JSON file
of your own, and --threads N, how many threads an operation uses: the last digits depend on it.
Scripts that train several models take --engine ray, or a Ray cluster's address, and
--job cpus=2 gpus=1 memory=8 retries=3, what each of them asks for (docs/scaling.md)."""

# What an experiment's configuration says besides its rows and settings.
_SHARED = ("models", "validation", "test", "split_seed", "folds", "fold_seed", "floor")


def read_config(path: Path) -> tuple[Settings, dict[str, Any]]:
    """What a run's `config.json` says, or a JSON file with settings of one's own.

    Returns:
        The settings, and the experiment's other values, such as its rows; none of one's own file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No configuration at {path.absolute()}.")
    values = read_json(path)
    try:
        if OWN_MODEL in values:
            given = ", ".join(values[OWN_MODEL]["given"])
            raise ValueError(
                f"its run has parts of one's own ({given}), which no file can start again. Call "
                "mmkeras.train_run with them."
            )
        experiment = {k: tuple(v) if isinstance(v, list) else v
                      for k, v in values.get("experiment", {}).items()}  # fmt: skip
        stored = experiment.get("settings", values.get("settings", values))
        settings = Settings.from_dict(stored)
        return dataclasses.replace(settings, seed=values.get("seed", settings.seed)), experiment
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{path} does not hold settings: {error}") from error


def all_settings(settings: Settings) -> str:
    """What `--set` can change, with the values that a command has now."""
    lines = ["Settings for --set WHERE.NAME=VALUE. WHERE is a kind, a modality's name, or fusion."]
    for kind, about in KINDS.items():
        lines += ["", f"{kind}: for every {kind} modality, or by name for a single one"]
        lines += _described(about.settings, getattr(settings, kind), f"  {kind}.")
        own = settings.encoders.get(kind, Encoder())
        lines.append(f"  {kind}.encoder={own.name or 'by the inputs'}, and {kind}.encoder.OPTION")
        lines += [
            f"    {name}: {', '.join(constructor_arguments(encoder))}"
            for name, encoder in ENCODERS[kind].items()
        ]
    lines += ["", f"fusion: fusion.OPTION (--fusion is {settings.model.fusion})"]
    lines += [f"    {name}: {', '.join(sorted(fusion_options(name)))}" for name in FUSIONS]
    return "\n".join(lines)


def _described(cls: type, values: Any, prefix: str) -> list[str]:
    """Two lines for each field of a dataclass: its value, and its docstring's words."""
    words = {each.arg_name: each.description for each in docstring_parser.parse(cls.__doc__).params}
    lines = []
    for field in dataclasses.fields(cls):
        value = getattr(values, field.name)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        lines.append(f"{prefix}{field.name}={text}")
        lines += textwrap.wrap(words.get(field.name) or "", 92, initial_indent=" " * 6,
                               subsequent_indent=" " * 6)  # fmt: skip
    return lines


def without(
    arguments: Sequence[str], name: str, several: bool = False
) -> tuple[list[str], list[str]]:
    """The arguments without an option, and the option's values."""
    rest: list[str] = []
    values: list[str] = []
    taking = False
    for word in arguments:
        if word == name:
            taking = True
        elif word.startswith(f"{name}="):
            values.append(word.split("=", 1)[1])
        elif taking and not word.startswith("--"):
            values.append(word)
            taking = several
        else:
            taking = False
            rest.append(word)
    return rest, values


def option(arguments: Sequence[str], name: str) -> str | None:
    """An option's value, before the rest is parsed: it decides the others' defaults."""
    for place, word in enumerate(arguments):
        if word == name and place + 1 < len(arguments):
            return arguments[place + 1]
        if word.startswith(f"{name}="):
            return word.split("=", 1)[1]
    return None


def run_script(main: Callable[[], Any], resumes: bool = False) -> None:
    """Runs a script's `main`: a user's mistake ends in one line, without a traceback.

    Missing jobs end it likewise: exit code 1. After Ctrl-C the command is printed that goes on
    (`mmkeras.interrupts.resume_with`), or where the script cannot resume, the one to begin again.

    Set `MMKERAS_TRACEBACK=1` to see where an error was raised.
    """
    let_through()
    print_anything()
    try:
        main()
    except (ValueError, OSError, JobsMissing, JobDied, ProcessLost) as error:
        if os.environ.get("MMKERAS_TRACEBACK") == "1":
            raise
        more = f"\ngo on with: {resume_command()}" if resumes and _can_go_on(error) else ""
        _end_at_once_of_several(f"error: {error}{more}", 1)
        raise SystemExit(f"error: {error}{more}") from None
    except KeyboardInterrupt:
        again = f"go on with: {resume_command()}" if resumes else f"again: {same_command()}"
        print(f"\ninterrupted; {again}", file=sys.stderr)
        _end_at_once_of_several("", INTERRUPTED)
        raise SystemExit(INTERRUPTED) from None
    except Exception:
        _end_at_once_of_several(traceback.format_exc(), 1)
        raise


def _end_at_once_of_several(message: str, code: int) -> None:
    """Ends one of several processes that train together without waiting for the others.

    JAX would wait for minutes for them to end, too; so they hear of it, and end.
    """
    if together() is None:
        return
    print(message, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _can_go_on(error: Exception) -> bool:
    """Whether the same command may succeed later: of jobs that died, or a disk that was full."""
    return isinstance(error, (JobsMissing, JobDied, ProcessLost)) or (
        isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO)
    )

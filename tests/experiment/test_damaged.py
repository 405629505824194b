"""Files of a run folder that are damaged or were edited: refused with their names, or harmless."""

import copy
import json
import shutil
import warnings

import pytest

import mmkeras
from mmkeras.data.kinds import ImageSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.run_folder import environment
from mmkeras.experiment.same_run import is_finished, rows_identity
from mmkeras.experiment.settings import Encoder, Settings
from mmkeras.experiment.train import train_run
from mmkeras.reading import read_json
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

SETTINGS = Settings(
    encoders={"image": Encoder("cnn", {"filters": (4,), "convs_per_block": 1})},
    training=TrainingSettings(epochs=1, batch_size=16, patience=0),
    image=ImageSettings(size=(6, 6)),
)
# What is wrong with a file as a whole.
OF_BYTES = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "zeros, as after a power cut": lambda data: bytes(len(data)),
    "no UTF-8": lambda data: data.replace(b'": ', b'\xff": ', 1),
    "a list": lambda data: b"[" + data + b"]",
    "a number": lambda data: b"7",
    "too deep": lambda data: b"[" * 100_000,
    "a key too many digits": lambda data: data.replace(b"{", b'{"x": ' + b"9" * 5000 + b", ", 1),
    "NaN": lambda data: data.replace(b"{", b'{"x": NaN, ', 1),
    "infinite": lambda data: data.replace(b"{", b'{"x": 1e999, ', 1),
}
# What a value is replaced by.
OF_VALUES = {
    "null": None,
    "a text": "x",
    "a list": [1, "x", None],
    "an object": {"x": 1},
    "negative": -1,
    "huge": 10**30,
    "not whole": 0.5,
    "true": True,
}


# Keys of `preprocessing.json` that a schema need not have, or that earlier versions did not write.
MAY_BE_MISSING = [
    *("schema.target.kind", "schema.id", "schema.group", "decimal_marks"),
    *("modalities.picture.settings.max_images", "modalities.picture.decoder"),
    "modalities.picture.images",
]


@pytest.fixture(scope="module")
def finished(shared_table, tmp_path_factory):
    frame, schema = shared_table
    folder = tmp_path_factory.mktemp("runs") / "one"
    splits = Splits(frame[:30], frame[30:45], frame[45:])
    run = train_run(splits, schema, folder, SETTINGS)
    assert run.model.count_params() and run.metrics  # loaded once, before any file is changed
    return run, splits, schema


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the run that no hashes tie together, so that edited files are read."""
    copied = shutil.copytree(finished[0].path, tmp_path / "run")
    (copied / "pair.json").unlink()
    return copied


@pytest.fixture(autouse=True, scope="module")
def computed_once(finished):
    """The commit and the rows' fingerprints take longer than reading a file."""
    now, rows = environment(), rows_identity(*finished[1:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmkeras.experiment.same_run.environment", lambda: now)
        patch.setattr("mmkeras.experiment.same_run.rows_identity", lambda *given: rows)
        yield


def opened(finished, folder, name):
    """Reads a file as all that reads it does: opens the run, predicts, resumes."""
    run, splits, schema = finished
    again = mmkeras.Run(folder)
    again.__dict__["model"] = run.model
    if name == "metrics.json":
        return again.metrics
    if name == "config.json":
        return again.config, is_finished(folder, splits, schema, SETTINGS)
    inputs, *_ = next(iter(Pipeline(splits.test[:2], again.preprocessing).evaluate()))
    return inputs, again.preprocessing.task.figures


def outcome(finished, folder, name):
    """The error with which a file is refused; `None` if it is accepted."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened(finished, folder, name)
    except (ValueError, OSError) as error:
        assert str(folder) in str(error) or name in str(error)
        assert len(str(error)) < 1000
        return error
    return None


def places(values, path=()):
    """The way to every key of nested objects."""
    for key, value in values.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


def with_value(values, place, value, drop=False):
    values = copy.deepcopy(values)
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    if drop:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return values


@pytest.mark.parametrize("mutation", OF_BYTES)
@pytest.mark.parametrize("name", ["config.json", "metrics.json", "preprocessing.json", "pair.json"])
def test_a_damaged_file_is_refused_with_its_name(finished, tmp_path, name, mutation):
    folder = shutil.copytree(finished[0].path, tmp_path / "run")
    if name != "pair.json":
        (folder / "pair.json").unlink()
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(OF_BYTES[mutation](data))
    error = outcome(finished, folder, "preprocessing.json" if name == "pair.json" else name)
    assert error is not None and name in str(error)


@pytest.mark.parametrize("mutation", ["dropped", "unknown", *OF_VALUES])
@pytest.mark.parametrize("name", ["config.json", "metrics.json", "preprocessing.json"])
def test_an_edited_file_is_refused_with_its_name_or_harmless(finished, folder, name, mutation):
    """Each key in turn. Nonsense in what was fitted is never accepted."""
    values, accepted = json.loads((folder / name).read_bytes()), []
    for place in places(values):
        if mutation == "unknown":
            changed = with_value(values, (*place[:-1], "unheard_of"), 1)
        else:
            changed = with_value(values, place, OF_VALUES.get(mutation), mutation == "dropped")
        (folder / name).write_text(json.dumps(changed), encoding="utf-8")
        try:
            if outcome(finished, folder, name) is None:
                accepted.append(".".join(place))
        except Exception as error:
            raise AssertionError(f"{'.'.join(place)}: {error!r}") from error
    if name == "preprocessing.json" and mutation in ("dropped", "unknown", "a list", "an object"):
        assert accepted == (MAY_BE_MISSING if mutation == "dropped" else [])


def test_schema_files_are_refused_with_their_names(finished, tmp_path):
    path = tmp_path / "schema.json"
    _, _, schema = finished
    values = schema.to_dict()
    for mutation in OF_BYTES.values():
        path.write_bytes(mutation(schema.to_json().encode()))
        with pytest.raises(ValueError, match=r"schema\.json"):
            mmkeras.Schema.load(path)
    accepted = []
    for place in [*places(values), *((0, key) for key in values["modalities"][0])]:
        for mutation, value in OF_VALUES.items():
            changed = copy.deepcopy(values)
            inner = changed["modalities"][0] if place[0] == 0 else changed
            for key in place[place[0] == 0 : -1]:
                inner = inner[key]
            inner[place[-1]] = value
            path.write_text(json.dumps(changed))
            try:
                mmkeras.Schema.load(path)
            except ValueError as error:
                assert "schema.json" in str(error)
            else:
                accepted.append((place[-1], mutation))
    assert {mutation for _, mutation in accepted} <= {"null", "a text", "true"}
    assert read_json(path)


def test_history_and_predictions_that_are_damaged_are_refused_with_their_names(folder):
    run = mmkeras.Run(folder)
    data = (folder / "history.csv").read_bytes()
    for damaged in (b"", b"\xff\xfe", data.replace(b"epoch", b"epo\0"), data + b'"1,2,3', b"a\nb"):
        (folder / "history.csv").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"history\.csv"):
            assert run.history is None
    data = (folder / "predictions.parquet").read_bytes()
    middle = len(data) // 2
    for damaged in (b"", b"PAR1", data[:middle], data[:8] + bytes(middle) + data[8 + middle :]):
        (folder / "predictions.parquet").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"predictions\.parquet"):
            assert run.predictions is None
        with pytest.raises(ValueError, match=r"predictions\.parquet"):
            mmkeras.read_table(folder / "predictions.parquet", run.preprocessing.schema)


def test_a_model_and_a_preprocessing_of_different_runs_are_refused(finished, tmp_path):
    mixed = shutil.copytree(finished[0].path, tmp_path / "run")
    path = mixed / "preprocessing.json"
    whole = path.read_text()
    path.write_text(whole.replace('"presence": false', '"presence":  false'))
    for part in ("preprocessing", "model"):
        with pytest.raises(ValueError, match=r"model\.keras and .*preprocessing\.json were not"):
            getattr(mmkeras.Run(mixed), part)
    path.write_text(whole)
    assert mmkeras.Run(mixed).preprocessing == finished[0].preprocessing
    with (mixed / "model.keras").open("ab") as file:
        file.write(b" ")
    with pytest.raises(ValueError, match=r"model\.keras is of another run, or was changed"):
        mmkeras.Run(mixed).predict(finished[1].test[:2])

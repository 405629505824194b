"""`.keras` files that someone else made: nothing in them runs, and what is wrong is one line."""

import json
import os
import zipfile

import keras
import pytest

from mmkeras.keras_files import check_keras_file, load_keras, load_keras_weights


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.keras"
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    model.save(path)
    return path


def rewritten(saved, path, change=lambda members: members, compression=zipfile.ZIP_STORED):
    """A copy of a model file with other members."""
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members = change(members) or members
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, contents in members.items():
            archive.writestr(name, contents)
    return path


def layer(about):
    """The configuration of a model with this in the place of its dense layer."""

    def change(members):
        config = json.loads(members["config.json"])
        (place,) = (n for n, x in enumerate(config["config"]["layers"]) if "Dense" in str(x))
        config["config"]["layers"][place] = about
        members["config.json"] = json.dumps(config).encode()

    return change


def activation(about):
    dense = {"name": "dense", "units": 2, "activation": about}
    own = {"module": "keras.layers", "class_name": "Dense", "config": dense}
    return layer({**own, "registered_name": None})


def function(module, name):
    return {
        "module": module,
        "class_name": "function",
        "config": name,
        "registered_name": name,
    }


def of_class(module, name, config, registered=None):
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


CODE = "open({0!r}, 'w').close()"
LAMBDA = {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}}
HOSTILE = {
    "a lambda": layer(of_class("keras.layers", "Lambda", LAMBDA)),
    "a class of the system": layer(of_class("subprocess", "Popen", {"args": ["touch", "{0}"]})),
    "a class of builtins": layer(of_class("builtins", "exec", {"source": CODE})),
    "a class of this package": layer(of_class("mmkeras.files", "write_text", {"path": "{0}"})),
    "a class by its registered name": layer(of_class("os", "system", {}, "os>system")),
    "a function of the system": activation(function("os", "system")),
    "a function of builtins": activation(function("builtins", "eval")),
    "a download": activation(function("keras.utils", "get_file")),
    "a way to load unsafely": activation(function("keras.config", "enable_unsafe_deserialization")),
    "a file to be read": layer(
        of_class("keras.layers", "TextVectorization", {"vocabulary": "/etc/passwd"})
    ),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_nothing_in_a_file_runs_and_what_is_wrong_is_a_line(saved, tmp_path, way):
    mark = tmp_path / "was here"

    def change(members):
        HOSTILE[way](members)
        members["config.json"] = members["config.json"].replace(b"{0}", str(mark).encode())

    path = rewritten(saved, tmp_path / "hostile.keras", change)
    before = os.environ.copy()
    with pytest.raises(ValueError, match=r"hostile\.keras cannot be loaded: ") as raised:
        load_keras(path)
    assert len(str(raised.value)) < 600 and "\n" not in str(raised.value)
    assert not mark.exists() and before == os.environ
    assert keras.src.saving.serialization_lib.in_safe_mode() in (True, None)


def test_a_file_that_anyone_saved_is_loaded(saved, tmp_path):
    model = load_keras(rewritten(saved, tmp_path / "same.keras"))
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    load_keras_weights(other, saved)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        assert (a == b).all()
    wider = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match=r"The weights of .*model\.keras do not fit") as raised:
        load_keras_weights(wider, saved)
    assert "\n" not in str(raised.value)


def without(name):
    return lambda members: {n: data for n, data in members.items() if n != name}


def test_archives_that_keras_does_not_make_are_refused_before_they_are_read(saved, tmp_path):
    path = tmp_path / "model.keras"
    large = {"config.json": b" " * (17 << 20)}
    for change, compression, says in (
        (lambda members: {**members, **large}, zipfile.ZIP_DEFLATED, "is compressed"),
        (lambda members: {**members, **large}, zipfile.ZIP_STORED, "17,825,792 bytes"),
        (without("config.json"), zipfile.ZIP_STORED, r"config\.json is missing"),
    ):
        with pytest.raises(ValueError, match=rf"model\.keras is damaged, or no model.*{says}"):
            load_keras(rewritten(saved, path, change, compression))


def test_damaged_files_are_refused_with_their_names(saved, tmp_path):
    data, path = saved.read_bytes(), tmp_path / "model.keras"
    place = data.index(b'{"module"')
    for damaged in (b"", data[: len(data) // 2], bytes(len(data)), b"PK" + data[9:],
                    data[:place] + b"[" + data[place + 1 :]):  # fmt: skip
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"model\.keras is damaged, or no model"):
            check_keras_file(path)
    # What only Keras can see: the weights.
    place = data.index(b"\x89HDF")
    path.write_bytes(data[:place] + bytes(200) + data[place + 200 :])
    with pytest.raises(ValueError, match=r"model\.keras cannot be loaded") as raised:
        load_keras(path)
    assert "\n" not in str(raised.value)
    with pytest.raises(FileNotFoundError):
        load_keras(tmp_path / "none.keras")

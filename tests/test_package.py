"""`import mmkeras` is quiet and cheap, and suffices to load models."""

import importlib
import pkgutil
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

import mmkeras
from mmkeras.models.build import build_model
from mmkeras.schema import Image, InputSpec, Schema, Text
from tests.layer_checks import some_always


def run(code, *arguments):
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result


def test_importing_the_package_loads_no_heavy_library():
    heavy = "{'keras', 'tensorflow', 'jax', 'torch', 'sklearn', 'pandas', 'matplotlib'}"
    result = run(f"import sys, mmkeras; print({heavy} & set(sys.modules))")
    assert result.stdout.strip() == "set()"


def test_nothing_is_printed_at_start_up():
    result = run("import mmkeras; mmkeras.build_model; mmkeras.Pipeline")
    # From 2.18 on TensorFlow logs these before it reads the variable that would silence it.
    before_logging = ("I0000 ", "WARNING: All log messages before absl::InitializeLog()")
    lines = [line for line in result.stderr.splitlines() if not line.startswith(before_logging)]
    assert result.stdout == "" and lines == []


def test_every_public_name_can_be_had():
    for name in mmkeras.__all__:
        assert getattr(mmkeras, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mmkeras.nothing  # noqa: B018


PACKAGES = [
    "data",
    "data.leakage",
    "data.media",
    "data.tables",
    "evaluation",
    "experiment",
    "inspection",
    "reports",
    "studies",
    "training",
    "training.balance",
    "training.pretraining",
]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_a_package_can_be_had_in_any_order(package):
    module = importlib.import_module(f"mmkeras.{package}")
    assert module.__doc__ and set(module.__all__) <= set(dir(module))
    submodules = {each.name for each in pkgutil.iter_modules(module.__path__)}
    for name in module.__all__:
        value = getattr(module, name)
        assert value is not None
        # A submodule of that name would replace it when it is imported.
        assert name not in submodules or not isinstance(value, types.ModuleType), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


# Each takes a process that imports TensorFlow.
@pytest.mark.parametrize(
    "imports",
    some_always(["import mmkeras, keras", "import keras, mmkeras"], ["import keras, mmkeras"]),
)
def test_a_saved_model_loads_in_safe_mode_after_importing_the_package(tmp_path, imports):
    model = build_model(
        Schema([Image("photo"), Text("caption")], "label"),
        {"photo": InputSpec((8, 8, 3)), "caption": InputSpec((6,))},
        num_outputs=2,
        encoder_options={"photo": {"filters": (4,)}},
        fusion="attention",
    )
    model.save(tmp_path / "model.keras")
    inputs = {"photo": np.ones((1, 8, 8, 3), "float32"), "caption": np.ones((1, 6), "float32")}
    expected = keras.ops.convert_to_numpy(model(inputs))
    code = f"""{imports}, sys
import numpy as np
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
inputs = {{"photo": np.ones((1, 8, 8, 3), "float32"), "caption": np.ones((1, 6), "float32")}}
print(*keras.ops.convert_to_numpy(model(inputs)).ravel())"""
    printed = run(code, tmp_path / "model.keras").stdout
    np.testing.assert_allclose([float(x) for x in printed.split()], expected.ravel(), atol=1e-5)

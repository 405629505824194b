"""docs/extending.md does what it says, to the letter, in a copy of the project."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = (REPOSITORY / "docs/extending.md").read_text(encoding="utf-8")
# What stands before a block: a new file, or where in a file the lines go.
NEW = re.compile(r"`(mmkeras/[\w/]+\.py)`:\s+```python\n(.*?)```", re.DOTALL)
EDIT = re.compile(
    r"In\s+`([\w/]+\.py)`,\s+(after|before|instead\s+of)\s+`([^`]+)`:\s+```python\n(.*?)```",
    re.DOTALL,
)

# All that the page adds, in one training and one audit; and the commands that it shows.
USE_ALL = """
import json
import sys

import numpy as np

import mmkeras
from mmkeras.audit import AuditSettings, audit
from mmkeras.classical.features import ModalityFeatures
from mmkeras.experiment.assignments import assign
from mmkeras.experiment.settings import ModelSettings
from mmkeras.schema import Count, Image, Position, Text
from mmkeras.training.settings import TrainingSettings

source, _ = mmkeras.load_dataset("digit_sums", seed=1)
source = source.iloc[:240]
random = np.random.default_rng(0)
places = random.uniform((-5, -5), (5, 5), (len(source), 2))
source = source.assign(place=[f"{a:.3f}, {b:.3f}" for a, b in places])
source.loc[source.index[3], "place"] = None
schema = mmkeras.Schema([Image("picture"), Text("name"), Position("place")], Count("sum"))
assert mmkeras.Schema.from_json(schema.to_json()) == schema
try:
    mmkeras.read_table(source.assign(place="52.5; 13.4"), schema)
    raise AssertionError("a position that is none was read")
except ValueError as error:
    assert "is not a position; give latitude and longitude" in str(error), error
table = mmkeras.read_table(source, schema)
splits = mmkeras.split_table(table, schema, seed=0)
settings = mmkeras.Settings(ModelSettings("hemis"), TrainingSettings(epochs=1))
settings = assign(
    settings,
    ["image.encoder=convmixer", "image.encoder.depth=1", "image.size=16,16", "image.channels=1"]
    + ["position.octaves=2", "position.encoder.units=16"],
)
run = mmkeras.train_run(splits, schema, sys.argv[1], settings)
run = mmkeras.Run(run.path)
assert run.config["settings"]["position"] == {"octaves": 2}
assert run.config["settings"]["encoders"]["position"]["options"] == {"units": [16]}
assert run.config["settings"]["encoders"]["image"] == {"name": "convmixer", "options": {"depth": 1}}
fitted = run.preprocessing.modalities["place"]
assert fitted.spec.shape == (15,) and max(abs(fitted.vectors(table["place"])[:, :3]).ravel()) < 2
assert run.preprocessing.task.loss().name == "poisson"
predicted = run.predict(splits.test.drop(columns="sum"))["predicted"]
assert len(predicted) == len(splits.test) and (predicted > 0).all()
wanted = AuditSettings(train="none", floor="on", explain=2, draws=20, swaps=1)
report = audit(run, splits=splits, settings=wanted)
features = ModalityFeatures(schema).fit(splits.train)
assert [n for n in features.get_feature_names_out() if n.startswith("place")][:2] == [
    "place__x",
    "place__y",
]
assert "r2" in report.section("floor").values["test"]
values = {section.name: section.values for section in report.sections}
assert len(values["noise"]["curves"]["picture / posterize"]) == 6
wrong = values["worst"]["wrong"]
assert wrong == np.sum(np.abs(predicted.to_numpy() - splits.test["sum"].to_numpy()) > 0.5), wrong
assert (run.path / "audit/tables/worst.csv").is_file()
assert "Where is it most wrong?" in (run.path / "audit/audit.html").read_text(encoding="utf-8")
drawing = mmkeras.Schema([Text("name")], Image("picture"))
settings = mmkeras.Settings(
    ModelSettings("concat", decoder="broadcast", decoder_options={"filters": 4}),
    TrainingSettings(epochs=1),
    target={"size": (8, 8)},
)
table = mmkeras.read_table(source, drawing)
drawn = mmkeras.train_run(
    mmkeras.split_table(table, drawing, seed=0), drawing, sys.argv[1] + "-drawn", settings
)
assert np.isfinite(drawn.metrics["test"]["r2"])
generative = mmkeras.Schema([Image("picture"), Text("name")], None)
made = mmkeras.train_generative(
    splits,
    generative,
    sys.argv[1] + "-generated",
    mmkeras.Settings(training=TrainingSettings(epochs=1)),
    mmkeras.GenerationSettings("average", latent_dim=4, filters=4),
)
assert list(made.predict(splits.test, ["name"])) == ["picture"]
assert type(made.vae).__name__ == "AverageVAE"
print("all parts used")
"""
PARSE = """
import shlex
import sys

from mmkeras.cli import parse
from mmkeras.experiment.data_config import DataConfig
from mmkeras.studies.comparison import ComparisonConfig
from mmkeras.studies.generation import GenerateConfig

sys.path.insert(0, "experiments")
import train

for command in sys.argv[1:]:
    script, *arguments = shlex.split(command)
    configs = {
        "train": train.TrainConfig,
        "compare_fusion": ComparisonConfig,
        "generate": GenerateConfig,
    }
    config = configs[script]
    parse(config, arguments, "")
    print("parsed", script)
"""


def commands():
    return re.findall(r"^python experiments/(\w+)\.py (.+)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy with the page's parts in it."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("mmkeras", "experiments", "tests"):
        shutil.copytree(
            REPOSITORY / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, copy)
    for path, code in NEW.findall(PAGE):
        assert not (copy / path).exists(), path
        (copy / path).write_text(code, encoding="utf-8")
    for path, where, anchor, code in EDIT.findall(PAGE):
        text = (copy / path).read_text(encoding="utf-8")
        lines = [line for line in text.splitlines(keepends=True) if line.startswith(anchor)]
        assert len(lines) == 1, f"{path} has {len(lines)} lines that begin with {anchor!r}"
        new = {"after": lines[0] + code, "before": code + lines[0]}.get(where, code)
        (copy / path).write_text(text.replace(lines[0], new), encoding="utf-8")
    return copy


def run(project, *command):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_every_block_of_the_page_is_applied_and_is_python(project):
    assert len(NEW.findall(PAGE)) + len(EDIT.findall(PAGE)) == PAGE.count("```python")
    for path in {path for path, *_ in [*NEW.findall(PAGE), *EDIT.findall(PAGE)]}:
        compile((project / path).read_text(encoding="utf-8"), path, "exec")


def test_a_new_kind_touches_three_files():
    chapter = PAGE.split("\n## A kind of modality\n")[1].split("\n## ")[0]
    paths = {path for path, *_ in [*NEW.findall(chapter), *EDIT.findall(chapter)]}
    assert len(paths) == 3, paths


@pytest.mark.slow
def test_all_new_parts_train_predict_and_are_audited(project, tmp_path):
    (project / "use_all.py").write_text(textwrap.dedent(USE_ALL))
    assert "all parts used" in run(project, "use_all.py", str(tmp_path / "run"))


@pytest.mark.slow
def test_the_commands_of_the_page_are_understood(project):
    (project / "parse.py").write_text(textwrap.dedent(PARSE))
    shown = [f"{name} {rest}" for name, rest in commands() if name != "audit"]
    assert len(shown) >= 6
    assert run(project, "parse.py", *shown).count("parsed") == len(shown)
    options = [shlex.split(rest) for name, rest in commands() if name == "audit"]
    assert options == [["RUN"], ["RUN"]]


@pytest.mark.slow
def test_new_parts_are_held_to_the_standard_of_their_kind(project):
    files = [
        f"tests/{part}/test_standard.py" for part in ("fusion", "encoders", "decoders", "tasks")
    ]
    names = "hemis or convmixer or position or broadcast or count or kind_of_target"
    printed = run(project, "-m", "pytest", "-q", "-m", "", *files, "-k", names)
    assert re.search(r"^\d+ passed", printed, re.MULTILINE), printed


def test_the_page_names_what_exists():
    added = {path for path, _ in NEW.findall(PAGE)}
    for name in set(re.findall(r"`((?:mmkeras|experiments|tests|docs)/[\w/]+\.(?:py|md))`", PAGE)):
        assert name in added or (REPOSITORY / name).exists(), name

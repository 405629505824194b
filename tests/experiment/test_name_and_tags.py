"""Every experiment that makes runs takes what its author calls them."""

import importlib
import re
from pathlib import Path

import pytest

from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.name_and_tags import Named, name_and_tags, run_details

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
# They leave tables of what they tried, and no run.
WITHOUT_RUNS = {"classical", "cluster", "retrieval"}


class Parsed(Exception):
    """A script asked for its configuration."""


# They ask for an experiment's configuration; others look at runs that are there.
TRAINING = {
    path.stem for path in EXPERIMENTS.glob("*.py") if re.search(r"\bparse\(", path.read_text())
}


@pytest.mark.parametrize("script", sorted(TRAINING))
def test_scripts_that_make_runs_take_a_name_and_tags(script, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    module = importlib.import_module(script)

    def parse(config_class, *args, **more):
        raise Parsed(config_class, more.get("dataset", "synthetic"))

    monkeypatch.setattr(module, "parse", parse)
    with pytest.raises(Parsed) as asked:
        module.main([])
    config_class, dataset = asked.value.args
    if script in WITHOUT_RUNS:
        assert not issubclass(config_class, Named)
        return
    data = DataConfig(dataset=dataset)
    config = config_class(data=data, name="small", tags=("paper", "draft", "paper"))
    assert name_and_tags(config) == {"name": "small", "tags": ["paper", "draft"]}
    experiment = run_details(config)["experiment"]
    assert experiment["name"] == "small" and "workers" not in experiment
    with pytest.raises(ValueError, match="spaces"):
        run_details(config_class(data=data, tags=("a,b",)))

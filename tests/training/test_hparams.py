"""TensorBoard's HParams lists all runs, asked as its page asks."""

import itertools
import json

import pytest
from tensorboard import program
from tensorboard.backend import application
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from werkzeug.test import Client

from mmkeras.training.hparams import hparams
from mmkeras.training.tensorboard import TensorBoardReport

STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
# Of one setting numbers, nothing, words, lists, and what JSON writes in another way.
VALUES = {
    "model.fusion_dim": [None, 64, 0, 128],
    "model.fusion_options.query": ["all", 0, "größe"],
    "model.hidden": [None, [64, 32], ["a", "b"]],
    "training.learning_rate": [0.0, 1e-3, None],
    "training.augment": [True, False],
    "report.where": ["C:\\data", 'say "x"', "", "two\nlines"],
    "warm": [float("inf"), 1.5],
}


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """TensorBoard's web application, on runs of the same names in two folders."""
    folder = tmp_path_factory.mktemp("runs")
    for place, (dim, query) in enumerate(itertools.product(*list(VALUES.values())[:2])):
        rest = {name: values[place % len(values)] for name, values in list(VALUES.items())[2:]}
        settings = {"model.fusion_dim": dim, "model.fusion_options.query": query, **rest}
        with TensorBoardReport(folder / f"{'ab'[place % 2]}/seed{place // 2}") as report:
            report.settings(settings, {"accuracy": place / 12})
    events = plugin_event_multiplexer.EventMultiplexer()
    events.AddRunsFromDirectory(str(folder)).Reload()
    tensorboard = program.TensorBoard()
    tensorboard.configure(argv=["tensorboard", "--logdir", str(folder)])
    provider = data_provider.MultiplexerDataProvider(events, str(folder))
    return Client(
        application.TensorBoardWSGIApp(
            tensorboard.flags, tensorboard.plugin_loaders, provider, None, events
        )
    )


def asked(board, what, **request):
    reply = board.post(f"/data/plugin/hparams/{what}", json={"experimentName": "", **request})
    assert reply.status_code == 200, reply.data
    return json.loads(reply.data)


def listed(board, columns):
    """The runs' settings by name, as the HParams page asks for them."""
    groups = asked(
        board,
        "session_groups",
        allowedStatuses=STATUSES,
        colParams=[{"includeInResult": True, **column} for column in columns],
        startIndex=0,
        sliceSize=100,
    )["sessionGroups"]
    assert all(len(group["sessions"]) == 1 for group in groups)
    return {group["name"]: group["hparams"] for group in groups}


def test_every_run_is_among_the_values_that_the_page_filters_by(board):
    infos = asked(board, "experiment", hparamsLimit=1000)["hparamInfos"]
    assert {info["name"] for info in infos} == set(VALUES)
    runs = listed(board, [{"hparam": info["name"]} for info in infos])
    assert sorted(runs) == sorted(f"{side}/seed{n}" for side in "ab" for n in range(6))
    # The table of runs beside the curves keeps what is missing or among these.
    for info, settings in itertools.product(infos, runs.values()):
        value = settings.get(info["name"])
        if value is not None and "domainInterval" in info:
            lowest, highest = (info["domainInterval"][f"{end}Value"] for end in ("min", "max"))
            assert lowest <= value <= highest
        elif value is not None:
            assert value in info["domainDiscrete"]


def test_a_value_that_is_unchecked_hides_only_the_runs_that_have_it(board):
    infos = asked(board, "experiment", hparamsLimit=1000)["hparamInfos"]
    columns = [{"hparam": info["name"]} for info in infos]
    runs = listed(board, columns)
    discrete = [info for info in infos if "domainDiscrete" in info]
    assert len(discrete) == 4
    for info in discrete:
        for unchecked in info["domainDiscrete"]:
            checked = [value for value in info["domainDiscrete"] if value != unchecked]
            filtered = [
                column | ({"filterDiscrete": checked} if column["hparam"] == info["name"] else {})
                for column in columns
            ]
            without = {n for n, run in runs.items() if run.get(info["name"]) != unchecked}
            assert set(listed(board, filtered)) == without
    interval = {"hparam": "model.fusion_dim", "filterInterval": {"minValue": 1, "maxValue": 100}}
    assert {run.get("model.fusion_dim") for run in listed(board, [interval]).values()} == {64, None}


def test_a_setting_has_one_type_whatever_its_value():
    for name, values in VALUES.items():
        types = {type(typed) for value in values for typed in hparams({name: value}).values()}
        assert len({float if each is int else each for each in types}) == 1, name
    assert hparams({"given": ["ä", '"'], "n": None}) == {"given": "['%C3%A4', '/'']"}

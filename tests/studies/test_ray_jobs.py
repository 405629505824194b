"""Jobs through Ray: on this machine, on the nodes of a cluster, and when one of these is lost."""

import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from mmkeras.cli import engaged
from mmkeras.studies.jobs import Job, JobDied, open_workers, run_jobs, set_engine, use_engine
from mmkeras.studies.ray_jobs import RayEngine, RayWorkers, pack, unpack
from tests.studies.ray_work import die, note_start_and_wait, refuse, write_square


def lose(cluster, node, folder):
    """Kills a node of a cluster as soon as a job has begun there."""
    while not any(path.read_text() == node.node_id for path in folder.glob("wait*/*")):
        time.sleep(0.1)
    cluster.remove_node(node, allow_graceful=False)


def test_what_a_job_asks_for_is_checked():
    assert RayEngine(cpus=2, memory=0.5).resources == {
        "num_cpus": 2, "num_gpus": 0, "max_retries": 3, "memory": 2**29,
    }  # fmt: skip
    for asked in ({"cpus": 0}, {"gpus": -1}, {"memory": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(asked))):
            RayEngine(**asked)


def test_the_command_line_chooses_the_engine():
    rest = ["--engine", "ray://head:10001", "--job", "cpus=2", "gpus=0.5", "--epochs", "2"]
    try:
        assert engaged(rest) == ["--epochs", "2"]
        workers = open_workers(3)
        assert isinstance(workers, RayWorkers)
        assert workers._engine == RayEngine("ray://head:10001", cpus=2, gpus=0.5)
        for words, said in (
            (["--engine", "slurm"], "slurm"),
            (["--job", "cpus=1"], "--engine ray"),
            (["--engine=ray", "--job", "disks=1"], "disks=1"),
            (["--engine=ray", "--job", "cpus=many"], "cpus=many"),
        ):
            with pytest.raises(ValueError, match=said):
                engaged(words)
    finally:
        set_engine(None)


def test_folders_travel_as_they_are_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("out/a/history.csv", "out/a/deep/last.npz", "out/judges/m.keras", "out/a/.lock"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(path.encode() * 3)
    packed = pack([Path("out/a"), Path("out/judges/m.keras"), Path("out/absent")])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    unpack(packed, [Path("out/a"), Path("out/judges/m.keras")])
    found = sorted(str(path) for path in Path("out").rglob("*") if path.is_file())
    assert found == ["out/a/deep/last.npz", "out/a/history.csv", "out/judges/m.keras"]
    assert Path("out/a/history.csv").read_bytes() == b"out/a/history.csv" * 3
    with pytest.raises(ValueError, match="outside of out/a"):
        unpack(packed, [Path("out/a")])
    assert pack([Path("out/a")], known=["out/a/history.csv"]) < packed


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one core each, beside a head without any."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [made.add_node(num_cpus=1) for _ in range(2)]
    yield made, nodes
    made.shutdown()


@pytest.mark.slow
def test_jobs_on_a_cluster_and_one_of_its_nodes_lost(cluster, tmp_path, capsys):
    made, nodes = cluster
    needed = tmp_path / "needed"
    needed.write_text("5")
    jobs = [
        Job(f"job{n}", write_square, (folder, n, needed), folder, (needed,))
        for n in range(2)
        for folder in [tmp_path / str(n)]
    ]
    with use_engine(RayEngine(made.address, travel=True)):
        ended = list(run_jobs(jobs, environment={"KERAS_BACKEND": "jax"}))
    with use_engine(RayEngine(made.address)):
        ended += list(run_jobs([Job("again", jobs[0].function, jobs[0].arguments, jobs[0].folder)]))
    found = {outcome.job.name: outcome.result for outcome in ended}
    assert [found[f"job{n}"] for n in range(2)] == [("jax", 0, n**2 + 5) for n in range(2)]
    assert found["again"][1:] == (1, 5), "what the first call left is there"
    assert sorted(path.name for path in jobs[0].folder.iterdir()) == ["call0", "call1"]
    assert (jobs[1].folder / "call0").read_text() == "6"
    with use_engine(RayEngine(made.address, retries=0)):
        refused, dead = run_jobs([Job("refused", refuse, (3,)), Job("dead", die)])
    errors = {outcome.job.name: outcome.error for outcome in (refused, dead)}
    assert isinstance(errors["refused"], ValueError)
    assert str(errors["refused"]) == "no 3"
    assert isinstance(errors["dead"], JobDied)
    with use_engine(RayEngine(made.address, travel=True)):
        # Jobs that talk to each other by files work where these are seen, and travel nowhere.
        talk = Job("talk", write_square, (tmp_path, 2), tmp_path, travels=False)
        assert next(iter(run_jobs([talk]))).result[2] == 4
    with use_engine(RayEngine(made.address)):
        jobs = [
            Job(f"wait{n}", note_start_and_wait, (tmp_path / f"wait{n}", n), tmp_path / f"wait{n}")
            for n in range(3)
        ]
        killer = threading.Thread(target=lose, args=(made, nodes[0], tmp_path), daemon=True)
        killer.start()
        assert sorted(outcome.result for outcome in run_jobs(jobs)) == [0, 1, 2]
        killer.join(10)
        assert not killer.is_alive()
    starts = [len(list((tmp_path / f"wait{n}").iterdir())) for n in range(3)]
    assert sorted(starts) == [1, 1, 2], "the lost node's job began a second time"
    capsys.readouterr()


@pytest.mark.slow
def test_a_comparison_through_ray_is_that_of_processes(shared_table, tmp_path):
    pytest.importorskip("ray")
    from mmkeras.experiment.data_config import DataConfig
    from mmkeras.experiment.settings import Settings
    from mmkeras.studies.cross_validate import CrossValidationConfig, cross_validate
    from mmkeras.training.settings import TrainingSettings

    path = tmp_path / "own.csv"
    shared_table[0][["note", "warmth", "when"]].to_csv(path, index=False)
    settings = Settings(training=TrainingSettings(epochs=2))
    tables = []
    for engine in (None, RayEngine(travel=True)):
        config = CrossValidationConfig(
            DataConfig(data=path, target="when"), folds=2, models=("fused",),
            out=tmp_path / f"out{len(tables)}", settings=settings,
        )  # fmt: skip
        with use_engine(engine):
            tables.append(cross_validate(config))
    same = [t.drop(columns="seconds").sort_values("fold", ignore_index=True) for t in tables]
    pd.testing.assert_frame_equal(*same, check_exact=True)
    found = [next((tmp_path / f"out{n}").glob("fold0*")) / "predictions.parquet" for n in (0, 1)]
    pd.testing.assert_frame_equal(*map(pd.read_parquet, found), check_exact=True)

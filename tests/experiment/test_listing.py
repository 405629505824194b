"""The table of the runs below a folder."""

from mmkeras.experiment.listing import list_runs
from mmkeras.experiment.run_folder import time_now
from mmkeras.files import write_json


def test_runs_are_in_the_order_of_their_beginning(shared_table, tmp_path):
    config = {"schema": shared_table[1].to_dict(), "seed": 0, "generation": {}}
    for name in ("b", "a", "c", "first"):
        created = "2026-01-02T03:04:05" if name == "first" else "2026-01-02T03:04:05.000001"
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "config.json", {**config, "created": created})
    assert list(list_runs(tmp_path).index) == ["first", "a", "b", "c"]  # at once: by name


def test_times_of_one_second_differ():
    assert len({time_now() for _ in range(2000)}) > 100

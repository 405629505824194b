"""The benchmarks run at tiny sizes and give the figures that they promise."""

import importlib.util
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import soundfile

import mmkeras
from tests.encoders.tiny_networks import write_bert

FOLDER = Path(__file__).parents[1] / "experiments" / "benchmarks"
needs_torch = pytest.mark.skipif(not find_spec("torch"), reason="torch is not installed")

# A process of its own: the DataLoader's workers are forks, which TensorFlow's threads dislike.
RUN = """
import importlib, json, sys
folder, name, *arguments = sys.argv[1:]
sys.path.insert(0, folder)
print("RESULTS" + json.dumps(importlib.import_module(name).main(arguments)))
"""


@pytest.fixture(autouse=True)
def benchmarks_find_each_other(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def run(name, *arguments):
    """The printed table, and what `main` returned by way of JSON."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(FOLDER), name, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    table, results = done.stdout.split("RESULTS")
    return table, json.loads(results)


@pytest.mark.slow
def test_seeds_side_by_side_and_apart(monkeypatch):
    pytest.importorskip("jax")
    table, seconds = run(
        "seeds", "--dataset", "glyphs", "--encoders", "image=patches", "--seeds", 2,
        "--epochs", 1, "--repeats", 1,
    )  # fmt: skip
    assert all(len(turns) == 1 and turns[0] > 0 for turns in seconds.values())
    assert "2 seeds of glyphs image=patches" in table and "ratio" in table


@pytest.mark.slow
def test_writing_in_one_loop_and_a_step_at_a_time_gives_the_same_texts():
    table, results = run(
        "decoding", "--sentences", 8, "--step-sentences", 4, "--pieces", 5, "--vocabulary-size", 20,
        "--dim", 8, "--batch-size", 4, "--repeats", 1,
    )  # fmt: skip
    assert results["same"] == 1.0 and results["ratio"] > 0
    assert "scaled from 4 sentences" in table and "ratio" in table


TINY_PIPELINE = ("--rows", 40, "--side", 24, "--size", 16, "--batch-size", 8, "--repeats", 2)


def check_rates(rates):
    for row in rates.values():
        assert 0 < row["slowest"] <= row["rows_per_second"] <= row["fastest"]
        assert row["first_epoch"] > 0 and row["cpu"] > 0


@pytest.mark.slow
@needs_torch
def test_pipeline_compares_each_cache_with_the_data_loader():
    table, results = run("pipeline", *TINY_PIPELINE, "--workers", 0, 1, "--train-steps", 2)
    rates = results["rates"]
    check_rates(rates)
    for setting in ("decode every epoch", "memory", "file"):
        assert rates[f"mmkeras, {setting}"]["ratio"] > 0
        waiting = results["waiting"][setting]
        assert 0 <= waiting["waiting_share"] <= 1
        assert waiting["milliseconds"] > 0 and waiting["milliseconds_held"] > 0
        assert f"training, {setting}: waits for data" in table
    for setting in ("decode every epoch", "memory"):
        for workers in (0, 1):
            assert f"DataLoader, {setting}, {workers} workers" in rates
    assert all(name in table for name in rates)


def test_pipeline_without_torch_measures_the_rest(monkeypatch, capsys):
    pipeline = load("pipeline")
    monkeypatch.setattr(
        pipeline, "find_spec", lambda name: None if name == "torch" else find_spec(name)
    )
    results = pipeline.main([*map(str, TINY_PIPELINE), "--train-steps", "0"])
    assert "torch is not installed: no comparison" in capsys.readouterr().out
    check_rates(results["rates"])
    assert len(results["rates"]) == 4 and results["waiting"] == {}
    assert not any("ratio" in row for row in results["rates"].values())
    assert results["rates"]["mmkeras, decode every epoch"]["ratio_bare"] > 0


@needs_torch
def test_the_data_loader_moves_images_as_our_pipeline_does(tmp_path):
    import torch
    from torch_loader import ImageTextRows, make_loader

    frame, schema = load("image_rows").make_table(tmp_path, rows=12, files=("PNG", 16, 16), seed=0)
    settings = {
        "image": mmkeras.ImageSettings(size=(16, 16)),
        "text": mmkeras.TextSettings(representation="tokens"),
    }
    fitted = mmkeras.fit_preprocessing(frame, schema, settings)
    inputs, targets = next(iter(mmkeras.Pipeline(frame, fitted).evaluate()))
    ids = fitted.modalities["text"].token_ids(list(frame["text"]))
    arguments = {"size": 16, "rotation": 0.0, "shift": 0.0, "threads": 1}
    for keep in (False, True):
        rows = ImageTextRows(frame["image"], ids, targets.numpy(), keep=keep, **arguments)
        torch.manual_seed(0)
        ours = inputs["image"].numpy()
        theirs, _ = rows.__getitems__(list(range(12)))
        images = theirs["image"].permute(0, 2, 3, 1).numpy()
        mirrored = np.abs(images - ours).max((1, 2, 3)) > np.abs(images - ours[:, :, ::-1]).max(
            (1, 2, 3)
        )
        assert 0 < mirrored.sum() < 12
        # Two libraries' rounding: of places to 1/32 pixel, and of numbers to 8 bits.
        expected = np.where(mirrored[:, None, None, None], ours[:, :, ::-1], ours)
        np.testing.assert_allclose(images, expected, atol=2.5 / 255)
        longest = max(map(len, ids))
        np.testing.assert_array_equal(theirs["text"], inputs["text"].numpy()[:, :longest])
    loaded = list(make_loader(rows, batch_size=5, workers=0, seed=0))
    assert [len(labels) for _, labels in loaded] == [5, 5, 2]


@pytest.mark.slow
@needs_torch
def test_pipeline_compares_sounds_with_the_data_loader(monkeypatch):
    monkeypatch.delenv("MMKERAS_DATA", raising=False)
    arguments = ("--rows", 40, "--batch-size", 8, "--repeats", 2, "--workers", 0, 1)
    table, results = run("pipeline", "--modality", "audio", *arguments)
    rates = results["rates"]
    check_rates(rates)
    assert table.startswith("40 WAV files") and all(name in table for name in rates)
    for setting in ("decode every epoch", "memory", "file"):
        assert rates[f"mmkeras, {setting}"]["ratio"] > 0
    assert results["waiting"] == {}


def test_pipeline_measures_sounds_without_torch(monkeypatch, capsys):
    monkeypatch.delenv("MMKERAS_DATA", raising=False)
    pipeline = load("pipeline")
    monkeypatch.setattr(
        pipeline, "find_spec", lambda name: None if name == "torch" else find_spec(name)
    )
    tiny = ["--rows", "24", "--batch-size", "8", "--repeats", "2"]
    results = pipeline.main(["--modality", "audio", *tiny])
    assert "torch is not installed: no comparison" in capsys.readouterr().out
    check_rates(results["rates"])
    assert len(results["rates"]) == 3 and results["waiting"] == {}


def test_made_sounds_are_the_same_for_the_same_seed(tmp_path, monkeypatch):
    monkeypatch.delenv("MMKERAS_DATA", raising=False)
    sound_rows = load("sound_rows")
    contents = []
    for seed, name in ((0, "a"), (0, "b"), (1, "c")):
        folder = tmp_path / name
        folder.mkdir()
        frame, _ = sound_rows.make_table(folder, 3, seed)
        contents.append([Path(path).read_bytes() for path in frame["audio"]])
    assert contents[0] == contents[1] != contents[2]


@needs_torch
def test_the_data_loader_makes_the_spectrograms_that_our_pipeline_makes(tmp_path, monkeypatch):
    monkeypatch.delenv("MMKERAS_DATA", raising=False)
    sound_rows = load("sound_rows")
    frame, schema = sound_rows.make_table(tmp_path, 12, 0)
    # Longer than the second that is kept.
    sound = sound_rows.draw_sound(np.random.default_rng(0), sound_rows.RATE, 1.3)
    soundfile.write(frame["audio"][0], sound, sound_rows.RATE)
    fitted = mmkeras.fit_preprocessing(frame, schema, sound_rows.settings())
    inputs, targets = next(iter(mmkeras.Pipeline(frame, fitted).evaluate()))
    for keep in (False, True):
        theirs, labels = sound_rows.torch_rows(frame, fitted, keep).__getitems__(list(range(12)))
        # Two Fourier transforms differ by rounding, which shows where there is next to no power.
        ours = inputs["audio"].numpy()
        np.testing.assert_allclose(theirs["audio"].numpy().swapaxes(1, 2), ours, atol=2e-3)
        np.testing.assert_array_equal(labels.numpy(), targets.numpy())


@pytest.mark.slow
def test_memory_tells_how_it_grows_for_each_cache():
    table, results = run("memory", "--rows", 64, "--epochs", 2, "--batch-size", 8)
    assert set(results) == {"auto, over its budget", "none"}
    for name, result in results.items():
        assert len(result["use"]) == 3 and name in table
        for part, grown in result["growth"].items():
            values = [use[part] for use in result["use"]]
            assert min(values) > 0 and grown == values[2] - values[1]
        assert result["ok"] == all(grown < 200 for grown in result["growth"].values())


def test_memory_that_grows_too_much_is_missed(capsys):
    memory = load("memory")
    use = [{"peak": 900.0}, {"peak": 1000.0}, {"peak": 1250.0}]
    assert memory.growth(use) == {"peak": 250.0}
    results = {"none": {"use": use, "growth": {"peak": 250.0}, "ok": False}}
    memory.report(results, memory.MemoryConfig(epochs=2))
    assert "grew by 200 MB or more: none" in capsys.readouterr().out


@pytest.mark.slow
@needs_torch
def test_train_step_compares_with_torch():
    tiny = ("--sizes", 16, "--batch-size", 2, "--repeats", 2, "--steps", 1)
    contestants = ("tensorflow", "torch")
    arguments = (*tiny, "--vocabulary-size", 20, "--contestants", *contestants)
    table, results = run("train_step", *arguments)
    rows = results["16"]
    assert tuple(rows) == contestants and rows["torch"]["ratio"] == 1
    for name, row in rows.items():
        assert 0 < row["fastest"] <= row["milliseconds"] <= row["slowest"]
        assert row["ratio"] > 0 and name in table


def test_train_step_names_an_unknown_contestant():
    with pytest.raises(SystemExit, match="theano"):
        load("train_step").main(["--contestants", "theano"])


@pytest.mark.slow
def test_steps_of_generative_models_on_two_backends():
    pytest.importorskip("jax")
    tiny = ("--side", 8, "--batch-size", 2, "--modalities", 2, "--encoder-filters", 2)
    less = ("--decoder-filters", 2, "--latent-dim", 2, "--repeats", 2, "--steps", 1)
    table, results = run("generation", *tiny, *less)
    assert list(results) == ["tensorflow", "jax"] and "no comparison" in table
    assert all(row["milliseconds"] > 0 and row["processor"] > 0 for row in results.values())


def test_models_of_different_sizes_are_not_compared():
    contestants = [SimpleNamespace(name=name, weights=n) for name, n in (("a", 5), ("b", 6))]
    check_weights = load("contestants").check_weights
    check_weights(contestants[:1] * 2)
    with pytest.raises(SystemExit, match="'a': 5, 'b': 6"):
        check_weights(contestants)


@pytest.mark.slow
def test_generative_models_stay_finite_on_extreme_inputs():
    pytest.importorskip("jax")
    # Too small to say much: the script's own default is the real check.
    command = [sys.executable, str(FOLDER / "generation_numerics.py"), "--models", "mopoe"]
    done = subprocess.run(
        [*command, "--seeds", "4", "--steps", "50"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:]] == [
        ["mopoe", precision, "4"] for precision in ("float32", "mixed_bfloat16", "mixed_float16")
    ]


def write_lite0(path, seed=0):
    """Random weights of EfficientNet-Lite0 in a file, as PyTorch saves them."""
    import torch
    from torch_encoders import Lite0

    torch.manual_seed(seed)
    state = Lite0().state_dict()
    for name, tensor in state.items():
        if "running_mean" in name:
            tensor.normal_(0, 0.1)
        elif "running_var" in name:
            tensor.uniform_(0.5, 1.5)
    torch.save(state, path)


@pytest.mark.slow
@needs_torch
def test_frozen_networks_are_those_of_torch(tmp_path, monkeypatch):
    write_bert(tmp_path / "texts")
    write_lite0(tmp_path / "images.pth")
    own = ("--minilm", tmp_path / "texts", "--lite0", tmp_path / "images.pth")
    small = ("--rows", 12, "--side", 40, "--batch-size", 5, "--threads", 1, "--repeats", 2)
    table, results = run("encoding", *own, *small, "--torch-python", sys.executable)
    assert list(results["texts"]) == ["mmkeras", "torch"]
    for by_name in results.values():
        for name, row in by_name.items():
            assert row["seconds"] > 0 and row["processor ratio"] > 0 and name in table
            assert (row["differs"] == 0) == (name == "mmkeras") and row["differs"] < 1e-4


def test_networks_that_differ_are_not_compared(tmp_path):
    difference = load("encoding").difference
    for name, value in (("a", 0.0), ("b", 1e-4), ("c", 0.1), ("d", np.nan)):
        np.save(tmp_path / f"{name}.npy", np.full((3, 2), value))
    assert difference(tmp_path / "a.npy", tmp_path / "b.npy") == 1e-4
    for name in ("c", "d"):
        with pytest.raises(SystemExit, match="tokens by up to"):
            difference(tmp_path / "a.npy", tmp_path / f"{name}.npy")
    np.save(tmp_path / "e.npy", np.zeros((2, 2)))
    with pytest.raises(SystemExit, match=r"\(3, 2\) and \(2, 2\)"):
        difference(tmp_path / "a.npy", tmp_path / "e.npy")


@needs_torch
def test_the_torch_model_is_the_keras_model():
    import torch
    from torch_model import ImageTextClassifier

    keras_model = mmkeras.image_text_classifier((20, 20, 3), 30, num_classes=10)
    torch_model = ImageTextClassifier(30).eval()
    assert keras_model.count_params() == sum(p.numel() for p in torch_model.parameters())
    weights = {weight.path: weight.numpy() for weight in keras_model.weights}

    def layers(prefix):
        """Kernels with their biases, in the order of the layers."""
        kernels = [v for k, v in weights.items() if k.startswith(prefix) and k.endswith("kernel")]
        biases = [v for k, v in weights.items() if k.startswith(prefix) and k.endswith("bias")]
        return list(zip(kernels, biases, strict=True))

    ours = layers("image_encoder") + layers("text_encoder") + layers("fusion")
    ours += layers("head_dense_0") + layers("output")
    theirs = [m for m in torch_model.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for module, (kernel, bias) in zip(theirs, ours, strict=True):
            if kernel.ndim == 4:
                kernel = kernel.transpose(3, 2, 0, 1)
            else:
                kernel = kernel.reshape(module.in_features, module.out_features).T
            module.weight.copy_(torch.from_numpy(np.array(kernel)))
            module.bias.copy_(torch.from_numpy(bias.reshape(-1)))
        images = rng.random((3, 20, 20, 3), dtype=np.float32)
        texts = rng.random((3, 30), dtype=np.float32)
        logits = torch_model(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(texts))
    probabilities = keras_model.predict({"image": images, "text": texts}, verbose=0)
    np.testing.assert_allclose(torch.softmax(logits, 1).numpy(), probabilities, atol=1e-5)


def test_the_door_is_timed_step_by_step(capsys):
    figures = load("door").main(["--rows", "60", "--numbers", "2", "--categories", "1"])
    steps = ["infer", "read", "clean", "split", "leakage", "fit", "first batch"]
    assert list(figures) == ["pandas.read_csv", *steps, "all steps", "table_mb", "extra_mb"]
    assert figures["all steps"] == pytest.approx(sum(figures[step] for step in steps))
    assert "60 rows of 5 columns" in capsys.readouterr().out


def test_clusters_of_views_are_judged_against_floors(tmp_path, monkeypatch, capsys):
    random = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    X = 5 * y[:, None] + random.normal(size=(40, 5))
    clusters = load("multiview_clusters")
    data = clusters.ViewsAndClasses(X, {"left": 3, "right": 2}, y)
    monkeypatch.setattr(clusters, "load_views", lambda name: data)
    monkeypatch.setattr(clusters, "NEIGHBORS", (5, 10))
    arguments = ["--most", "3", "--seeds", "0", "--out", str(tmp_path)]
    clusters.main([*arguments, "--sets", "cub"])
    words = data._replace(X=scipy.sparse.csr_array(np.maximum(X, 0).round()))
    monkeypatch.setattr(clusters, "load_views", lambda name: words)
    results = clusters.main([*arguments, "--sets", "3sources"])
    assert results["set"].unique().tolist() == ["cub", "3sources"]  # cub's rows stay
    by = results[results["set"] == "cub"].groupby("method")["acc"].mean()
    assert by[clusters.MAIN] == 1 and by["one cluster"] == 0.5
    shown = capsys.readouterr().out
    assert "k-means, one view (left)" in shown and "## Numbers of clusters" in shown
    numbers = pd.read_csv(tmp_path / "clusters_numbers.csv").set_index("set")
    assert numbers.loc["cub", "chosen"] == 2


def test_kernels_are_timed_and_weighed():
    kernels = load("kernels")
    config = kernels.KernelsConfig(rows=100, views=2, features=5, classes=2)
    for weights in ("mean", "simple"):
        found = kernels.measure(config, weights)
        assert found["seconds"] > 0 and found["gigabytes"] > 0.05
        assert 0.5 < found["accuracy"] <= 1 <= found["machines"]


@pytest.mark.slow
def test_kernels_are_measured_in_processes_of_their_own():
    table, results = run("kernels", "--rows", 100, "--views", 2, "--weights", "mean", "easy")
    assert list(results) == ["mean", "easy"] and "100 rows, 2 views" in table


@pytest.mark.parametrize("name", ["mfeat", "3sources"])
def test_methods_of_views_are_compared_and_not_twice(name, tmp_path, monkeypatch, capsys):
    sets = load("multiview_sets")
    random = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = random.poisson(1 + 3 * y[:, None], (60, 5)).astype(float)
    data = sets.ViewsAndClasses(X, {"left": 3, "right": 2}, y)
    if name in sets.TEXTS:
        data = data._replace(X=scipy.sparse.csr_array(X))
    monkeypatch.setattr(sets, "load_views", lambda _: data)
    arguments = ["--data", name, "--out", str(tmp_path), "--methods", "frequent", "naive Bayes"]
    first = sets.main(arguments)[name]
    assert list(first.groupby(["method", "views"], sort=False).groups) == [
        ("most frequent class", "all"),
        *[("naive Bayes", views) for views in ("all", "left", "right")],
        ("naive Bayes, normal", "all"),
    ]
    assert first.groupby("method")["accuracy"].mean()["most frequent class"] == 0.5
    more = sets.main([*arguments, "kernels, alignment"])[name]
    assert (more["fold"].value_counts() == 6).all() and len(more) == 30
    assert capsys.readouterr().err.count("naive Bayes (all)") == 1
    assert more["chosen"].iloc[-1].startswith("C=") and more["accuracy"].iloc[-1] > 0.8
    shown = (tmp_path / f"supervised_{name}.md").read_text()
    assert "reach" in shown and "kernels, alignment (all)" in shown


@pytest.mark.slow
def test_defaults_stand_beside_the_floor_and_are_not_trained_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("mmkeras.experiment.defaults.training._MOST_EPOCHS", 1)
    monkeypatch.delenv("MMKERAS_DATA", raising=False)
    folder = tmp_path / "aeon" / "BasicMotions"
    folder.mkdir(parents=True)
    rows = [f"{','.join(map(str, range(c, c + 5)))}:1,2,3,4,5:{'ab'[c % 2]}" for c in range(20)]
    for part in ("TRAIN", "TEST"):
        (folder / f"BasicMotions_{part}.ts").write_text("#\n@data\n" + "\n".join(rows) + "\n")
    own = ["--out", str(tmp_path / "out"), "--aeon", str(folder.parent), "--sets"]
    defaults = load("defaults")
    table = defaults.main([*own, "BasicMotions", "wine"])
    assert list(table.index) == ["BasicMotions", "wine"]
    assert table.loc["wine", "floor test"] > 0.9 and 0 < table.loc["wine", "test"] <= 1
    assert table.loc["BasicMotions", "seeds"] == 1
    capsys.readouterr()
    again = defaults.main([*own, "wine"])
    pd.testing.assert_frame_equal(again, table)
    assert "train rows':" not in capsys.readouterr().out  # what is trained is announced
    with pytest.raises(SystemExit, match="glyph"):
        defaults.main([*own, "glyph"])


@pytest.mark.slow
def test_exports_and_the_server_answer_as_the_run_does():
    pytest.importorskip("uvicorn")
    small = ["--rows", 20, "--train-rows", 80, "--epochs", 1, "--requests", 60]
    table, results = run("serving", "--sets", "glyphs", *small, "--connections", 4)
    assert results["saved_model"]["glyphs"]["apart"] < 1e-5
    assert results["server"]["failed"] == 0 and results["server"]["server, rows/s"] > 0
    assert "p99 at half of the load, ms" in table


@pytest.mark.slow
def test_engines_are_timed_by_the_same_jobs():
    pytest.importorskip("ray")
    words = ["--jobs", "1", "--seconds", "0.1", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, FOLDER / "engines.py", *words], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    numbers = done.stdout.split("ratio")[1].split("|")[-5:-1]
    processes, ray, ratio = map(float, numbers[1:])
    assert min(processes, ray) > 0.1
    assert abs(ratio - ray / processes) < 0.1


@pytest.mark.slow
def test_two_processes_share_each_batch(monkeypatch):
    pytest.importorskip("jax")
    benchmark = load("processes")
    small = ["--rows", "48", "--batch-size", "16", "--filters", "4", "--epochs", "2"]
    one, two = benchmark.main([*small, "--rounds", "1"])
    differ = "loss differs by (last epoch)"
    assert one[differ] == 0 < one["ms per step"]
    assert two[differ] < 1e-5 and two["processes"] == 2
    assert 0 <= two["waiting"] < 1


ON_A_DEVICE = """
import sys
sys.modules["tensorflow"] = None  # as where it is not installed
sys.path.insert(0, sys.argv[1])
import gpu
gpu.main(sys.argv[2:])
"""


@pytest.mark.slow
def test_an_accelerator_is_measured_without_tensorflow(tmp_path):
    pytest.importorskip("jax")
    sizes = "--image-size 24 --batch-size 2 --vocabulary-size 20 --tokens 5 3 --width 8"
    sizes += " --num-heads 2 --ff-dim 16 --token-batch 2 --seeds 3 --seed-batch 4 --matmul 64"
    words = [*sizes.split(), "--steps", "1", "--repeats", "2", "--no-compiled"]
    done = subprocess.run(
        [sys.executable, "-c", ON_A_DEVICE, str(FOLDER), *words, "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "out").read_text())
    steps = pd.DataFrame(found["steps"]).query("by == 'keras-jax'")
    assert len(steps) == 8 and found["missing"] == []
    assert np.isfinite(steps["share of peak"]).all() and (steps["ms"] > 0).all()
    assert found["seeds"]["weights differ by"] < 1e-5
    assert len(found["equal"]) == 8 and all(row["ok"] for row in found["equal"])
    assert "not measured" not in done.stdout


@pytest.mark.slow
def test_an_experiment_on_many_rows_keeps_to_its_memory(monkeypatch, capsys):
    stages = load("memory_table").main(["--rows", "3000", "--batch-size", "64"])
    names = ["imports", "rows read and split", "fitted and encoded", "trained"]
    assert [stage["stage"] for stage in stages] == names
    assert stages[-1]["accuracy"] > 0.6 and 0 < stages[0]["peak"] <= stages[-1]["peak"]
    assert "3,000 rows of a text and 10 numbers" in capsys.readouterr().out

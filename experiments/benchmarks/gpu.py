"""Training on an accelerator: Keras on JAX beside PyTorch on the same device. Needs no TensorFlow.

    python experiments/benchmarks/gpu.py --out gpu.json       # under 8 minutes on a GPU
    python experiments/benchmarks/gpu.py --image-size 32 --batch-size 4 --token-batch 2 --width 32 \
        --num-heads 2 --ff-dim 64 --matmul 256 --steps 2 --repeats 2   # on a processor, to try it

For the documents' model and for three fusions over as many tokens as a ViT and a text encoder give:
the time of a training step (forward, backward, Adam) in float32 and bfloat16, next to the same
layers in PyTorch, eager and compiled; and what share of the device's measured peak of matrix
products that is. Then ten seeds of a small model in one program next to ten trainings. And whether
the device's numbers are those of the processor. All inputs are on the device before time begins.
"""

from __future__ import annotations

import gc
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
# PyTorch is on the same device: each takes memory as it needs it.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import numpy as np
import tyro

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
FUSIONS = ("concat", "attention", "self_attention")
CLASSES = 10
# Largest difference of the processor's and the device's answers, relative to the largest answer.
TOLERANCES = {"float32": 1e-4, "bfloat16": 5e-2}


@dataclass(frozen=True)
class GpuConfig:
    """What is measured.

    Args:
        image_size: Side of the images that the documents' model reads.
        batch_size: Its rows a step.
        vocabulary_size: The length of its bag of words.
        tokens: Tokens of the image and of the text that the fusions read.
        width: Their width, and that of the fusions.
        num_heads, num_layers, ff_dim: Of the fusions with attention.
        token_batch: The fusions' rows a step.
        seeds: How many trainings in one program.
        seed_batch: Rows a step of each of them.
        matmul: Side of the square matrices whose product measures the peak.
        steps: Steps in a turn.
        repeats: Turns of each contestant.
        minutes: After so many nothing more is begun; what is missing is said.
        compiled: Whether PyTorch is compiled, too (`torch.compile`).
        out: A JSON file for all figures.
    """

    image_size: int = 224
    batch_size: int = 64
    vocabulary_size: int = 1000
    tokens: tuple[int, int] = (197, 64)
    width: int = 768
    num_heads: int = 12
    num_layers: int = 2
    ff_dim: int = 3072
    token_batch: int = 128
    seeds: int = 10
    seed_batch: int = 64
    matmul: int = 8192
    steps: int = 10
    repeats: int = 5
    minutes: float = 7.0
    compiled: bool = True
    out: Path | None = None


@dataclass
class Results:
    """All figures, as they come."""

    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    peak: dict[str, dict[str, float]] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    seeds: dict[str, float] = field(default_factory=dict)
    equal: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def timed(run: Callable[[int], None], config: GpuConfig) -> list[float]:
    """Milliseconds a step of each turn; `run` makes so many steps, and waits for the last."""
    run(2)  # compiles, and warms up
    turns = []
    for _ in range(config.repeats):
        began = time.perf_counter()
        run(config.steps)
        turns.append(1000 * (time.perf_counter() - began) / config.steps)
    return turns


def jax_peak(config: GpuConfig, precision: str) -> float:
    """Floating-point operations a second of a product of square matrices, in 10^12."""
    import jax

    side = config.matmul
    key = jax.random.key(0)
    a, b = (jax.random.normal(k, (side, side), precision) for k in jax.random.split(key))
    product = jax.jit(lambda a, b: a @ b)

    def run(times: int) -> None:
        for _ in range(times):
            last = product(a, b)
        last.block_until_ready()

    return 2 * side**3 / statistics.median(timed(run, config)) / 1e9


def torch_peak(config: GpuConfig, precision: str) -> float:
    """As `jax_peak`."""
    import torch

    a, b = (
        torch.randn(config.matmul, config.matmul, device=_torch_device()).to(
            getattr(torch, precision)
        )
        for _ in range(2)
    )

    def run(times: int) -> None:
        for _ in range(times):
            a @ b
        _torch_wait()

    return 2 * config.matmul**3 / statistics.median(timed(run, config)) / 1e9


class JaxTraining:
    """A compiled Keras model's step on a batch that is on the device."""

    def __init__(self, model: Any, inputs: dict[str, np.ndarray], labels: np.ndarray):
        import jax

        self.model = model
        self.batch = jax.device_put((inputs, labels))
        model.train_on_batch(*self.batch)  # makes the variables of optimizer and metrics
        self.state = state_of(model)
        step = jax.jit(model.train_step, donate_argnums=0)
        self.step = step.lower(self.state, self.batch).compile()

    @property
    def operations(self) -> float:
        """Floating-point operations of a step, as XLA counts them; NaN where it does not."""
        costs = self.step.cost_analysis()
        costs = costs[0] if isinstance(costs, list) else costs
        return float((costs or {}).get("flops", math.nan))

    def run(self, times: int) -> None:
        """So many steps."""
        for _ in range(times):
            logs, self.state = self.step(self.state, self.batch)
        logs["loss"].block_until_ready()


def state_of(model: Any) -> tuple[list[Any], ...]:
    """All variables of a Keras model that is compiled, as its `train_step` takes them."""
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    # Copies: a step gives its arguments' memory away.
    return tuple([each.value + 0 for each in group] for group in groups)


def image_text_batch(config: GpuConfig) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Random images, bags of words and one-hot labels."""
    random = np.random.default_rng(0)
    shape = (config.batch_size, config.image_size, config.image_size, 3)
    words = random.random((config.batch_size, config.vocabulary_size)) < 0.01
    inputs = {"image": random.random(shape, np.float32), "text": words.astype(np.float32)}
    return inputs, _labels(random, config.batch_size)


def token_batch(config: GpuConfig) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Random tokens of two modalities and one-hot labels."""
    random = np.random.default_rng(0)
    inputs = {
        name: random.standard_normal((config.token_batch, count, config.width), np.float32)
        for name, count in zip(("image", "text"), config.tokens, strict=True)
    }
    return inputs, _labels(random, config.token_batch)


def _labels(random: np.random.Generator, rows: int) -> np.ndarray:
    return np.eye(CLASSES, dtype=np.float32)[random.integers(0, CLASSES, rows)]


def keras_model(name: str, config: GpuConfig) -> Any:
    """The documents' model, or a fusion with a linear layer; compiled."""
    import keras

    from mmkeras.fusion import FUSIONS as ALL
    from mmkeras.models.compile import compile_model
    from mmkeras.models.image_text import image_text_classifier

    keras.utils.set_random_seed(0)
    if name == "documents":
        size, words = config.image_size, config.vocabulary_size
        return compile_model(image_text_classifier((size, size, 3), words, CLASSES), "label")
    counts = zip(("image", "text"), config.tokens, strict=True)
    inputs = {each: keras.Input((count, config.width), name=each) for each, count in counts}
    options = {
        "concat": {},
        "attention": {
            "num_heads": config.num_heads,
            "key_dim": config.width // config.num_heads,
        },
        "self_attention": {
            "dim": config.width,
            "num_heads": config.num_heads,
            "num_layers": config.num_layers,
            "ff_dim": config.ff_dim,
        },
    }
    fused = ALL[name](**options[name])(list(inputs.values()))
    answer = keras.layers.Dense(CLASSES, activation="softmax", dtype="float32")(fused)
    model = keras.Model(inputs, answer)
    model.compile("adam", "categorical_crossentropy", jit_compile=True)
    return model


def torch_training(
    name: str, config: GpuConfig, precision: str, compiled: bool
) -> tuple[Callable[[int], None], int]:
    """So many steps of the same layers in PyTorch, and how many weights they have."""
    import torch

    torch.manual_seed(0)
    device = _torch_device()
    if name == "documents":
        from torch_model import ImageTextClassifier

        model = ImageTextClassifier(config.vocabulary_size, CLASSES)
        model = model.to(device, memory_format=torch.channels_last)
        inputs, labels = image_text_batch(config)
        tensors = [torch.from_numpy(each).to(device) for each in inputs.values()]
        tensors[0] = tensors[0].permute(0, 3, 1, 2)  # channels last, as they are in memory
    else:
        from torch_fusions import TokensClassifier

        sizes = {"dim": config.width, "num_heads": config.num_heads}
        sizes |= {"num_layers": config.num_layers, "ff_dim": config.ff_dim}
        model = TokensClassifier(name, config.width, CLASSES, **sizes).to(device)
        inputs, labels = token_batch(config)
        tensors = [torch.from_numpy(each).to(device) for each in inputs.values()]
    weights = sum(each.numel() for each in model.parameters())
    target = torch.from_numpy(labels).to(device)
    optimizer = torch.optim.Adam(model.parameters(), fused=device == "cuda")
    called = torch.compile(model) if compiled else model
    half = precision == "bfloat16"

    def run(times: int) -> None:
        for _ in range(times):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16, enabled=half):
                loss = torch.nn.functional.cross_entropy(called(*tensors), target)
            loss.backward()
            optimizer.step()
        _torch_wait()

    return run, weights


def measure_steps(config: GpuConfig, results: Results, late: Callable[[str], bool]) -> None:
    """The time of a step of each model, in each precision, by each contestant."""
    from mmkeras.training.precision import computing_in

    has_torch = find_spec("torch") is not None
    for name in ("documents", *FUSIONS):
        for precision, policy in PRECISIONS.items():
            if late(f"steps of {name} in {precision}"):
                continue
            print(f"{name}, {precision}", file=sys.stderr, flush=True)
            with computing_in(policy):
                model = keras_model(name, config)
                batch = image_text_batch(config) if name == "documents" else token_batch(config)
                training = JaxTraining(model, *batch)
                turns = timed(training.run, config)
            operations, weights = training.operations, _count(model.trainable_variables)
            peak = results.peak["jax"][precision]
            common = {"model": name, "precision": precision, "weights": weights}
            results.steps.append({**common, "by": "keras-jax", **_figures(turns, operations, peak)})
            del model, training, batch
            gc.collect()
            for by in ("torch", "torch-compiled") if has_torch else ():
                if by == "torch-compiled" and not config.compiled:
                    continue
                run, of_torch = torch_training(name, config, precision, by == "torch-compiled")
                if of_torch != weights:
                    raise RuntimeError(f"{name}: {weights} weights in Keras, {of_torch} in PyTorch")
                turns = timed(run, config)
                peak = results.peak["torch"][precision]
                # The same layers: the same operations.
                results.steps.append({**common, "by": by, **_figures(turns, operations, peak)})
                del run
                gc.collect()
                _torch_forget()


def _count(variables: Any) -> int:
    return sum(math.prod(each.shape) for each in variables)


def _figures(turns: list[float], operations: float, peak: float) -> dict[str, float]:
    median = statistics.median(turns)
    return {
        "ms": median,
        "fastest": min(turns),
        "slowest": max(turns),
        "teraflops": operations / median / 1e9,
        "share of peak": operations / median / 1e9 / peak,
    }


def measure_seeds(config: GpuConfig, results: Results) -> None:
    """A step of many seeds in one program, next to as many steps of one; and of compiling."""
    import jax
    import keras

    from mmkeras.fusion import FUSIONS as ALL

    random = np.random.default_rng(0)
    shapes = {"a": (20, 64), "b": (1, 300), "c": (20, 32)}
    inputs = {
        name: random.standard_normal((config.seed_batch, *shape), np.float32)
        for name, shape in shapes.items()
    }
    batch = jax.device_put((inputs, _labels(random, config.seed_batch)))

    def made(seed: int) -> Any:
        keras.utils.set_random_seed(seed)
        tensors = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
        fused = ALL["gmu"](dim=64)(list(tensors.values()))
        hidden = keras.layers.Dropout(0.3)(keras.layers.Dense(64, activation="relu")(fused))
        model = keras.Model(tensors, keras.layers.Dense(CLASSES, activation="softmax")(hidden))
        model.compile("adam", "categorical_crossentropy", jit_compile=True)
        model.train_on_batch(*batch)
        return model

    models = [made(seed) for seed in range(config.seeds)]
    states = [state_of(model) for model in models]
    together = jax.tree.map(lambda *parts: jax.numpy.stack(parts), *states)
    step = models[0].train_step
    one, many = jax.jit(step), jax.jit(jax.vmap(step, in_axes=(0, None)))
    # One step of each seed, alone and together: the same weights but for rounding.
    alone = [one(state, batch)[1] for state in states]
    of_all = many(together, batch)[1]
    apart = max(
        float(np.abs(np.asarray(mine) - np.asarray(all_[place])).max())
        for place, state in enumerate(alone)
        for mine, all_ in zip(state[0], of_all[0], strict=True)
    )

    def separate(times: int) -> None:
        for place, state in enumerate(states):
            for _ in range(times):
                logs, state = one(state, batch)
            states[place] = state
        logs["loss"].block_until_ready()

    def vectorized(times: int) -> None:
        nonlocal together
        for _ in range(times):
            logs, together = many(together, batch)
        logs["loss"].block_until_ready()

    results.seeds = {
        "seeds": config.seeds,
        "ms of one after the other": statistics.median(timed(separate, config)),
        "ms of all in one program": statistics.median(timed(vectorized, config)),
        "weights differ by": apart,
    }


def measure_equal(config: GpuConfig, results: Results) -> None:
    """Whether the device's answers are the processor's."""
    import jax

    from mmkeras.training.precision import computing_in

    processor = jax.devices("cpu")[0]
    for name in ("documents", *FUSIONS):
        for precision, policy in PRECISIONS.items():
            with computing_in(policy):
                model = keras_model(name, config)
                inputs, _ = image_text_batch(config) if name == "documents" else token_batch(config)
                some = {key: values[:2] for key, values in inputs.items()}
                variables = [
                    [each.value for each in group]
                    for group in (model.trainable_variables, model.non_trainable_variables)
                ]

                def answer(variables: Any, inputs: Any, model: Any = model) -> Any:
                    return model.stateless_call(*variables, inputs, training=False)[0]

                # Of float32 all digits, as on a processor; without this a GPU takes shorter ones.
                with jax.default_matmul_precision("highest"):
                    here = np.asarray(jax.jit(answer)(variables, some), np.float32)
                    moved = jax.device_put((variables, some), processor)
                    there = np.asarray(jax.jit(answer)(*moved), np.float32)
            differs = float(np.abs(here - there).max() / np.abs(there).max())
            ok = differs <= TOLERANCES[precision]
            results.equal.append(
                {"model": name, "precision": precision, "differs by": differs, "ok": ok}
            )


def _torch_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _torch_wait() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _torch_forget() -> None:
    import torch

    torch._dynamo.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def main(arguments: list[str] | None = None) -> Results:
    """Measures, prints tables, and writes a file if one is named."""
    config = tyro.cli(GpuConfig, args=arguments, description=__doc__)
    import jax
    import keras

    began, results = time.monotonic(), Results()

    def late(what: str) -> bool:
        if time.monotonic() - began < 60 * config.minutes:
            return False
        results.missing.append(what)
        return True

    device = jax.devices()[0]
    results.device = f"{device.platform}: {device.device_kind}"
    results.versions = {"jax": jax.__version__, "keras": keras.__version__}
    results.peak["jax"] = {each: jax_peak(config, each) for each in PRECISIONS}
    if find_spec("torch"):
        import torch

        # As JAX does: products of float32 may take shorter numbers on a GPU.
        torch.set_float32_matmul_precision("high")
        results.versions["torch"] = torch.__version__
        results.peak["torch"] = {each: torch_peak(config, each) for each in PRECISIONS}
    measure_equal(config, results)
    if not late("ten seeds"):
        measure_seeds(config, results)
    measure_steps(config, results, late)
    report(results, config)
    if config.out is not None:
        config.out.write_text(json.dumps(vars(results), indent=1) + "\n", "utf-8")
    return results


def report(results: Results, config: GpuConfig) -> None:
    """Prints all tables."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    print(f"{results.device}; {versions}\n")
    print(f"product of {config.matmul}×{config.matmul} matrices, 10^12 operations a second")
    for by, values in results.peak.items():
        print(f"  {by:<6}", *(f"{name} {value:,.1f}  " for name, value in values.items()))
    print(f"\n{'model':<15} {'precision':<10} {'by':<15} {'ms/step':>9} {'ratio':>6} {'peak':>6}")
    base: dict[tuple[str, str], float] = {}
    for row in results.steps:
        if row["by"] != "keras-jax":
            key = (row["model"], row["precision"])
            base[key] = min(base.get(key, math.inf), row["ms"])
    for row in results.steps:
        rival = base.get((row["model"], row["precision"]))
        ratio = "-" if rival is None else f"{row['ms'] / rival:.2f}"
        print(
            f"{row['model']:<15} {row['precision']:<10} {row['by']:<15} {row['ms']:>9,.2f} "
            f"{ratio:>6} {row['share of peak']:>6.1%}"
        )
    print("\nratio: to the faster PyTorch; below 1 is faster. peak: share of the matrix product's")
    if results.seeds:
        print(
            f"\n{results.seeds['seeds']} seeds of a small model, ms a step of all: one after the "
            f"other {results.seeds['ms of one after the other']:.2f}, in one program "
            f"{results.seeds['ms of all in one program']:.2f}; weights after a step differ by "
            f"{results.seeds['weights differ by']:.1e}"
        )
    print("\nthe device's answers and the processor's differ by, relative to the largest:")
    for row in results.equal:
        said = "" if row["ok"] else f"  MORE THAN {TOLERANCES[row['precision']]:g}"
        print(f"  {row['model']:<15} {row['precision']:<10} {row['differs by']:.1e}{said}")
    for what in results.missing:
        print(f"not measured, for want of time: {what}")


if __name__ == "__main__":
    sys.exit(0 if all(row["ok"] for row in main().equal) else 1)

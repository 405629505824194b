"""A SavedModel against the run that it was made of, and the server against `model.predict`.

    MMKERAS_DATA=/path/to/data python experiments/benchmarks/serving.py
    python experiments/benchmarks/serving.py --sets --requests 2000        # the server alone
    python experiments/benchmarks/serving.py --rows 20 --train-rows 200 --requests 0

For each data set a model is trained briefly on rows of which some lack a modality, and exported. A
process without Keras, mmkeras, OpenCV and Pillow answers raw rows with the SavedModel's
`serve_rows`; each modality is missing from one of them at least. The largest difference to what
`predict.py` says of the same rows must be below 1e-5, of numbers in units of their standard
deviation.

Then `serve.py` answers single rows of glyphs over HTTP: as many as it can (rows per second, beside
`model.predict` in batches of 32 from the same files, decoding included), half as many, and 250 a
second, evenly spaced (the time that 99 % of the requests take at most). Its resident memory is read
after a tenth of all requests and after the last one. Ends with exit code 1 if an answer differs, or
a request fails.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import io
import json
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro

import mmkeras
from mmkeras.data.media.images.image_file import encode_png
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.presets import preset
from mmkeras.experiment.run_folder import Run

TOLERANCE = 1e-5
CALM = 250  # rows per second
SERVER = Path(__file__).resolve().parents[1] / "serve.py"
# Rows as JSON on standard input, outputs as JSON on standard output.
ALONE = """
import base64, importlib.abc, importlib.machinery, json, sys

class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("keras", "mmkeras", "cv2", "PIL"):
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        raise ImportError(spec.name)
    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Absent())
import tensorflow as tf

cells = json.load(sys.stdin)
serve = tf.saved_model.load(sys.argv[1]).signatures["serve_rows"]
tensors = {}
for name, spec in serve.structured_input_signature[1].items():
    values = cells[name]
    if values["files"]:
        values["cells"] = [base64.b64decode(cell) for cell in values["cells"]]
    tensors[name] = tf.constant(values["cells"], spec.dtype)
answers = serve(**tensors)
print(json.dumps(answers["outputs"].numpy().tolist()))
assert not {"keras", "mmkeras", "cv2", "PIL"} & {name.split(".")[0] for name in sys.modules}
"""


@dataclass(frozen=True)
class ServingConfig:
    """What is measured.

    Args:
        sets: Data sets whose SavedModels are compared.
        rows: Raw rows of each.
        train_rows: Rows that each model is trained on.
        epochs: How long each is trained.
        requests: Requests to the server, of a row each; 0 for no server.
        connections: How many of them are under way at once.
        seed: Decides rows and weights.
        folder: Where runs and exports go; by default a temporary folder.
    """

    sets: tuple[str, ...] = ("emoji", "avmnist", "babies_r_us")
    rows: int = 200
    train_rows: int = 600
    epochs: int = 2
    requests: int = 10_000
    connections: int = 64
    seed: int = 0
    folder: Path | None = None


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Runs the benchmark, prints two tables, and returns their figures."""
    config = tyro.cli(ServingConfig, args=arguments, description=__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        folder = config.folder or Path(temporary)
        results: dict[str, Any] = {"saved_model": {}, "server": {}}
        for name in config.sets:
            results["saved_model"][name] = compare(name, config, folder / name)
        if config.requests:
            results["server"] = asyncio.run(serve(config, folder / "server"))
    if results["saved_model"]:
        table = pd.DataFrame(results["saved_model"]).T
        print(table.to_string(formatters={"apart": "{:.1e}".format}))
    if results["server"]:
        print(pd.Series(results["server"]).to_string())
    wrong = [n for n, found in results["saved_model"].items() if found["apart"] > TOLERANCE]
    if wrong or results["server"].get("failed"):
        print(f"differ: {wrong}; failed requests: {results['server'].get('failed', 0)}")
        raise SystemExit(1)
    return results


def trained(name: str, config: ServingConfig, folder: Path, holes: bool) -> tuple[Run, Splits]:
    """A briefly trained run, and all rows of the data set, split."""
    table, schema = mmkeras.load_dataset(name)
    rows = config.train_rows + 2 * max(config.rows, 60)
    table = table.sample(min(rows, len(table)), random_state=config.seed)
    table = table.drop(columns="split", errors="ignore")
    settings = preset(name)
    settings = dataclasses.replace(
        settings,
        seed=config.seed,
        model=dataclasses.replace(settings.model, modality_dropout=0.3 if holes else 0.0),
        training=dataclasses.replace(settings.training, epochs=config.epochs),
    )
    frame = mmkeras.read_table(table, schema)
    shares = {"validation": 0.1, "test": max(config.rows, 60) / len(frame)}
    splits = mmkeras.split_table(frame, schema, seed=config.seed, **shares)
    known = splits.train[schema.target.columns[0]].unique()
    test = splits.test
    if mmkeras.Label is type(schema.target):
        test = test[test[schema.target.column].isin(known)]
        validation = splits.validation
        validation = validation[validation[schema.target.column].isin(known)]
        splits = Splits(splits.train, validation, test)
    return mmkeras.train_run(splits, schema, folder, settings, label=name), splits


def compare(name: str, config: ServingConfig, folder: Path) -> dict[str, float]:
    """The largest difference between a SavedModel's answers and the run's, for raw rows."""
    run, splits = trained(name, config, folder / "run", holes=True)
    schema, task = run.preprocessing.schema, run.preprocessing.task
    frame = splits.test[: config.rows].copy()
    for place, modality in enumerate(schema.modalities):
        for column in modality.columns:
            frame[column] = frame[column].astype(object)
            frame.loc[frame.index[place], column] = None
    began = time.perf_counter()
    exported = run.export(folder / "exported")
    seconds = time.perf_counter() - began
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(exported)],
        input=json.dumps(row_cells(run, exported, frame)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    outputs = np.array(json.loads(done.stdout))
    predictions = run.predict(frame.drop(columns=list(schema.target_columns)))
    if task.has_classes:
        expected = predictions[[f"p({label})" for label in task.classes]].to_numpy()
        apart = np.abs(outputs - expected).max()
    else:
        expected = predictions["predicted"].to_numpy()
        own = task.own_unit(outputs)[:, 0]
        apart = (np.abs(own - expected) / np.maximum(np.abs(expected), task.units[0])).max()
    return {
        "rows": len(frame),
        "apart": float(apart),
        "spread": float(np.ptp(outputs, axis=0).max()),  # of equal outputs, 0 would say nothing
        "export_seconds": round(seconds, 1),
    }


def row_cells(run: Run, exported: Path, frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """What `serve_rows` takes, by argument, as JSON can hold it."""
    inputs = json.loads((exported / "inputs.json").read_text(encoding="utf-8"))["serve_rows"]
    found = {}
    for column, about in inputs.items():
        kind, files = about["kind"], False
        if kind == "presence":
            cells = np.ones((len(frame), about["shape"][1]), bool).tolist()
        elif kind in ("image", "audio"):
            files = True
            contents = [as_file(run, cell, kind) for cell in frame[column]]
            cells = [base64.b64encode(each).decode() for each in contents]
        elif about["dtype"] == "float64":
            cells = [float(cell) for cell in pd.to_numeric(frame[column])]
        else:
            cells = ["" if pd.isna(cell) else str(cell) for cell in frame[column]]
        found[about["argument"]] = {"files": files, "cells": cells}
    return found


def as_file(run: Run, cell: Any, kind: str) -> bytes:
    """A cell as the bytes of a PNG, JPEG or WAV file."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return b""
    if isinstance(cell, str):
        return Path(cell).read_bytes()
    if isinstance(cell, bytes):
        return cell
    if kind == "image":
        return encode_png(cell)
    (rate,) = {
        fitted.settings.rate
        for fitted in run.preprocessing.modalities.values()
        if hasattr(fitted.settings, "rate")
    }
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(cell.astype("<i2").tobytes())
    return file.getvalue()


async def serve(config: ServingConfig, folder: Path) -> dict[str, float]:
    """The server's speed and memory, beside those of `model.predict`."""
    run, splits = trained("glyphs", config, folder / "run", holes=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bodies = [request_of(row, port) for row in json_rows(splits.test)]
    command = [sys.executable, str(SERVER), str(run.path), "--port", str(port)]
    server = subprocess.Popen(command)
    try:
        await ready(port, server)
        sent = [bodies[place % len(bodies)] for place in range(config.requests)]
        await asyncio.to_thread(time.sleep, 0.2)
        warm = sent[: max(1, config.requests // 10)]
        await send(warm, port, config.connections)
        before = resident(server.pid)
        fast = await send(sent, port, config.connections)
        half = await send(sent[: len(sent) // 2], port, config.connections, fast["rate"] / 2)
        calm = await send(sent[: len(sent) // 4], port, config.connections, CALM)
        after = resident(server.pid)
    finally:
        server.terminate()
        server.wait(20)
    predicted = predict_rate(run, splits.test, max(config.requests, 64))
    return {
        "server, rows/s": round(fast["rate"], 1),
        "model.predict by 32, rows/s": round(predicted, 1),
        "share": round(fast["rate"] / predicted, 3),
        "p50 at half of the load, ms": round(half["p50"] * 1000, 1),
        "p99 at half of the load, ms": round(half["p99"] * 1000, 1),
        f"p99 at {CALM} rows/s, ms": round(calm["p99"] * 1000, 1),
        "MB after a tenth": round(before, 1),
        "MB at the end": round(after, 1),
        "requests": len(sent) + len(sent) // 2 + len(sent) // 4 + len(warm),
        "failed": fast["failed"] + half["failed"] + calm["failed"],
    }


def json_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of glyphs as a client sends them."""
    return [
        {"image": base64.b64encode(encode_png(image)).decode(), "name": name}
        for image, name in zip(frame["image"], frame["name"], strict=True)
    ]


def request_of(row: Mapping[str, Any], port: int) -> bytes:
    """A request in bytes: a client's library would take as long as the server."""
    body = json.dumps({"rows": [row]}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def ready(port: int, server: subprocess.Popen[bytes]) -> None:
    """Waits until the server listens."""
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError(f"The server ended with exit code {server.returncode}.")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        except OSError:
            await asyncio.sleep(0.2)
    raise RuntimeError("The server did not start within two minutes.")


async def send(
    requests: Sequence[bytes], port: int, connections: int, rate: float | None = None
) -> dict[str, float]:
    """Sends requests over some connections, at a rate or as fast as answers come.

    At a rate, a request's time runs from when it was due: what waits for a free connection waits.
    """
    began = time.perf_counter()
    numbers, seconds, failed = iter(range(len(requests))), [], 0

    async def work() -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            due = time.perf_counter()
            if rate is not None:
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(requests[number])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            seconds.append(time.perf_counter() - due)
            failed += not head.startswith(b"HTTP/1.1 200") or b'"error"' in body
        writer.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    p50, p99 = np.quantile(seconds, [0.5, 0.99])
    whole = time.perf_counter() - began
    return {"rate": len(requests) / whole, "p50": p50, "p99": p99, "failed": failed}


def predict_rate(run: Run, frame: pd.DataFrame, rows: int) -> float:
    """Rows a second of `model.predict` in batches of 32, decoded from files as they come."""
    files = frame.assign(image=[encode_png(image) for image in frame["image"]])
    table = pd.concat([files] * -(-rows // len(files)), ignore_index=True)
    pipeline = Pipeline(table, run.preprocessing, batch_size=32, cache=None)
    run.answering.predict(pipeline.evaluate().take(2), verbose=0)
    began = time.perf_counter()
    run.answering.predict(pipeline.evaluate(), verbose=0)
    return len(table) / (time.perf_counter() - began)


def resident(pid: int) -> float:
    """The resident memory of a process, in megabytes; NaN where the system does not say it."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float("nan")
    (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmRSS")]
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()

"""Export a trained model for other programs, with its preprocessing inside or beside it.

python experiments/export.py runs/train-glyphs/20260102-030405-fused
python experiments/export.py runs/train-glyphs/20260102-030405-fused --format onnx --out glyphs-onnx
"""

from __future__ import annotations

import mmkeras.interrupts  # first: Ctrl-C while the rest is imported

# isort: split

from pathlib import Path
from typing import Annotated, Literal

import tyro

import mmkeras
from mmkeras.cli import run_script


def main(
    run: Annotated[Path, tyro.conf.Positional],
    format: Literal["saved_model", "litert", "onnx"] = "saved_model",
    out: Path | None = None,
    rows: bool = True,
) -> None:
    """Export a trained model for other programs, with its preprocessing inside or beside it.

    Args:
        run: The run's folder.
        format: saved_model (reads raw rows, in TensorFlow alone), litert or onnx (read prepared
            tensors; onnx needs the extra "export").
        out: Where it goes, a new folder; by default RUN/exported/FORMAT.
        rows: Whether a saved_model shall read raw rows, too.
    """
    opened = mmkeras.Run(run)
    folder = opened.export(out or run / "exported" / format, format, rows=rows)
    print(f"{folder}: see client.py and inputs.json in it for how it is used")


if __name__ == "__main__":
    run_script(lambda: tyro.cli(main))

"""Predict on raw rows with a trained model's run folder, and nothing else.

python experiments/predict.py runs/train-glyphs/20260102-030405-fused new_rows.csv
python experiments/predict.py runs/generate-emoji/20260102-030405-mopoe rows.csv --given image
"""

from __future__ import annotations

import mmkeras.interrupts  # first: Ctrl-C while the rest is imported

# isort: split

from pathlib import Path
from typing import Annotated, Literal

import tyro

import mmkeras
from mmkeras.cli import run_script
from mmkeras.csv_files import write_csv
from mmkeras.files import written


def main(
    run: Annotated[Path, tyro.conf.Positional],
    rows: Annotated[Path, tyro.conf.Positional],
    out: Path | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    given: tuple[str, ...] = (),
    wanted: tuple[str, ...] = (),
    seed: int = 0,
) -> None:
    """Predict on raw rows with a trained model's run folder, and nothing else.

    Args:
        run: The run's folder.
        rows: A CSV or Parquet file with the columns that the model was trained on; image paths
            are relative to it. The target column may be missing.
        out: Where the predictions go, as .csv or .parquet; by default next to `rows`, as
            NAME.predictions.csv. In a .csv, an apostrophe stands before texts that a spreadsheet
            would take for formulas. Pictures and sequences go as files into a folder beside it, of
            the same name without its ending.
        on_error: raise, or skip rows whose cells or files are missing or cannot be read.
        given: Of a generative model: the modalities that are read.
        wanted: Of a generative model: those that are made of them; by default all others.
        seed: Of a generative model: decides what is drawn.
    """
    out = out or rows.with_name(f"{rows.stem}.predictions.csv")
    if out.suffix not in (".csv", ".parquet"):
        raise ValueError(f"--out must end in .csv or .parquet. Received: {out}.")
    files = out.with_suffix("")
    if mmkeras.Run.is_generative(run):
        if not given:
            raise ValueError("A generative model needs --given: the modalities that are read.")
        opened = mmkeras.GenerativeRun(run)
        predictions = opened.predict(rows, given, wanted or None, seed=seed, files=files)
    else:
        if given or wanted:
            raise ValueError("--given and --wanted are for generative models. Leave them out.")
        predictions = mmkeras.Run(run).predict(rows, on_error=on_error, files=files)
    if out.suffix == ".csv":
        write_csv(out, predictions.rename_axis("index"), index=True)
    else:
        with written(out) as temporary:
            predictions.to_parquet(temporary)
    print(predictions.iloc[:10].to_string(max_cols=4, float_format="{:.3f}".format))
    print(f"{len(predictions):,} rows -> {out}")


if __name__ == "__main__":
    run_script(lambda: tyro.cli(main))

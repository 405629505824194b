"""A report as a folder: the page, its numbers, its pictures, and all of them for TensorBoard."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import PIL.Image

from mmkeras.csv_files import write_csv
from mmkeras.files import write_bytes, write_json, write_text
from mmkeras.reports.embed import pixels_png
from mmkeras.reports.escaping import markdown_text
from mmkeras.reports.markdown import markdown_list, table_markdown
from mmkeras.reports.page import report_html
from mmkeras.reports.parts import Cards, Picture, Report, Section, Table
from mmkeras.training.tensorboard import TensorBoardReport

_SIDE = 192


def write_report(report: Report, folder: str | Path) -> Path:
    """Writes a report, in the place of an earlier one.

    The folder then holds `audit.html`; `audit.json` with `title`, `subtitle`, `verdict`, `facts`,
    by section `conclusions`, `seconds` and `values`, and `files`; `tables/*.csv`, in full
    precision; `pictures/*.png`, those of cards side by side as `NAME-1.png` and so on; and an
    event file for TensorBoard.

    Args:
        report: What to write.
        folder: Where to; it is made if need be.

    Returns:
        The page's path.
    """
    folder = Path(folder)
    for name in ("tables", "pictures"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for table in report.tables:
        write_csv(folder / "tables" / f"{table.name}.csv", table.frame, index=True)
    pictures = {picture.name: picture.png for picture in report.pictures}
    for section in report.sections:
        pictures |= {name: pixels_png(strip) for name, strip in _strips(section).items()}
    for name, png in pictures.items():
        write_bytes(folder / "pictures" / f"{name}.png", png)
    files = [*(f"tables/{table.name}.csv" for table in report.tables)]
    files += [f"pictures/{name}.png" for name in pictures]
    _remove_earlier(folder, keep=set(files))
    write_json(folder / "audit.json", {**_numbers(report), "files": files})
    _write_events(folder, report, pictures)
    write_text(folder / "audit.html", report_html(report))
    return folder / "audit.html"


def _remove_earlier(folder: Path, keep: set[str]) -> None:
    """Removes what an earlier report says that it wrote here, and nothing else."""
    earlier = folder / "audit.json"
    if not earlier.is_file():
        return
    for name in json.loads(earlier.read_text(encoding="utf-8")).get("files", ()):
        kind, _, file = str(name).partition("/")
        if kind in ("tables", "pictures") and file == Path(file).name and name not in keep:
            (folder / kind / file).unlink(missing_ok=True)


def _strips(section: Section) -> dict[str, np.ndarray]:
    """The pictures of each card side by side, uint8 `(192, width, 3)`."""
    strips = {}
    for part in section.parts:
        for place, card in enumerate(part.cards if isinstance(part, Cards) else (), start=1):
            if card.pictures:
                alike = [np.asarray(_square(pixels)) for _, pixels in card.pictures]
                strips[f"{part.name}-{place}"] = np.concatenate(alike, axis=1)
    return strips


def _square(pixels: np.ndarray) -> PIL.Image.Image:
    one = pixels.shape[-1] == 1
    picture = PIL.Image.fromarray(pixels[..., 0] if one else pixels)
    return picture.convert("RGB").resize((_SIDE, _SIDE))


def scalar_values(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The finite numbers among nested values, with their keys joined by `/`.

    Lists are left out: a curve or a matrix is not a scalar.

    Example:

    >>> scalar_values({"rows": 12, "drop": {"image": 0.25, "text": float("nan")}, "by": [1, 2]})
    {'rows': 12.0, 'drop/image': 0.25}
    """
    found = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= scalar_values(value, f"{prefix}{key}/")
        elif (
            isinstance(value, (int, float, np.integer, np.floating))
            and not isinstance(value, bool)
            and math.isfinite(value)
        ):
            found[f"{prefix}{key}"] = float(value)
    return found


def _numbers(report: Report) -> dict[str, Any]:
    return {
        "title": report.title,
        "subtitle": report.subtitle,
        "verdict": report.verdict,
        "facts": report.facts,
        "conclusions": {section.name: section.conclusion for section in report.sections},
        "seconds": {section.name: section.seconds for section in report.sections},
        "values": {section.name: section.values for section in report.sections},
    }


def _write_events(folder: Path, report: Report, pictures: Mapping[str, bytes]) -> None:
    """One event file; an earlier report's goes, as TensorBoard would show both as one."""
    with TemporaryDirectory(prefix=".events-", dir=folder) as temporary:
        written = Path(temporary)
        # Their names are their own: a fact is a text, and a run's setting of the same name is not.
        facts = {f"report.{name}": fact for name, fact in report.facts.items()}
        with TensorBoardReport(written) as board:
            board.text("verdict", markdown_list(report.verdict))
            for section in report.sections:
                board.text(f"{section.name}/conclusion", markdown_text(section.conclusion))
                board.settings(facts, scalar_values(section.values), section.name)
                for part in section.parts:
                    if isinstance(part, Table):
                        text = table_markdown(part)
                        board.text(f"{section.name}/tables/{part.name}", text)
                    elif isinstance(part, Picture):
                        board.picture(f"{section.name}/pictures/{part.name}", part.png)
                for name in _strips(section):
                    board.picture(f"{section.name}/pictures/{name}", pictures[name])
        for earlier in folder.glob("events.out.tfevents.*.audit"):
            earlier.unlink()
        for events in written.iterdir():
            events.replace(folder / f"{events.name}.audit")

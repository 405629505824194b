"""The runs that lie next to a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmkeras.experiment.run_folder import CONFIG, METRICS
from mmkeras.reading import read_json


def sibling_configs(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Finished runs in the folder in which a run lies, with the run itself, and their settings."""
    for path in sorted(folder.resolve().parent.iterdir()):
        if (path / METRICS).is_file() and (path / CONFIG).is_file():
            yield path, read_json(path / CONFIG)

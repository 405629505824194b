"""The notebooks run from a clean kernel, and are what the `.py` files beside them say."""

import os
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
# Data that would have to be downloaded.
NEED_DATA = ("03_audio_and_images",)


def sources(notebook):
    return [(cell.cell_type, cell.source.strip()) for cell in notebook.cells]


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_quickstart",
        "02_your_own_data",
        "03_audio_and_images",
        "04_do_my_modalities_help",
        "05_from_one_modality_to_another",
        "06_without_labels",
        "07_generating_one_modality_from_another",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_what_its_script_says(path):
    notebook = nbformat.read(path, as_version=4)
    assert sources(notebook) == sources(jupytext.read(path.with_suffix(".py")))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_outputs_are_whole_and_small(path):
    assert path.stat().st_size < 500_000
    text = path.read_text(encoding="utf-8")
    assert '"output_type": "error"' not in text
    for machine_path in (str(Path.home()), str(path.parents[1]), "/tmp/"):
        assert machine_path not in text
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_a_clean_kernel(path, tmp_path):
    if path.stem in NEED_DATA and "MMKERAS_DATA" not in os.environ:
        pytest.skip("MMKERAS_DATA is not set")
    notebook = jupytext.read(path.with_suffix(".py"))
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    pictures = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert pictures

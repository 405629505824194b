"""docs/extending.md does what it says, to the letter, in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy with the page's fusion in it: one file, and the two lines that name it."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("mmkeras", "experiments", "tests"):
        shutil.copytree(
            REPOSITORY / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, copy)
    page = (REPOSITORY / "docs/extending.md").read_text(encoding="utf-8")
    code, imported, line = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (copy / re.search(r"`(mmkeras/fusion/\w+\.py)`", page).group(1)).write_text(code)
    table = copy / "mmkeras/fusion/__init__.py"
    text = table.read_text(encoding="utf-8")
    first, opening = "from mmkeras.fusion.late import", "Callable[..., Fusion]] = {\n"
    assert text.count(first) == text.count(opening) == 1
    text = text.replace(first, imported + first).replace(opening, opening + line)
    table.write_text(text, encoding="utf-8")
    return copy


def run(project, *command):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_the_new_fusion_is_a_choice_of_the_comparison(project):
    assert "hemis" in run(project, "experiments/compare_fusion.py", "--help")


@pytest.mark.slow
def test_the_new_fusion_is_held_to_the_standard_without_a_further_line(project):
    printed = run(project, "-m", "pytest", "-q", "tests/fusion/test_standard.py", "-k", "hemis")
    assert "1 passed" in printed


def test_the_page_names_what_exists():
    page = (REPOSITORY / "docs/extending.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"`((?:mmkeras|experiments|tests|docs)/[\w/]+\.(?:py|md))`", page)):
        assert name == "mmkeras/fusion/hemis.py" or (REPOSITORY / name).exists(), name

"""The notebooks of the repository, executed: the quickstart through its demonstration, the others as they are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(300)


def test_the_demonstration_runs_the_quickstart_and_says_what_ran(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "notebooks" / "run_demo.py"), "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = dict(re.split(r"  +", line, maxsplit=1) for line in done.stdout.splitlines())
    # 64 random policies, one search, and its six generations of twelve.
    assert said["tasks run"] == str(64 + 1 + 6 * 12)
    assert -1500 < int(said["best return"]) < 0
    for name in ("graph", "lineage"):
        assert ElementTree.parse(tmp_path / f"{name}.svg").getroot().tag.endswith("svg")
    lineage = (tmp_path / "lineage.svg").read_text()
    assert "74/74 done" in lineage, "the winner's random policy, its search, and the search's 72 tasks"


OTHERS = sorted(path for path in (ROOT / "notebooks").glob("*.ipynb") if path.name != "00_quickstart.ipynb")
CELL_S_MAX = 60


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_says_what_it_says_when_it_is_saved(path: Path) -> None:
    saved = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    NotebookClient(
        run, timeout=CELL_S_MAX, kernel_name="python3", extra_arguments=["--IPKernelApp.log_level=ERROR"]
    ).execute()  # raises when a cell does, but for those tagged `raises-exception`
    for before, after in zip(saved.cells, run.cells, strict=True):
        if before.cell_type == "code":
            assert bool(before.outputs) == bool(after.outputs), f"save it executed anew: {before.source}"
            assert values(before) == values(after), before.source
            assert errors(before) == errors(after), before.source


def values(cell: Any) -> list[str]:
    """The results of its last expression: what it promises, where times and process ids are not."""
    return [output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result"]


def errors(cell: Any) -> list[str]:
    return [output.ename for output in cell.outputs if output.output_type == "error"]

"""The notebooks of the repository, executed: the quickstart through its demonstration."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

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

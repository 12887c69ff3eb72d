"""Reading PSS and the tree of processes, from a made-up /proc and from the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.bench.loads.memory import descendants, pss_bytes


def add_process(proc: Path, pid: int, parent: int, name: str = "python", pss_kb: int = 1) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "stat").write_text(f"{pid} ({name}) S {parent} {pid} {pid} 0 -1")
    (folder / "smaps_rollup").write_text(f"5600-7ffe ---p 00000000 00:00 0 [rollup]\nRss: 99 kB\nPss:  {pss_kb} kB\n")


def test_pss_is_summed_and_the_dead_count_nothing(tmp_path: Path) -> None:
    add_process(tmp_path, 10, 1, pss_kb=3)
    add_process(tmp_path, 11, 10, pss_kb=4)
    assert pss_bytes([10, 11, 12], tmp_path) == 7 * 1024


def test_descendants_of_descendants_and_odd_names(tmp_path: Path) -> None:
    add_process(tmp_path, 10, 1)
    add_process(tmp_path, 11, 10, name="odd) S 99 (name")
    add_process(tmp_path, 12, 11)
    add_process(tmp_path, 13, 1)
    (tmp_path / "meminfo").write_text("")
    assert descendants(10, tmp_path) == [11, 12]


def test_a_real_child_is_found_and_has_memory() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in descendants(os.getpid())
        assert pss_bytes([child.pid]) > 0
    finally:
        child.communicate(b"\n")

"""The harness itself: a failing cell and a process that is left behind must not go unnoticed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.ui.lab import Lab
from tests.ui.server import MARK, end_processes


def test_a_failing_cell_is_reported(lab: Lab) -> None:
    lab.open(lab.new_notebook("failing", "x = 1", "x / 0", "x"))
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        lab.run_all_cells()


def test_a_process_left_behind_is_found_and_ended() -> None:
    mark = "a mark of this test"
    # In a session of its own, as daemons are. It says when it runs: before exec it has our environment.
    daemon = subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"],
        env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert daemon.stdout
    with daemon.stdout as output:
        output.readline()
    [leaked] = end_processes(mark, wait_s=0)
    assert leaked.startswith(f"{daemon.pid} ")
    assert daemon.wait() < 0

"""Workers and drivers that die in the middle of writing, reading or waiting for objects leave nothing behind."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray import Session
from cellray.exceptions import WorkerCrashedError

from tests.helpers.control import StatusReader
from tests.helpers.gates import Gate
from tests.helpers.leaks import counted, nothing_lost
from tests.helpers.polling import eventually
from tests.helpers.scripts import running_script

BIG_BYTES = 40_000_000


@cellray.remote
def warm(_: Any = None) -> int:
    return 1


def settle() -> None:
    """What this process released is told to the node, and both workers are there."""
    gc.collect()
    assert cellray.get([warm.remote() for _ in range(20)]) == [1] * 20


def die_in_the_middle_of_the_copy() -> None:
    """From now on this process copies half of what it is to write, and is killed."""
    from cellray.store.copying import Copier

    copy = Copier.copy

    def half(self: Copier, target_address: int, part: bytes | memoryview) -> None:
        copy(self, target_address, memoryview(part)[: len(part) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    Copier.copy = half  # type: ignore[method-assign]


@cellray.remote(max_retries=1)
def dies_writing_its_result() -> Any:
    die_in_the_middle_of_the_copy()
    return np.ones(BIG_BYTES, np.uint8)


@cellray.remote(max_retries=1)
def dies_in_put(kept: list[Any]) -> Any:
    refs = [cellray.put(np.ones(300_000, np.uint8)), cellray.put(kept), cellray.put(1)]
    die_in_the_middle_of_the_copy()
    return [refs, cellray.put(np.ones(BIG_BYTES, np.uint8))]


@cellray.remote(max_retries=0)
def holds_views(gate: Gate, array: Any, refs: list[Any]) -> int:
    views = [array, *cellray.get(refs), cellray.get(cellray.put(array + 1))]
    gate.arrive()
    gate.pass_through()
    return len(views)


@cellray.remote(max_retries=0)
def submits_and_dies(gate: Gate, array: Any) -> Any:
    refs = [warm.remote(array) for _ in range(50)]
    gate.arrive()
    gate.pass_through()
    return refs


def test_killed_while_writing(session: Session, status_reader: StatusReader) -> None:
    settle()
    with nothing_lost(session.address, status_reader):
        kept = cellray.put(np.zeros(200_000, np.uint8))
        for ref in (dies_writing_its_result.remote(), dies_in_put.remote([kept])):
            with pytest.raises(WorkerCrashedError):
                cellray.get(ref)
        assert cellray.get(kept).sum() == 0
        del ref, kept
        settle()


def test_killed_while_reading(session: Session, tmp_path: Path, status_reader: StatusReader) -> None:
    settle()
    with nothing_lost(session.address, status_reader):
        gate = Gate(tmp_path)
        array = cellray.put(np.arange(BIG_BYTES // 8))
        others = [cellray.put(np.full(100_000, i)) for i in range(5)]
        reading = [holds_views.remote(gate, array, others) for _ in range(2)]
        gate.wait_arrived(2)
        assert counted(session.address, status_reader).objects_read >= 2 * 7
        for pid in gate.pids:
            os.kill(pid, signal.SIGKILL)
        for ref in reading:
            with pytest.raises(WorkerCrashedError):
                cellray.get(ref)
        eventually(lambda: counted(session.address, status_reader).objects_read == 0, "nobody reads")
        assert cellray.get(array)[-1] == BIG_BYTES // 8 - 1
        del array, others, reading, ref
        settle()


def test_killed_with_tasks_and_references_of_its_own(
    session: Session, tmp_path: Path, status_reader: StatusReader
) -> None:
    settle()
    with nothing_lost(session.address, status_reader):
        gate = Gate(tmp_path)
        ref = submits_and_dies.remote(gate, cellray.put(np.ones(BIG_BYTES, np.uint8)))
        gate.wait_arrived(1)
        os.kill(gate.pids[0], signal.SIGKILL)
        with pytest.raises(WorkerCrashedError):
            cellray.get(ref)
        del ref
        settle()


def test_a_driver_that_is_killed_in_the_middle_of_a_put(session: Session, status_reader: StatusReader) -> None:
    settle()
    code = """
import os, sys, cellray, numpy as np
sys.path.insert(0, os.environ["TESTS_AT"])
from tests.system.test_object_faults import die_in_the_middle_of_the_copy, holds_views, warm
cellray.init("auto")
kept = [cellray.put(np.ones(1_000_000)) for _ in range(3)]
views = cellray.get(kept)
tasks = [warm.remote(ref) for ref in kept]
print("ready", flush=True)
die_in_the_middle_of_the_copy()
cellray.put(np.ones(5_000_000))
"""
    os.environ["TESTS_AT"] = str(Path(__file__).parents[2])
    try:
        with nothing_lost(session.address, status_reader), running_script(code) as script:
            script.expect("ready")
            assert script.wait() == -signal.SIGKILL
    finally:
        del os.environ["TESTS_AT"]

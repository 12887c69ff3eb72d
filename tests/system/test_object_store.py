"""The object store of one node under more than fits: objects move to disk and back, and only the clock notices."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray import Session
from cellray.exceptions import ObjectLostError, ObjectStoreFullError, TaskError, WorkerCrashedError
from cellray.model.fact import ObjectRestored, ObjectSpilled

from tests.helpers.control import StatusReader
from tests.helpers.event_log import of_type, read_facts
from tests.helpers.gates import Gate
from tests.helpers.polling import eventually

ARENA_BYTES = 64_000_000
PIECE_BYTES = 4_000_000


@pytest.fixture
def small(home: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session with two CPUs and 64 MB of shared memory, which gives requests up after a second."""
    monkeypatch.setenv("CELLRAY_SPACE_WAIT_S", "1")
    monkeypatch.setenv("CELLRAY_SPILL_WAIT_S", "0.3")
    started = cellray.init(num_cpus=2, object_store_memory=ARENA_BYTES, log_to_driver=False)
    yield started
    gc.collect()
    cellray.shutdown()


def piece(index: int, size: int = PIECE_BYTES) -> np.ndarray[Any, Any]:
    """An array whose every part tells its index."""
    return np.full(size // 8, index, dtype=np.int64)


def is_piece(array: np.ndarray[Any, Any], index: int) -> bool:
    return bool((array == index).all())


@cellray.remote
def make(index: int, size: int = PIECE_BYTES) -> Any:
    return piece(index, size)


@cellray.remote
def check(array: Any, index: int) -> bool:
    return is_piece(array, index)


@cellray.remote
def hold(gate: Gate, array: Any) -> int:
    gate.arrive(0)
    gate.pass_through()
    return int(array[0])


def spill_files(session: Session) -> list[str]:
    return os.listdir(os.path.join(session.address, "spill"))


def test_ten_times_the_store_is_put_made_and_read_back(small: Session, status_reader: StatusReader) -> None:
    puts = [cellray.put(piece(index)) for index in range(80)]
    made = [make.remote(index) for index in range(80, 160)]
    refs = puts + made
    cellray.wait(refs, num_returns=len(refs))
    status = status_reader.read(small.address)
    assert status.object_store_spilled_bytes > 8 * ARENA_BYTES
    for index, ref in enumerate(refs):
        assert is_piece(cellray.get(ref), index), index
    assert cellray.get([check.remote(ref, index) for index, ref in enumerate(refs)]) == [True] * 160
    facts = read_facts(small)
    assert of_type(facts, ObjectSpilled)
    assert of_type(facts, ObjectRestored)
    del refs, puts, made, ref
    gc.collect()
    eventually(lambda: not spill_files(small), "files of objects that are gone are gone")
    eventually(lambda: status_reader.read(small.address).object_store_used_bytes == 0, "the memory is free")


def test_what_is_read_stays_where_it_is(small: Session) -> None:
    kept = [cellray.get(cellray.put(piece(index))) for index in range(8)]
    others = [cellray.put(piece(100 + index)) for index in range(30)]
    assert all(is_piece(array, index) for index, array in enumerate(kept))
    assert all(is_piece(cellray.get(ref), 100 + index) for index, ref in enumerate(others))


def test_more_than_fits_at_once_says_who_reads_what(small: Session) -> None:
    refs = [cellray.put(piece(index)) for index in range(20)]
    with pytest.raises(ObjectStoreFullError, match=r"20 objects take 76\.3 MB together"):
        cellray.get(refs)
    first, second = cellray.get(refs[:10]), refs[10:]
    with pytest.raises(ObjectStoreFullError, match=r"the driver reads .* MB"):
        cellray.get(second)
    del first
    assert is_piece(cellray.get(refs[0]), 0), "and the next one is served"
    kept = cellray.get(refs[:15])
    with pytest.raises(ObjectStoreFullError, match=r"the driver reads 57\.\d MB.*init\(object_store_memory"):
        cellray.put(piece(0, 8_000_000))
    del kept
    assert is_piece(cellray.get(cellray.put(piece(0, 8_000_000))), 0)


def test_larger_than_the_store_fails_at_once(small: Session) -> None:
    large = piece(0, 80_000_000)
    begin = time.monotonic()
    with pytest.raises(ObjectStoreFullError, match="does not fit into the shared memory"):
        cellray.put(large)
    assert time.monotonic() - begin < 0.9
    with pytest.raises(TaskError, match=r"ObjectStoreFullError: an object of 76\.3 MB does not fit"):
        cellray.get(make.remote(0, 80_000_000))


def test_the_quota_on_disk_holds(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLRAY_SPILL_BYTES_MAX", "20000000")
    monkeypatch.setenv("CELLRAY_SPILL_WAIT_S", "0.2")
    cellray.init(num_cpus=1, object_store_memory=ARENA_BYTES, log_to_driver=False)
    refs = [cellray.put(piece(index)) for index in range(17)]
    with pytest.raises(ObjectStoreFullError, match="20000000 bytes that may be taken on disk are used up"):
        refs += [cellray.put(piece(index)) for index in range(17, 21)]
    assert all(is_piece(cellray.get(ref), index) for index, ref in enumerate(refs)), "nothing is lost"


def test_a_worker_killed_while_it_reads_or_waits_leaves_nothing(
    small: Session, tmp_path: Path, status_reader: StatusReader
) -> None:
    gate = Gate(tmp_path)
    big = cellray.put(piece(7, 30_000_000))
    reading = hold.options(max_retries=0).remote(gate, big)
    gate.wait_arrived(1)
    kept = cellray.get(cellray.put(piece(8, 30_000_000)))
    waiting = make.options(max_retries=0).remote(9, 30_000_000)
    eventually(
        lambda: sum(worker.state == "busy" for worker in status_reader.read(small.address).workers) == 2, "both run"
    )
    for worker in status_reader.read(small.address).workers:
        if worker.state == "busy":
            os.kill(worker.pid, signal.SIGKILL)
    for ref in (reading, waiting):
        with pytest.raises(WorkerCrashedError):
            cellray.get(ref)
    assert is_piece(kept, 8)
    del kept
    assert is_piece(cellray.get(make.remote(9, 30_000_000)), 9)
    del big, reading, waiting
    gc.collect()
    eventually(lambda: status_reader.read(small.address).object_store_used_bytes == 0, "the memory is free")


def test_a_file_that_is_gone_is_an_error_that_says_so(small: Session) -> None:
    refs = [cellray.put(piece(index)) for index in range(30)]
    eventually(lambda: spill_files(small), "something was moved out")
    for name in spill_files(small):
        os.unlink(os.path.join(small.address, "spill", name))
    with pytest.raises(ObjectLostError, match="cannot be read back: No such file"):
        cellray.get(refs[0])
    with pytest.raises(ObjectLostError, match="cannot be read back"):
        cellray.get(check.remote(refs[1], 1))
    assert is_piece(cellray.get(refs[-1]), 29)

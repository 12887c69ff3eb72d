"""Objects that are lost are made again, with real processes: `cellray.testing` breaks things, nobody notices."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path

import cellray
import numpy as np
import pytest
from cellray import testing
from cellray.cli import render_status
from cellray.errors import GcsUnavailableError
from cellray.exceptions import ActorDiedError, ObjectReconstructionFailedError, TaskError

from tests.helpers.control import StatusReader
from tests.helpers.polling import eventually
from tests.helpers.processes import redis_server_of

LARGE = 50_000
"""Numbers of 8 bytes: more than travels inline, or is kept in the log."""


@cellray.remote
def count_up(path: str, first: int, *others: np.ndarray) -> np.ndarray:
    """Leaves a mark for each time it runs."""
    with open(path, "a", encoding="ascii") as file:
        file.write("x")
    return np.arange(first, first + LARGE) + sum(int(other[0]) for other in others)


def runs(path: Path) -> int:
    return len(path.read_text()) if path.exists() else 0


def test_a_lost_object_is_made_again_once_for_all_readers(tmp_path: Path) -> None:
    ref = count_up.remote(str(tmp_path / "a"), 3)
    cellray.wait([ref])
    testing.drop_object(ref)
    readers = [count_up.remote(str(tmp_path / "b"), 0, ref) for _ in range(4)]
    assert cellray.get(ref)[0] == 3
    assert [int(value[0]) for value in cellray.get(readers)] == [3] * 4
    assert runs(tmp_path / "a") == 2


def test_who_waits_for_a_lost_object_lends_its_cpus_to_the_task_that_makes_it(tmp_path: Path) -> None:
    @cellray.remote(num_cpus=2)
    def first_of(refs: list[cellray.ObjectRef]) -> int:
        return int(cellray.get(refs[0])[0])

    ref = count_up.remote(str(tmp_path / "a"), 3)
    cellray.wait([ref])
    testing.drop_object(ref)
    assert cellray.get(first_of.remote([ref]), timeout=30) == 3
    assert runs(tmp_path / "a") == 2


def test_a_chain_is_made_again_as_far_as_it_must_be_and_freed_behind(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in "abcd"]
    a = count_up.remote(names[0], 1)
    b = count_up.remote(names[1], 10, a)
    c = count_up.remote(names[2], 100, a, b)
    d = count_up.remote(names[3], 1000, c)
    assert int(cellray.get(d)[0]) == 1112
    del a, b
    testing.drop_object(d)
    assert int(cellray.get(d)[0]) == 1112
    assert [runs(Path(name)) for name in names] == [1, 1, 1, 2], "c was there"
    testing.drop_object(d)
    testing.drop_object(c)
    assert int(cellray.get(d)[0]) == 1112
    assert [runs(Path(name)) for name in names] == [2, 2, 2, 3]


def test_what_is_read_now_stays_readable() -> None:
    ref = cellray.remote(lambda: np.arange(LARGE)).remote()
    array = cellray.get(ref)
    testing.drop_object(ref)
    others = [cellray.remote(lambda: np.ones(LARGE)).remote() for _ in range(8)]
    cellray.get(others)
    assert int(array[-1]) == LARGE - 1


def test_a_small_value_is_taken_from_the_log(tmp_path: Path) -> None:
    @cellray.remote
    def small(path: str) -> str:
        with open(path, "a", encoding="ascii") as file:
            file.write("x")
        return "small"

    ref = small.remote(str(tmp_path / "a"))
    assert cellray.get(ref) == "small"
    testing.drop_object(ref)
    assert cellray.get(ref) == "small"
    assert runs(tmp_path / "a") == 1


def test_items_of_a_generator_are_made_again(tmp_path: Path) -> None:
    @cellray.remote(num_returns="streaming")
    def items(path: str) -> Iterator[np.ndarray]:
        with open(path, "a", encoding="ascii") as file:
            file.write("x")
        for index in range(4):
            yield np.full(LARGE, index)

    refs = list(items.remote(str(tmp_path / "a")))
    for ref in refs:
        cellray.wait([ref])
    testing.drop_object(refs[2])
    testing.drop_object(refs[0])
    assert [int(value[0]) for value in cellray.get(refs)] == [0, 1, 2, 3]
    assert runs(tmp_path / "a") == 2


def test_what_a_task_put_is_put_again(tmp_path: Path) -> None:
    @cellray.remote
    def outer() -> list[cellray.ObjectRef]:
        return [cellray.put(np.arange(LARGE))]

    (inner,) = cellray.get(outer.remote())
    testing.drop_object(inner)
    assert int(cellray.get(inner)[-1]) == LARGE - 1


@cellray.remote
class Holder:
    def __init__(self) -> None:
        self.calls = 0

    def large(self) -> np.ndarray:
        self.calls += 1
        return np.full(LARGE, self.calls)

    def pid(self) -> int:
        return os.getpid()


def test_what_cannot_be_made_again_gives_the_chain_of_reasons(tmp_path: Path) -> None:
    once = count_up.options(max_retries=0).remote(str(tmp_path / "a"), 1)
    after = count_up.remote(str(tmp_path / "b"), 10, once)
    cellray.wait([after])
    testing.drop_object(once)
    testing.drop_object(after)
    with pytest.raises(
        ObjectReconstructionFailedError, match=r"(?s)count_up was to run again.*max_retries=0"
    ) as raised:
        cellray.get(after)
    assert raised.value.object_id == after.hex()
    with pytest.raises(TaskError):
        cellray.get(count_up.remote(str(tmp_path / "b"), 10, "no array"))


def test_an_actors_result_is_not_made_again() -> None:
    holder = Holder.remote()
    ref = holder.large.remote()
    cellray.wait([ref])
    testing.drop_object(ref)
    with pytest.raises(ObjectReconstructionFailedError, match=r"Holder\.large, a call of an actor"):
        cellray.get(ref)
    assert int(cellray.get(holder.large.remote())[0]) == 2


def test_what_was_stored_is_kept_for_what_was_made_of_it(tmp_path: Path) -> None:
    stored = cellray.put(np.full(LARGE, 7))
    first = count_up.remote(str(tmp_path / "a"), 0, stored)
    second = count_up.remote(str(tmp_path / "b"), 0, first, np.full(LARGE, 5))
    assert int(cellray.get(second)[0]) == 12
    del stored, first
    testing.drop_object(second)
    assert int(cellray.get(second)[0]) == 12
    assert (runs(tmp_path / "a"), runs(tmp_path / "b")) == (2, 2)


def test_tasks_of_a_task_that_runs_again_do_not(tmp_path: Path) -> None:
    @cellray.remote
    def small(path: str) -> int:
        with open(path, "a", encoding="ascii") as file:
            file.write("x")
        return 3

    @cellray.remote
    def outer(outer_path: str, inner_path: str) -> np.ndarray:
        with open(outer_path, "a", encoding="ascii") as file:
            file.write("x")
        return np.full(LARGE, cellray.get(small.remote(inner_path)))

    ref = outer.remote(str(tmp_path / "outer"), str(tmp_path / "inner"))
    assert int(cellray.get(ref)[0]) == 3
    testing.drop_object(ref)
    assert int(cellray.get(ref)[0]) == 3
    assert (runs(tmp_path / "outer"), runs(tmp_path / "inner")) == (2, 1)


def test_what_a_driver_put_is_not_made_again() -> None:
    ref = cellray.put(np.arange(LARGE))
    testing.drop_object(ref)
    with pytest.raises(ObjectReconstructionFailedError, match="stored with put by a driver"):
        cellray.get(ref)


def test_a_spilled_file_that_cannot_be_read_is_made_again(session: cellray.Session) -> None:
    large = cellray.remote(lambda first: np.arange(first, first + (1 << 21)))
    refs = [large.remote(first) for first in range(6)]
    cellray.wait(refs, num_returns=len(refs))
    spilled = list(Path(session.address, "spill").iterdir())
    assert spilled, "six objects of 16 MB do not fit into 64 MB"
    for file in spilled:
        os.truncate(file, 100)
    assert [int(cellray.get(ref)[0]) for ref in refs] == list(range(6))


def test_a_killed_worker_is_replaced_and_its_task_tried_again(tmp_path: Path) -> None:
    @cellray.remote
    def slow(path: str) -> int:
        with open(path, "a", encoding="ascii") as file:
            file.write("x")
        if os.path.getsize(path) == 1:
            time.sleep(600)
        return os.getpid()

    path = tmp_path / "a"
    ref = slow.remote(str(path))
    while not runs(path):
        cellray.wait([ref], timeout=0.01)
    testing.kill_worker(ref)
    assert cellray.get(ref) != os.getpid()
    assert runs(path) == 2
    with pytest.raises(ValueError, match="has ended"):
        testing.kill_worker(ref)


def test_a_killed_actor_restarts() -> None:
    holder = Holder.options(max_restarts=1, max_task_retries=-1, recover=False).remote()
    before = cellray.get(holder.pid.remote())
    testing.kill_worker(holder)
    assert cellray.get(holder.pid.remote()) != before
    testing.kill_worker(holder)
    with pytest.raises(ActorDiedError, match="SIGKILL"):
        cellray.get(holder.pid.remote())


def test_the_gcs_is_back_when_kill_gcs_returns(tmp_path: Path) -> None:
    ref = count_up.remote(str(tmp_path / "a"), 1)
    cellray.wait([ref])
    testing.kill_gcs()
    testing.drop_object(ref)
    assert int(cellray.get(ref)[0]) == 1


def test_without_a_server_that_answers_there_is_none_to_kill(session: cellray.Session) -> None:
    server = redis_server_of(session.address)
    server.suspend()
    try:
        with pytest.raises(GcsUnavailableError, match=r"none answers\. See .*/logs/node\.log"):
            testing.kill_gcs()
    finally:
        server.resume()


@pytest.mark.parametrize(
    ("fault", "target", "error", "text"),
    [
        (testing.drop_object, "x", TypeError, "takes an ObjectRef"),
        (testing.kill_worker, 3, TypeError, "ObjectRef or an actor"),
    ],
)
def test_bad_input_is_refused(fault: object, target: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        fault(target)  # type: ignore[operator]


def test_what_is_not_there_cannot_be_broken() -> None:
    with pytest.raises(ValueError, match=r"stored with put"):
        testing.kill_worker(cellray.put(1))
    holder = Holder.remote()
    cellray.get(holder.pid.remote())
    with pytest.raises(ValueError, match="stands for an actor"):
        testing.drop_object(holder._cellray_ref)
    failed = cellray.remote(lambda: 1 / 0).remote()
    cellray.wait([failed])
    with pytest.raises(ValueError, match="its task failed"):
        testing.drop_object(failed)


def test_values_that_there_is_no_room_to_keep_are_counted_and_shown(
    session: cellray.Session, status_reader: StatusReader
) -> None:
    half_of_what_is_kept = np.zeros((64 << 20) // 4 // 2 // 8)

    @cellray.remote
    def part_of(array: np.ndarray) -> np.ndarray:
        return array[:LARGE].copy()

    before = status_reader.read(session.address).sources_given_up
    parts = []
    for _ in range(3):
        stored = cellray.put(half_of_what_is_kept)
        parts.append(part_of.remote(stored))
        cellray.wait(parts[-1:])
        del stored
    gc.collect()
    parts.append(part_of.remote(cellray.put(half_of_what_is_kept)))
    cellray.wait(parts, num_returns=len(parts))
    eventually(lambda: status_reader.read(session.address).sources_given_up > before, "no room for all of them")
    assert "given up values cannot be made again" in render_status(status_reader.read(session.address), "")

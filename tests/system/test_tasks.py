"""Tasks and objects from the user's side: what `remote`, `get`, `put` and `wait` do."""

from __future__ import annotations

import gc
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray import ObjectRef, Session
from cellray.exceptions import GetTimeoutError

from tests.helpers.control import StatusReader
from tests.helpers.gates import Gate
from tests.helpers.polling import eventually
from tests.helpers.scripts import run_script

pytestmark = pytest.mark.usefixtures("session")
MANY = 20_000


@cellray.remote
def add(a: int, b: int = 1) -> int:
    return a + b


@cellray.remote
def identity(value: Any) -> Any:
    return value


@cellray.remote
def wait_at(gate: Gate, value: Any = None) -> Any:
    gate.arrive(value)
    gate.pass_through()
    return value


def used_bytes(reader: StatusReader, session: Session) -> int:
    return reader.read(session.address).object_store_used_bytes


def test_calls_options_and_references_as_arguments() -> None:
    assert cellray.get(add.remote(1)) == 2
    assert cellray.get(add.remote(1, b=5)) == 6
    assert cellray.get(add.remote(b=5, a=2)) == 7
    assert cellray.get(add.options(name="sum", num_cpus=2).remote(1, 2)) == 3
    assert cellray.get(add.options(num_cpus=0).remote(1, 2)) == 3

    chain = add.remote(0)
    for _ in range(50):
        chain = add.remote(chain)
    assert cellray.get(chain) == 51
    assert cellray.get(add.remote(a=chain, b=chain)) == 102

    @cellray.remote
    def total(*parts: int, **named: int) -> int:
        return sum(parts) + sum(named.values())

    fan_in = total.remote(*[add.remote(i, 0) for i in range(100)], extra=cellray.put(1))
    assert cellray.get(fan_in) == sum(range(100)) + 1


def test_a_reference_inside_an_argument_stays_a_reference() -> None:
    @cellray.remote
    def look(refs: list[ObjectRef], by_name: dict[str, ObjectRef]) -> tuple[bool, int]:
        values = cellray.get([*refs, by_name["x"]])
        return isinstance(refs[0], ObjectRef), sum(values)

    assert cellray.get(look.remote([add.remote(1), cellray.put(2)], {"x": add.remote(2)})) == (True, 7)


def test_nesting_wider_and_deeper_than_there_are_cpus() -> None:
    @cellray.remote
    def fib(n: int) -> int:
        return n if n < 2 else sum(cellray.get([fib.remote(n - 1), fib.remote(n - 2)]))

    @cellray.remote
    def deep(n: int) -> int:
        return 0 if n == 0 else 1 + cellray.get(deep.remote(n - 1))

    @cellray.remote
    def fan_out(n: int) -> list[int]:
        return cellray.get([add.remote(i) for i in range(n)])

    assert cellray.get(fib.remote(8)) == 21
    assert cellray.get(deep.remote(60)) == 60
    assert cellray.get([fan_out.remote(50) for _ in range(4)]) == [list(range(1, 51))] * 4


def test_num_returns() -> None:
    @cellray.remote(num_returns=3)
    def three() -> tuple[int, int, int]:
        return 1, 2, 3

    @cellray.remote(num_returns=0)
    def nothing(folder: str) -> None:
        Path(folder, "done").touch()

    refs = three.remote()
    assert cellray.get(refs) == [1, 2, 3]
    assert len({ref.task_id() for ref in refs}) == 1
    assert cellray.get(three.options(num_returns=1).remote()) == (1, 2, 3)
    with pytest.raises(ValueError, match="num_returns=2 but returned 3 values"):
        cellray.get(three.options(num_returns=2).remote())
    with pytest.raises(ValueError, match="no sequence"):
        cellray.get(add.options(num_returns=2).remote(1))
    folder = os.environ["CELLRAY_HOME"] + "/latest"
    assert nothing.remote(folder) is None
    eventually(Path(folder, "done").exists, "the task without returns has run")


def test_get_takes_what_rays_takes(tmp_path: Path) -> None:
    one = cellray.put({"a": 1})
    assert cellray.get(one) == {"a": 1}
    assert cellray.get([one, one]) == [{"a": 1}, {"a": 1}]
    assert cellray.get([]) == []
    assert cellray.get(one, timeout=0) == {"a": 1}
    assert cellray.get(cellray.put(None)) is None
    assert cellray.get(add.remote(1), timeout=60) == 2

    gate = Gate(tmp_path)
    pending = wait_at.remote(gate, 7)
    for timeout in (0, 0.05):
        with pytest.raises(GetTimeoutError, match="1 of 2 objects were not ready") as caught:
            cellray.get([one, pending], timeout=timeout)
        assert isinstance(caught.value, TimeoutError)
    gate.open()
    assert cellray.get(pending) == 7


def test_wait_gives_what_rays_gives(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    done = [cellray.put(i) for i in range(3)]
    pending = [wait_at.remote(gate, i) for i in range(2)]
    cases: list[tuple[list[ObjectRef], dict[str, Any], list[ObjectRef], list[ObjectRef]]] = [
        ([], {}, [], []),
        (done, {}, done[:1], done[1:]),
        (done, {"num_returns": 3}, done, []),
        (done, {"num_returns": 2, "timeout": 0}, done[:2], done[2:]),
        ([pending[0], done[0]], {}, [done[0]], [pending[0]]),
        ([*pending, *done], {"num_returns": 3}, done, pending),
        ([*pending, *done], {"num_returns": 5, "timeout": 0.05}, done, pending),
        (pending, {"timeout": 0}, [], pending),
        (pending, {"num_returns": 2, "timeout": 0.02}, [], pending),
        (done, {"fetch_local": False}, done[:1], done[1:]),
    ]
    for refs, options, ready, rest in cases:
        assert cellray.wait(refs, **options) == (ready, rest), (refs, options)
    gate.open()
    assert cellray.wait(pending, num_returns=2) == (pending, [])


def test_a_rest_of_wait_is_a_list_like_any_other(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    done = [cellray.put(i) for i in range(4)]
    pending = [wait_at.remote(gate, i) for i in range(2)]
    _, rest = cellray.wait([*done, *pending])
    assert type(rest) is list
    rest.append(cellray.put(9))
    added = rest[-1]
    assert cellray.wait(rest, num_returns=4) == ([*done[1:], added], pending)

    def broken(change: Callable[[list[Any]], None]) -> list[Any]:
        _, rest = cellray.wait([*done, *pending])
        change(rest)
        return rest

    for change, error in (
        (lambda rest: rest.append(rest[0]), ValueError),
        (lambda rest: rest.append(1), TypeError),
        (lambda rest: rest.insert(0, "x"), TypeError),
        (lambda rest: rest.pop() and rest.append("x"), TypeError),
        (lambda rest: rest.extend(rest[:1]), ValueError),
    ):
        with pytest.raises(error):
            cellray.wait(broken(change))
    _, rest = cellray.wait([*done, *pending])
    with pytest.raises(ValueError, match="num_returns cannot be greater"):
        cellray.wait(rest, num_returns=6)
    with pytest.raises(ValueError, match="Invalid number"):
        cellray.wait(rest, num_returns=0)
    gate.open()
    seen = []
    while rest:
        ready, rest = cellray.wait(rest)
        seen += ready
    assert sorted(cellray.get(seen)) == [0, 1, 1, 2, 3]


def test_wait_returns_failed_ones_as_ready() -> None:
    @cellray.remote
    def fail() -> None:
        raise ValueError

    ref = fail.remote()
    assert cellray.wait([ref]) == ([ref], [])


FACTOR = 3


def test_functions_take_along_what_they_use() -> None:
    offset = 10

    @cellray.remote
    def closure(x: int) -> int:
        return x + offset

    def helper(x: int) -> int:
        return x * FACTOR

    @cellray.remote
    def with_helper(x: int) -> int:
        return helper(x)

    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

        def moved(self) -> Point:
            return Point(self.x + 1)

    assert cellray.get(closure.remote(1)) == 11
    assert cellray.get(with_helper.remote(2)) == 6
    assert cellray.get(cellray.remote(lambda x: x * 2).remote(4)) == 8
    assert cellray.get(cellray.remote(len).remote([1, 2])) == 2
    assert cellray.get(cellray.remote(Point.moved).remote(Point(1))).x == 2
    assert cellray.get(cellray.remote(lambda f: f(2)).remote(lambda x: x + 1)) == 3


def test_a_helper_that_was_defined_anew_is_used_by_functions_defined_after_it() -> None:
    output = run_script("""
        import cellray
        cellray.init(num_cpus=1, object_store_memory=64_000_000)
        def helper(): return "old"
        @cellray.remote
        def f(): return helper()
        print(cellray.get(f.remote()))
        def helper(): return "new"
        @cellray.remote
        def f(): return helper()
        print(cellray.get(f.remote()))
    """)
    assert output.stdout.split() == ["old", "new"], output


def arena_range() -> range:
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "memfd:cellray" in line:
            begin, end = line.split()[0].split("-")
            return range(int(begin, 16), int(end, 16))
    raise AssertionError("no arena is mapped")


def test_large_arrays_are_read_where_they_lie() -> None:
    array = np.arange(2_000_000, dtype=np.float64).reshape(1000, 2000)

    @cellray.remote
    def inside(value: np.ndarray[Any, Any]) -> tuple[bool, bool]:
        return value.flags.writeable, value.ctypes.data in arena_range()

    ref = cellray.put(array)
    for value in (cellray.get(ref), cellray.get(identity.remote(ref))):
        assert np.array_equal(value, array)
        assert not value.flags.writeable
        assert value.ctypes.data in arena_range()
        assert value.ctypes.data % 64 == 0
        with pytest.raises(ValueError, match="read-only"):
            value[0, 0] = 1
    assert cellray.get(inside.remote(ref)) == (False, True)
    assert cellray.get(inside.remote(array)) == (False, True)


def test_a_view_keeps_its_object(session: Session, status_reader: StatusReader) -> None:
    ref = cellray.put(np.full(1_000_000, 7, dtype=np.uint8))
    part = cellray.get(ref)[10:20]
    del ref
    gc.collect()
    others = [cellray.put(np.full(1_000_000, i, dtype=np.uint8)) for i in range(3)]
    assert cellray.get(add.remote(1)) == 2
    assert part.tolist() == [7] * 10
    assert used_bytes(status_reader, session) > 4_000_000
    del part, others
    eventually(lambda: used_bytes(status_reader, session) == 0, "nothing is held")


def test_a_large_argument_is_stored_once(session: Session, status_reader: StatusReader) -> None:
    ref = cellray.put(np.ones(100_000_000, dtype=np.uint8))

    @cellray.remote
    def size(value: np.ndarray[Any, Any]) -> int:
        return int(value.nbytes)

    assert cellray.get([size.remote(ref) for _ in range(20)]) == [100_000_000] * 20
    assert used_bytes(status_reader, session) < 101_000_000
    del ref
    eventually(lambda: used_bytes(status_reader, session) == 0, "the argument is freed")
    # Without a reference of its own it is stored for the task and freed with it.
    assert cellray.get(size.remote(np.ones(150_000_000, dtype=np.uint8))) == 150_000_000
    assert cellray.get(size.remote(np.ones(150_000_000, dtype=np.uint8))) == 150_000_000
    eventually(lambda: used_bytes(status_reader, session) == 0, "the arguments are freed")


def test_objects_are_freed_when_their_last_reference_goes(session: Session, status_reader: StatusReader) -> None:
    big = np.zeros(1_000_000)

    @cellray.remote
    def produce() -> Any:
        return np.ones(1_000_000)

    @cellray.remote
    def put_inside() -> list[ObjectRef]:
        return [cellray.put(np.ones(500_000))]

    for make in (
        lambda: cellray.put(big),
        produce.remote,
        lambda: identity.remote(big),
        lambda: identity.remote(produce.remote()),
        put_inside.remote,
        lambda: cellray.put([cellray.put(big)]),
    ):
        for _ in range(30):  # far more than fits if nothing were freed
            cellray.wait([make()])
        eventually(lambda: used_bytes(status_reader, session) == 0, "all is freed")


def test_references_inside_values_keep_objects(session: Session, status_reader: StatusReader) -> None:
    outer = cellray.put([cellray.put(np.full(1_000_000, 5, dtype=np.uint8))])
    nested = cellray.put({"deeper": outer})
    del outer
    gc.collect()
    assert cellray.get(add.remote(1)) == 2
    inner = cellray.get(cellray.get(nested)["deeper"])[0]
    del nested
    gc.collect()
    assert cellray.get(add.remote(1)) == 2
    assert cellray.get(inner).sum() == 5_000_000
    del inner
    eventually(lambda: used_bytes(status_reader, session) == 0, "all is freed")


def test_a_worker_that_keeps_a_borrowed_reference_keeps_its_object() -> None:
    @cellray.remote
    def keep(refs: list[ObjectRef]) -> int:
        cellray.kept = refs[0]  # type: ignore[attr-defined]
        return os.getpid()

    @cellray.remote
    def read() -> tuple[int, int]:
        kept = getattr(cellray, "kept", None)
        return os.getpid(), -1 if kept is None else int(cellray.get(kept).sum())

    for _ in range(30):
        keeper = cellray.get(keep.remote([cellray.put(np.ones(200_000, dtype=np.uint8))]))
        seen = dict(cellray.get([read.remote() for _ in range(8)]))
        assert seen.get(keeper, 200_000) == 200_000


def test_an_object_put_in_a_task_outlives_it() -> None:
    @cellray.remote
    def make(i: int) -> list[ObjectRef]:
        return [cellray.put(np.full(100_000, i)), cellray.put(i)]

    for i in range(100):
        big, small = cellray.get(make.remote(i))
        assert cellray.get(small) == i
        assert cellray.get(big)[-1] == i


def test_custom_resources_and_fractions_limit_how_many_run(tmp_path: Path) -> None:
    cellray.shutdown()
    cellray.init(num_cpus=4, resources={"slot": 2}, object_store_memory=64_000_000)
    assert cellray.cluster_resources().items() >= {"CPU": 4, "slot": 2}.items()
    cases: list[tuple[dict[str, Any], int]] = [
        ({"num_cpus": 0, "resources": {"slot": 1}}, 2),
        ({"num_cpus": 0, "resources": {"slot": 0.5}}, 4),
        ({"num_cpus": 2}, 2),
        ({"num_cpus": 1, "resources": {"slot": 2}}, 1),
    ]
    for case, (options, at_once) in enumerate(cases):
        gate = Gate(tmp_path, f"gate{case}")
        refs = [wait_at.options(**options).remote(gate, i) for i in range(at_once + 2)]
        gate.wait_arrived(at_once)
        # Others have had their chance once a task that needs nothing has run.
        assert cellray.get(add.options(num_cpus=0).remote(1)) == 2
        assert len(gate.pids) == at_once, options
        gate.open()
        assert cellray.get(refs) == list(range(at_once + 2))


def test_tasks_without_cpus_run_beside_those_that_hold_all(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    held = [wait_at.remote(gate, i) for i in range(2)]
    gate.wait_arrived(2)
    assert cellray.get([add.options(num_cpus=0).remote(i) for i in range(10)]) == list(range(1, 11))
    gate.open()
    assert cellray.get(held) == [0, 1]


def test_retry_exceptions(tmp_path: Path) -> None:
    @cellray.remote(max_retries=3, retry_exceptions=True)
    def third_time_lucky(folder: str) -> int:
        tries = len(os.listdir(folder))
        Path(folder, str(tries)).touch()
        if tries < 2:
            raise ValueError("not yet")
        return tries

    for case, options in enumerate(({}, {"max_retries": 1}, {"retry_exceptions": False})):
        (tmp_path / str(case)).mkdir()
        ref = third_time_lucky.options(**options).remote(str(tmp_path / str(case)))
        if not options:
            assert cellray.get(ref) == 2
        else:
            with pytest.raises(ValueError, match="not yet"):
                cellray.get(ref)


def test_many_small_tasks_from_several_threads() -> None:
    results: dict[int, list[int]] = {}

    def submit(thread: int) -> None:
        refs = [add.remote(i, thread) for i in range(MANY // 4)]
        results[thread] = cellray.get(refs)

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        assert results[number] == list(range(number, number + MANY // 4))


def test_threads_may_wait_for_different_things_at_once(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    slow = wait_at.remote(gate, "slow")
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(cellray.get(slow)))
    waiting.start()
    gate.wait_arrived()
    assert [cellray.get(add.remote(i)) for i in range(200)] == list(range(1, 201))
    gate.open()
    waiting.join()
    assert got == ["slow"]


def test_what_is_captured_by_a_function_is_kept() -> None:
    ref = cellray.put(np.ones(200_000))

    @cellray.remote
    def use() -> float:
        return float(cellray.get(ref).sum())

    assert cellray.get(use.remote()) == 200_000
    ref = None
    gc.collect()
    assert cellray.get([use.remote() for _ in range(10)]) == [200_000] * 10


def test_values_of_all_kinds_come_back_equal() -> None:
    values: list[Any] = [
        None, True, 1, -1.5, 2 + 3j, "text", b"bytes", "ä" * 200_000, b"x" * 200_000, [1, [2]], {"a": {1, 2}}, (1,),
        range(3), ..., int, print, np.float32(1.5), np.array([1, 2]), np.array("text"), np.zeros(0), np.zeros((3, 0)),
        np.array([1, 2], dtype="datetime64[s]"), np.arange(300_000)[::2], np.asfortranarray(np.ones((300, 300))),
    ]  # fmt: skip
    for value, back in zip(values, cellray.get([identity.remote(value) for value in values]), strict=True):
        assert type(back) is type(value)
        assert np.array_equal(back, value) if isinstance(value, np.ndarray) else back == value


def test_output_of_tasks_is_printed_by_the_driver() -> None:
    output = run_script("""
        import sys, cellray
        cellray.init(num_cpus=1, object_store_memory=64_000_000)
        @cellray.remote
        def speak():
            print("first")
            print("second", end="")
            print("to stderr", file=sys.stderr)
        @cellray.remote
        def parent():
            cellray.get(speak.options(name="child").remote())
        cellray.get(speak.remote())
        cellray.get(parent.remote())
    """)
    assert output.returncode == 0, output
    heard = [re.sub(r" pid=\d+\)", ")", text).splitlines() for text in (output.stdout, output.stderr)]
    assert heard[0] == ["(speak) first", "(speak) second", "(child) first", "(child) second"]
    assert heard[1] == ["(speak) to stderr", "(child) to stderr"]

"""What every object store does, mapped or in memory; and what only the mapped one can do: serve two processes."""

from __future__ import annotations

import array
import gc
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cellray.errors import InternalError
from cellray.ports import ObjectStore
from cellray.serialization import deserialize, serialize
from cellray.store import MappedStore, MemoryStore, create_arena
from cellray.store.copying import PARALLEL_BYTES_MIN

ARENA_BYTES = 8 * 1024 * 1024
RUNTIME = Path(__file__).parents[2] / "runtime"


def make_store(kind: str) -> ObjectStore:
    if kind == "memory":
        return MemoryStore(ARENA_BYTES)
    fd = create_arena(ARENA_BYTES)
    try:
        return MappedStore(fd, copy_threads=int(kind.removeprefix("mapped-")))
    finally:
        os.close(fd)


@pytest.fixture(params=["memory", "mapped-1", "mapped-2", "mapped-3"])
def store(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    made = make_store(request.param)
    yield made
    made.close()


class Releases:
    """Counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def random_bytes(size: int) -> bytes:
    return np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()


def test_parts_follow_one_another(store: ObjectStore) -> None:
    parts = [b"head", memoryview(b"xxbodyxx")[2:6], b"", memoryview(array.array("i", [1, 2]))]
    assert store.write(100, parts) == 16
    assert bytes(store.read(100, 16, Releases())) == b"headbody" + array.array("i", [1, 2]).tobytes()
    assert bytes(store.read(96, 4, Releases())) == bytes(4)
    assert bytes(store.read(116, 4, Releases())) == bytes(4)


@pytest.mark.parametrize("offset", [0, 1, 64, 4095, 4096])
@pytest.mark.parametrize("size", [0, 1, PARALLEL_BYTES_MIN - 1, PARALLEL_BYTES_MIN, 3 * 1024 * 1024 + 17])
def test_writes_of_all_sizes_come_back_equal(store: ObjectStore, offset: int, size: int) -> None:
    data = random_bytes(size)
    assert store.write(offset, [data]) == size
    assert store.read(offset, size, Releases()) == data


def test_the_whole_arena_and_its_ends(store: ObjectStore) -> None:
    assert store.arena_bytes == ARENA_BYTES
    data = random_bytes(ARENA_BYTES)
    store.write(0, [data])
    assert store.read(0, ARENA_BYTES, Releases()) == data
    assert store.read(ARENA_BYTES - 5, 5, Releases()) == data[-5:]
    assert len(store.read(ARENA_BYTES, 0, Releases())) == 0


@pytest.mark.parametrize(("offset", "size"), [(-1, 1), (ARENA_BYTES, 1), (ARENA_BYTES - 1, 2), (0, -1)])
def test_ranges_outside_are_refused(store: ObjectStore, offset: int, size: int) -> None:
    with pytest.raises(InternalError, match="outside of the arena"):
        store.read(offset, size, Releases())
    if size > 0:
        with pytest.raises(InternalError, match="outside of the arena"):
            store.write(offset, [bytes(size)])


def test_views_are_read_only_and_see_the_memory_itself(store: ObjectStore) -> None:
    view = store.read(0, 4, Releases())
    assert view.readonly
    assert view.format == "B"
    with pytest.raises(TypeError):
        view[0] = 1
    store.write(0, [b"abcd"])
    assert view == b"abcd"


def test_release_comes_once_when_the_last_derived_thing_is_gone(store: ObjectStore) -> None:
    store.write(0, [bytes(4096)])
    released = Releases()
    view = store.read(0, 4096, released)
    part = view[10:20]
    numbers = np.frombuffer(view[64:128], np.int32).reshape(4, 4)[1:]
    del view
    assert released.count == 0
    del part
    assert released.count == 0
    del numbers
    assert released.count == 1
    gc.collect()
    assert released.count == 1


def test_each_read_has_its_own_release(store: ObjectStore) -> None:
    first, second = Releases(), Releases()
    one, two = store.read(0, 100, first), store.read(0, 100, second)
    del one
    assert (first.count, second.count) == (1, 0)
    del two
    assert (first.count, second.count) == (1, 1)


def test_release_out_of_a_reference_cycle(store: ObjectStore) -> None:
    released = Releases()
    cycle: list[object] = [store.read(0, 100, released)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert released.count == 1


def test_release_by_another_thread(store: ObjectStore) -> None:
    released = Releases()
    held = [store.read(0, 100, released)]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert released.count == 1


def test_values_are_read_without_a_copy_and_pin_their_object(store: ObjectStore) -> None:
    value = {"a": np.arange(200_000.0), "b": np.arange(10)[::2], "c": "text"}
    serialized = serialize(value)
    assert store.write(64, serialized.parts) == serialized.total_bytes
    released = Releases()
    back = deserialize(store.read(64, serialized.total_bytes, released))
    assert (back["a"] == value["a"]).all()
    assert back["a"].ctypes.data % 64 == back["b"].ctypes.data % 64
    row = back["a"][5:10]
    del back
    assert released.count == 0
    store.write(64, [bytes(serialized.total_bytes)])
    assert row.tolist() == [0.0] * 5
    del row
    assert released.count == 1


def test_a_value_without_buffers_does_not_pin(store: ObjectStore) -> None:
    serialized = serialize(list(range(1000)))
    store.write(0, serialized.parts)
    released = Releases()
    assert deserialize(store.read(0, serialized.total_bytes, released)) == list(range(1000))
    assert released.count == 1


def test_closing_with_views_out(store: ObjectStore) -> None:
    store.write(0, [b"stay"])
    released = Releases()
    view = store.read(0, 4, released)
    store.close()
    store.close()
    assert view == b"stay"
    with pytest.raises(InternalError, match="closed"):
        store.read(0, 4, released)
    with pytest.raises(InternalError, match="closed"):
        store.write(0, [b"more"])
    del view
    assert released.count == 1


def test_many_threads_write_and_read_their_own_ranges(store: ObjectStore) -> None:
    share = ARENA_BYTES // 4
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(5):
            data = bytes([number * 16 + turn]) * share
            store.write(number * share, [data])
            if store.read(number * share, share, Releases()) != data:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


READER = r"""
import os, socket, sys
import numpy as np
from cellray.serialization import deserialize, serialize
from cellray.store import MappedStore
link = socket.socket(fileno=int(sys.argv[1]))
message, fds, _, _ = socket.recv_fds(link, 64, 1)
store = MappedStore(fds[0])
os.close(fds[0])
value = deserialize(store.read(4096, int(message), lambda: print("released", flush=True)))
link.sendall(b"%d\n" % value.sum())
assert link.recv(1) == b"!"
link.sendall(b"%d\n" % value.sum())
answer = serialize(value[:10] * 2)
link.sendall(b"%d\n" % store.write(0, answer.parts))
"""


def test_another_process_maps_the_same_memory() -> None:
    fd = create_arena(ARENA_BYTES)
    store = MappedStore(fd)
    serialized = serialize(np.arange(100_000))
    store.write(4096, serialized.parts)
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    with ours, theirs, ours.makefile("rb") as answers:
        process = subprocess.Popen(
            [sys.executable, "-c", READER, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": str(RUNTIME)},
            stdout=subprocess.PIPE,
        )
        with process:
            theirs.close()
            socket.send_fds(ours, [b"%d" % serialized.total_bytes], [fd])
            os.close(fd)
            assert int(answers.readline()) == np.arange(100_000).sum()
            # What is written now is seen there without anything being sent: it is the same memory.
            store.write(4096, serialize(np.ones(100_000, np.int64)).parts)
            ours.sendall(b"!")
            assert int(answers.readline()) == 100_000
            size = int(answers.readline())
            output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output in (b"", b"released\n")
    assert deserialize(store.read(0, size, Releases())).tolist() == [2] * 10
    store.close()


def test_nobody_can_shrink_the_arena() -> None:
    fd = create_arena(ARENA_BYTES)
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(fd, 4096)
    os.close(fd)


def test_no_file_system_limits_the_arena() -> None:
    """The 64 MB that containers give /dev/shm do not: a memory file lies in the kernel's own mount, which has no size.

    Its pages are charged to the control group of whoever writes them first, like all memory, and the size that is taken
    or refused keeps within what the group has left (`machine_memory`).
    """
    fd = create_arena(ARENA_BYTES)
    assert os.fstatvfs(fd).f_blocks == 0
    os.close(fd)


def test_the_arena_leaves_no_name_and_is_not_inherited() -> None:
    before = set(os.listdir("/dev/shm"))
    fd = create_arena(ARENA_BYTES)
    assert not os.get_inheritable(fd)
    assert set(os.listdir("/dev/shm")) == before
    assert os.stat(fd).st_blocks == 0
    os.close(fd)

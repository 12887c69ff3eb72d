"""Values, arguments and functions as bytes and back."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from collections import namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from cellray.errors import InternalError
from cellray.ids import ObjectId
from cellray.serialization import (
    STORED_ARGUMENTS,
    Serialized,
    collect_references,
    deserialize,
    deserialize_arguments,
    deserialize_function,
    reference_seam,
    serialize,
    serialize_arguments,
    serialize_function,
    serialize_plain,
)
from cellray.serialization.references import ReferenceSeam
from cellray.serialization.value import ALIGNMENT_BYTES, PLAIN_BYTES_MAX
from hypothesis import given, settings
from hypothesis import strategies as st

RUNTIME = Path(__file__).parents[2] / "runtime"
Point = namedtuple("Point", "x y")


@dataclass(frozen=True)
class Reference:
    """What the API's ObjectRef is to serialization."""

    object_id: ObjectId

    def __reduce__(self) -> Any:
        return Reference, (reference_seam.note(self),)


class Hidden:
    """Pickles a reference into bytes of its own."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    def __getstate__(self) -> bytes:
        return pickle.dumps(self.reference)

    def __setstate__(self, state: bytes) -> None:
        self.reference = pickle.loads(state)


kept: list[Reference] = []
"""Those that were pickled outside of any value."""


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    known = dict(vars(reference_seam))
    kept.clear()
    reference_seam.register(
        Reference, lambda reference: reference.object_id, lambda ids: list(map(Reference, ids)), kept.append
    )
    yield
    vars(reference_seam).update(known)


def reference(number: int) -> Reference:
    return Reference(ObjectId(number.to_bytes(20, "big")))


def round_trip(value: Any) -> Any:
    serialized = serialize(value)
    data = serialized.to_bytes()
    assert len(data) == serialized.total_bytes
    return deserialize(data)


atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
)
hashable = st.recursive(atoms, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4), max_leaves=6)
nested = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(hashable, inner)
        | st.sets(hashable)
        | inner.map(lambda value: Point(value, [value]))
    ),
    max_leaves=30,
)


@settings(max_examples=300)
@given(nested)
def test_builtins_come_back_equal(value: Any) -> None:
    back = round_trip(value)
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("size", [0, 1, PLAIN_BYTES_MAX, PLAIN_BYTES_MAX + 1, 1_000_000])
def test_bytes_and_strings_of_all_sizes(size: int) -> None:
    assert round_trip(b"x" * size) == b"x" * size
    assert round_trip("é" * size) == "é" * size
    assert round_trip(bytearray(size)) == bytearray(size)


def test_large_bytes_are_not_copied_while_serializing() -> None:
    data = bytes(1_000_000)
    assert any(part is data for part in serialize([data, 1]).parts)


def test_recursive_structures_and_shared_parts() -> None:
    loop: list[Any] = []
    loop.append({"self": loop})
    back = round_trip(loop)
    assert back[0]["self"] is back
    array = np.arange(1000)
    first, second = round_trip([array, array])
    assert first is second


ARRAYS = {
    "contiguous": np.arange(12.0).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(12.0)[::2],
    "reversed": np.arange(12)[::-1],
    "broadcast": np.broadcast_to(np.arange(3.0), (4, 3)),
    "zero-d": np.array(5.0),
    "datetime": np.arange(6).astype("M8[s]").reshape(2, 3),
    "strided datetime": np.arange(6).astype("M8[D]")[::2],
    "timedelta": np.arange(6).astype("m8[ms]"),
    "text": np.array(["a", "bcd"]),
    "bytes": np.array([b"a", b"bcd"]),
    "bool": np.array([True, False]),
    "half": np.arange(3, dtype="f2"),
    "complex": np.arange(3) * 1j,
    "big endian": np.arange(3, dtype=">i4"),
    "structured": np.zeros(3, [("a", "i4"), ("b", "f8")]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_read_where_they_lie(name: str) -> None:
    array = ARRAYS[name]
    memory = memoryview(bytearray(serialize({"a": array}).to_bytes()))
    back = deserialize(memory)["a"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert (back == array).all()
    assert not back.flags.writeable
    assert np.shares_memory(back, np.frombuffer(memory, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        back[...] = back


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, "x", None, [2]], dtype=object),
        np.empty((0, 3)),
        np.ma.masked_array([1, 2], [True, False]),
        np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    ],
    ids=["object", "empty", "masked", "records"],
)
def test_other_arrays_come_back_equal(array: Any) -> None:
    back = round_trip(array)
    assert type(back) is type(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tolist() == array.tolist()


def test_buffers_are_aligned_in_the_flat_layout() -> None:
    arrays = [np.full(n, n % 256, np.uint8) for n in (1, 63, 64, 65, 1000)]
    memory = np.frombuffer(bytearray(serialize(arrays).to_bytes()), np.uint8)
    for array, back in zip(arrays, deserialize(memory.data), strict=True):
        assert (back == array).all()
        assert (back.ctypes.data - memory.ctypes.data) % ALIGNMENT_BYTES == 0


def test_an_array_alone_keeps_the_memory_alive() -> None:
    data = serialize(np.arange(1000)).to_bytes()
    view = memoryview(bytearray(data))
    owner = view.obj
    part = deserialize(view)[10:20].reshape(2, 5)
    del view
    with pytest.raises(BufferError):
        owner.append(0)  # type: ignore[attr-defined]
    del part
    owner.append(0)  # type: ignore[attr-defined]


def test_pandas_and_arrow() -> None:
    pandas = pytest.importorskip("pandas")
    arrow = pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"f": np.arange(1000.0), "t": pandas.date_range("2020", periods=1000), "s": ["x"] * 1000})
    memory = np.frombuffer(serialize(frame).to_bytes(), np.uint8)
    back = deserialize(memory.data)
    pandas.testing.assert_frame_equal(back, frame)
    assert np.shares_memory(back["f"].to_numpy(), memory)
    assert np.shares_memory(back["t"].to_numpy(), memory)
    table = arrow.table({"a": list(range(1000)), "s": ["x"] * 1000})
    memory = np.frombuffer(serialize(table).to_bytes(), np.uint8)
    table_back = deserialize(memory.data)
    assert table_back.equals(table)
    assert np.shares_memory(table_back["a"].chunk(0).to_numpy(), memory)


MAIN = """
import sys, dataclasses, enum
from cellray.serialization import serialize, serialize_function, serialize_arguments
SCALE = 3
class Base:
    def twice(self): return self.x * 2
@dataclasses.dataclass
class Thing(Base):
    x: int
class Color(enum.Enum):
    RED = 1
def helper(x): return x * SCALE
def outer(y):
    def inner(x): return helper(x) + y
    return inner
payload = {"thing": Thing(21), "color": Color.RED, "f": outer(1), "lambda": lambda x: x + SCALE, "class": Thing}
alone, _, _ = serialize_arguments((Thing(1), helper), {})
parts = [serialize(payload).to_bytes(), serialize_function(outer(2)), alone.to_bytes()]
for part in parts:
    sys.stdout.buffer.write(len(part).to_bytes(8, "little") + part)
"""


def test_what_main_defines_travels_to_a_process_that_has_another_main() -> None:
    script = "import __main__\n" + textwrap.dedent(MAIN)
    environment = {**os.environ, "PYTHONPATH": str(RUNTIME)}
    output = subprocess.run(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, check=True, timeout=60
    ).stdout
    parts = []
    while output:
        size = int.from_bytes(output[:8], "little")
        parts.append(output[8 : 8 + size])
        output = output[8 + size :]
    payload = deserialize(parts[0])
    assert payload["thing"].twice() == 42
    assert type(payload["thing"]) is payload["class"]
    assert payload["color"].name == "RED"
    assert payload["f"](2) == 7
    assert payload["lambda"](1) == 4
    assert deserialize_function(parts[1])(1) == 5
    (thing, helper), _ = deserialize_arguments(parts[2])
    assert (thing.x, helper(2)) == (1, 6)


def test_functions_of_modules_go_by_reference() -> None:
    data = serialize_function(os.path.join)
    assert len(data) < 100
    assert deserialize_function(data) is os.path.join


def test_closures_and_the_references_they_capture() -> None:
    captured = reference(5)
    with collect_references() as found:
        data = serialize_function(lambda: captured)
    assert list(found) == [captured.object_id]
    assert deserialize_function(data)() == captured


def test_references_inside_values_are_found_and_rebuilt() -> None:
    one, two = reference(1), reference(2)
    value = {"a": [one, (two, one)], "hidden": Hidden(reference(3)), "f": lambda: one}
    serialized = serialize(value)
    assert serialized.contained == (one.object_id, two.object_id, reference(3).object_id)
    back = deserialize(serialized.to_bytes())
    assert back["a"] == [one, (two, one)]
    assert back["hidden"].reference == reference(3)
    assert back["f"]() == one
    assert serialize(one).contained == (one.object_id,)


def test_equal_references_come_back_as_one_and_many_as_a_table() -> None:
    many = [reference(number) for number in range(2000)]
    serialized = serialize([many, reference(3)])
    assert serialized.contained == tuple(ref.object_id for ref in many)
    back, again = deserialize(memoryview(serialized.to_bytes()))
    assert back == many
    assert again is back[3], "one to count, however often it is named"
    assert serialized.total_bytes < 2000 * 30


def test_references_beside_arrays() -> None:
    array = np.arange(100_000)
    back = deserialize(serialize({"refs": [reference(1)], "array": array}).to_bytes())
    assert back["refs"] == [reference(1)]
    assert (back["array"] == array).all()


def test_a_table_of_references_that_is_cut_off_says_so() -> None:
    data = serialize([reference(1), reference(2)]).to_bytes()
    for end in range(4, len(data), 7):
        with pytest.raises(InternalError, match="malformed value"):
            deserialize(data[:end])


def test_what_is_pickled_outside_of_values_is_kept() -> None:
    serialize([reference(1)])
    assert kept == []
    for dumps in (pickle.dumps, cloudpickle.dumps):
        assert pickle.loads(dumps([reference(2)])) == [reference(2)]
    assert kept == [reference(2), reference(2)]


@pytest.mark.parametrize(
    ("value", "is_quick"),
    [
        ({"state": list(range(10))}, True),
        ([1, (2, "b"), {"c": None}], True),
        ([[], {}, ()], True),
        ({(1, 2): [3]}, True),
        ([[1] * 16] * 8, True),
        ([[1] * 16] * 9, False),
        ([[1] * 17], False),
        ([[[1]]], False),
        ([[len]], False),
        ([["x" * (PLAIN_BYTES_MAX + 1)]], False),
        ([{"a": reference(1)}], False),
        ([True, {1, 2}], False),
    ],
)
def test_small_containers_in_small_containers_take_the_short_way(value: Any, is_quick: bool) -> None:
    data = serialize_plain(value)
    assert (data is not None) == is_quick
    if data is not None:
        assert deserialize(data) == value
    assert deserialize(serialize(value).to_bytes()) == value


def test_arguments_of_small_containers_are_bytes_at_once() -> None:
    args, kwargs = ([1, 2], {"a": (1, "x")}), {"state": {"b": [None]}}
    data, dependencies, contained = serialize_arguments(args, kwargs)
    assert isinstance(data, bytes)
    assert (dependencies, contained) == ((), ())
    assert deserialize_arguments(data) == (args, kwargs)
    _, _, contained = serialize_arguments(([reference(1)],), {"k": {"a": reference(2)}})
    assert contained == (reference(1).object_id, reference(2).object_id)


def test_serializing_within_serializing_keeps_references_apart() -> None:
    inner_found: list[tuple[ObjectId, ...]] = []

    class Puts:
        def __reduce__(self) -> Any:
            inner_found.append(serialize([reference(8)]).contained)
            return list, ()

    assert serialize([reference(7), Puts()]).contained == (reference(7).object_id,)
    assert inner_found == [(reference(8).object_id,)]


def test_a_failed_serialization_leaves_no_collection_behind() -> None:
    with pytest.raises(TypeError):
        serialize([reference(1), (i for i in ())])
    assert reference_seam.collectors.stack == []


def test_threads_collect_each_for_itself() -> None:
    def work(number: int) -> bool:
        return all(
            serialize([reference(number), {"n": number}]).contained == (reference(number).object_id,)
            for _ in range(200)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))


def test_an_unregistered_process_says_so() -> None:
    with pytest.raises(InternalError, match="no class of references"):
        ReferenceSeam().rebuild([reference(1).object_id])
    with pytest.raises(InternalError, match="no class of references"):
        ReferenceSeam().id_of(reference(1))
    assert not ReferenceSeam().is_reference(1)


def as_bytes(data: bytes | Serialized) -> bytes:
    return data if isinstance(data, bytes) else data.to_bytes()


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((1, "a", None), {}),
        ((), {"k": 2}),
        ((1,), {"k": [1, {"x": 2}]}),
        (([1, 2], {"a": {}}), {}),
        (({},), {}),
        (([(), {}, ()],), {}),
    ],
)
def test_arguments_come_back_equal(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    data, dependencies, contained = serialize_arguments(args, kwargs)
    assert (dependencies, contained) == ((), ())
    assert deserialize_arguments(as_bytes(data), ()) == (args, kwargs)


def test_a_call_without_arguments_is_empty() -> None:
    assert serialize_arguments((), {}) == (b"", (), ())


def test_small_plain_arguments_are_bytes() -> None:
    assert isinstance(serialize_arguments((1, "a"), {})[0], bytes)
    assert isinstance(serialize_arguments((1, reference(1)), {"k": 2.0})[0], bytes)


def test_references_among_arguments_become_dependencies_and_nested_ones_do_not() -> None:
    one, two, three = reference(1), reference(2), reference(3)
    data, dependencies, contained = serialize_arguments((one, 5, two), {"k": one, "n": [three], "z": 1})
    assert dependencies == (one.object_id, two.object_id)
    assert contained == (three.object_id,)
    args, kwargs = deserialize_arguments(as_bytes(data), ["ONE", "TWO"])
    assert args == ("ONE", 5, "TWO")
    assert kwargs == {"k": "ONE", "n": [three], "z": 1}
    assert list(kwargs) == ["k", "n", "z"]


def test_the_caller_may_say_what_a_reference_is() -> None:
    _, dependencies, contained = serialize_arguments((reference(1),), {}, lambda value: False)
    assert (dependencies, contained) == ((), (reference(1).object_id,))


def test_a_stored_payload_is_the_last_dependency_and_is_not_changed() -> None:
    array = np.arange(100_000)
    data, dependencies, _ = serialize_arguments((reference(1), array), {"k": reference(2)})
    assert isinstance(data, Serialized)
    payload = deserialize(data.to_bytes())
    for values in (["one", "two", payload], ["uno", "dos", payload]):
        args, kwargs = deserialize_arguments(STORED_ARGUMENTS, values)
        assert args[0] == values[0]
        assert (args[1] == array).all()
        assert kwargs == {"k": values[1]}
    assert len(dependencies) == 2


def test_an_array_of_truth_values_as_an_argument_is_no_reference() -> None:
    (array,), _ = deserialize_arguments(as_bytes(serialize_arguments((np.array([True, False]),), {})[0]))
    assert array.tolist() == [True, False]


GOOD = serialize(np.arange(100)).to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\x05",
        b"garbage that is long enough to be a header",
        GOOD[:3],
        GOOD[:15],
        GOOD[:20],
        GOOD[:-1],
        b"\xce" + b"\xff" * 200,
        GOOD[:4] + b"\xff\xff\xff\xff" + GOOD[8:],
        GOOD[:8] + b"\xff" * 8 + GOOD[16:],
    ],
)
def test_malformed_values_are_refused(data: bytes) -> None:
    with pytest.raises(InternalError, match="malformed"):
        deserialize(data)


def test_malformed_arguments_are_refused() -> None:
    with pytest.raises(InternalError, match="malformed arguments"):
        deserialize_arguments(serialize("text").to_bytes())


def test_a_missing_module_says_what_to_do() -> None:
    data = b"\x80\x05\x8c\x0eno_such_module\x8c\x01f\x93."
    with pytest.raises(ModuleNotFoundError) as caught:
        deserialize(data)
    assert "install it" in "".join(caught.value.__notes__)


def test_a_serialised_value_may_change_after_it_was_written() -> None:
    array = np.zeros(1000)
    data = serialize(array).to_bytes()
    array[:] = 1
    assert deserialize(data).sum() == 0


def test_code_keeps_its_file_so_that_tracebacks_show_its_lines() -> None:
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(compile("def outer():\n    def inner(): return 1 / 0\n    return inner\n", "Cell In[7]", "exec"), namespace)
    outer = deserialize_function(serialize_function(namespace["outer"]))  # type: ignore[arg-type]
    inner = deserialize(serialize(outer()).to_bytes())
    assert [function.__code__.co_filename for function in (outer, inner)] == ["Cell In[7]"] * 2
